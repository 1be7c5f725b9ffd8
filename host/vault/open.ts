/** Envelope → Opened: who sent it, by the subject it came on and the key that opened it. Nothing inside is trusted. */
import type { Opened as Message } from '#host/crypto/session.ts'
import { Refusal } from '#host/errors.ts'
import { CLOCK_SKEW_MS_MAX } from '#host/limits.ts'
import type { DataEnvelope } from '#host/wire/envelope.ts'
import { decodeEvent, type VineEvent } from '#host/wire/event.ts'
import { bindOf, type Subject } from '#host/wire/subject.ts'
import type { Party } from './party.ts'
import type { Vault } from './vault.ts'

/** An authentic event of a known sender. `mark` and `release` end the hold on its place in the receive window. */
export interface Opened {
  readonly kind: 'event'
  readonly vault: Vault
  readonly party: Party
  readonly event: VineEvent
  /** True when this very envelope was opened before. */
  readonly replay: boolean
  /** To be called with the commit of the event's effects. */
  mark(): void
  /** To be called when nothing of it is kept: the sender may send the envelope again. */
  release(): void
}

/** An authentic message about the session itself. */
export interface Rekeying {
  readonly kind: 'rekey'
  readonly vault: Vault
  readonly party: Party
  readonly envelope: DataEnvelope
  readonly message: Message
}

/** Where a sealed message came in. */
interface Sealed {
  readonly vault: Vault
  readonly subject: Subject
  readonly envelope: DataEnvelope
}

/**
 * @throws Refusal `unknown-connection`, `device-unknown`, `misrouted` (sealed for another lane, or an event of another
 *   type than its subject), `unopenable`, `malformed`
 */
export function open({ vault, subject, envelope }: Sealed): Opened | Rekeying {
  const party = senderOf(vault, subject, envelope)
  if (!party.session) throw new Refusal('unknown-connection', `${party.key} has not finished its handshake`)
  const message = party.session.open(envelope, { bind: bindOf(subject) })
  if (message.kind !== 'data') return { kind: 'rekey', vault, party, envelope, message }
  try {
    const event = decodeEvent(message.plaintext)
    if (event.type !== subject.type)
      throw new Refusal('misrouted', `a ${event.type} event on the lane of ${subject.type}`)
    return {
      kind: 'event',
      vault,
      party,
      event,
      replay: message.replay,
      mark: () => message.mark(),
      release: () => message.release(),
    }
  } catch (error) {
    message.release()
    throw error
  }
}

/**
 * Whether an authentic event is within the time its sender gave it. Its sender is told: clocks go wrong.
 *
 * @throws Refusal `expired`
 */
export function checkTime({ ts, exp }: VineEvent, now: number): void {
  if (exp <= now || ts > now + CLOCK_SKEW_MS_MAX) throw new Refusal('expired', 'outside the time it is valid')
}

function senderOf(vault: Vault, subject: Subject, envelope: DataEnvelope): Party {
  if (subject.space === 'message') {
    const connection = vault.connections.get(subject.connection)
    if (connection) return connection
    throw new Refusal('unknown-connection', 'no such connection')
  }
  // Devices share one lane: the connection id in the authenticated header tells them apart.
  for (const device of vault.devices.values()) {
    if (device.record.status === 'active' && device.session?.owns(envelope.cid)) return device
  }
  throw new Refusal('device-unknown', 'no device of this vault sealed it')
}
