import { randomBytes } from 'node:crypto'

import { type DataEnvelope, decodeEnvelope } from '#host/wire/envelope.ts'
import { nativeCrypto } from './native.ts'

import { createSession, type Opened, type Session } from './session.ts'

export const random = (length: number) => new Uint8Array(randomBytes(length))

/** Where all of these tests' messages are. */
export const bind = new TextEncoder().encode('MessageSpace.alice.fromService.acme')

/** Both ends of one conversation, as a handshake leaves them. */
export function pair(now = 0): { a: Session; b: Session } {
  const root = random(32)
  const a = createSession(nativeCrypto, Uint8Array.from(root), { role: 'initiator', now })
  return { a, b: createSession(nativeCrypto, root, { role: 'responder', now }) }
}

export function envelopeOf(bytes: Uint8Array): DataEnvelope {
  const envelope = decodeEnvelope(bytes)
  if (!('cid' in envelope)) throw new Error(`expected data, not ${envelope.kind}`)
  return envelope
}

export function sealText(session: Session, text: string, lane: 0 | 1 = 0): Uint8Array {
  return session.seal(new TextEncoder().encode(text), { bind, lane, mid: random(16) })
}

export function openBytes(session: Session, bytes: Uint8Array): Opened {
  return session.open(envelopeOf(bytes), { bind })
}

export function textOf(opened: Opened): string {
  return new TextDecoder().decode(opened.plaintext)
}
