/** Events for the outer shell, by their subjects. They come unsealed, and need no open vault. */
import { parseEventType } from '#host/wire/id.ts'
import { buildSubject, type Subject } from '#host/wire/subject.ts'

const CHALLENGE = 'enclave.challenge'
const PROVISION = 'enclave.provision'

interface Knock {
  readonly asks: 'evidence' | 'order'
  /** The lane that the device listens on. */
  readonly answerTo: string
}

export function knockOf(subject: Subject): Knock | undefined {
  if (subject.space !== 'owner' || subject.direction !== 'forVault') return undefined
  const asks = subject.type === CHALLENGE ? 'evidence' : subject.type === PROVISION ? 'order' : undefined
  if (!asks) return undefined
  const type = parseEventType(asks === 'evidence' ? 'enclave.descriptor' : 'enclave.provisioned')
  return { asks, answerTo: buildSubject({ ...subject, direction: 'forApp', type }) }
}
