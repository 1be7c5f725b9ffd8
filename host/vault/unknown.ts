/** A device's message of no session that this vault has: its sender is told how far this vault is, now and then. */
import { takeToken } from '#host/contracts/rate.ts'
import { UNKNOWN_PER_HOUR_MAX } from '#host/contracts/limits.ts'
import { signUnknown } from '#host/contracts/unknown.ts'
import { decodeEnvelope } from '#host/wire/envelope.ts'
import { parseEventType } from '#host/wire/id.ts'
import { buildSubject, type Subject } from '#host/wire/subject.ts'
import type { Letter } from './outbox.ts'
import type { Vault } from './vault.ts'

const UNKNOWN = parseEventType('session.unknown')

/** Signed and not sealed, since there is nothing to seal it with. Anybody may cause one: so many an hour. */
export function unknownSession({
  vault,
  subject,
  data,
  now,
}: {
  readonly vault: Vault
  readonly subject: Subject
  readonly data: Uint8Array
  readonly now: number
}): readonly Letter[] {
  const envelope = decodeEnvelope(data)
  // A step of the session itself has no answer to wait for.
  if (subject.space !== 'owner' || envelope.kind !== 'data') return []
  const draw = takeToken(vault.unknown, { capacity: UNKNOWN_PER_HOUR_MAX }, now)
  if (!('bucket' in draw)) return []
  vault.unknown = draw.bucket
  const { sequence, chain, epoch } = vault.store.head
  const statement = { vault: vault.id, mid: envelope.mid, anchor: { sequence, chain, epoch } }
  const to = buildSubject({ space: 'owner', vault: vault.id, direction: 'forApp', type: UNKNOWN })
  return [{ key: '', subject: to, envelope: signUnknown(statement, vault.signing) }]
}
