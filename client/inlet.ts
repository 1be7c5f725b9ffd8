/** The receiving end of a conversation: in order, one at a time, and deaf to what is not for this client. */
import { Refusal } from '#host/errors.ts'
import { type DataEnvelope, decodeEnvelope } from '#host/wire/envelope.ts'
import { parseSubject, type Subject } from '#host/wire/subject.ts'

export interface Inlet {
  /** Takes a message as the bus gave it. */
  push(message: { readonly subject: string; readonly data: Uint8Array }): void
  /** Resolves when everything pushed so far was taken. */
  idle(): Promise<void>
}

/**
 * Decodes what comes and hands on what `isMine`. What cannot be read is dropped: anybody may publish bytes, and a
 * client that fell over them would be theirs to stop.
 */
export function openInlet(
  isMine: (envelope: DataEnvelope) => boolean,
  receive: (subject: Subject, envelope: DataEnvelope) => Promise<void>,
  /** Takes what a vault says unsealed, of a message that it could not open. */
  unknown: (statement: Uint8Array) => Promise<void>,
): Inlet {
  let last = Promise.resolve()
  async function take(message: { readonly subject: string; readonly data: Uint8Array }): Promise<void> {
    try {
      const subject = parseSubject(message.subject)
      if (subject.type === 'session.unknown') return await unknown(message.data)
      const envelope = decodeEnvelope(message.data)
      if (envelope.kind === 'hello' || envelope.kind === 'accept' || !isMine(envelope)) return
      await receive(subject, envelope)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
    }
  }
  return {
    push(message) {
      last = last.then(() => take(message))
    },
    idle: () => last,
  }
}
