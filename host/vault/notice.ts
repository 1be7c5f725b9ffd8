/** What the owner's devices are told: strict CBOR, sealed to each device. */
import { diffContracts, type Line } from '#host/contracts/diff.ts'
import type { SignedContract } from '#host/contracts/contract.ts'
import { type Cbor, encodeCbor } from '#host/wire/cbor.ts'
import { decodeEvent } from '#host/wire/event.ts'
import { type EventType, parseEventType } from '#host/wire/id.ts'
import type { Outgoing } from './commit.ts'
import type { Connection } from './party.ts'
import { askerOf, type Question } from './pending.ts'
import type { Vault } from './vault.ts'

/** One notice of the vault's own to every active device. */
export function notices(vault: Vault, type: string, body: Cbor): Outgoing[] {
  return noticesOf(vault, parseEventType(type), encodeCbor(body))
}

/** One notice with a body that is encoded already. */
export function noticesOf(vault: Vault, type: EventType, body: Uint8Array): Outgoing[] {
  return [...vault.devices.values()]
    .filter((device) => device.record.status === 'active' && device.session !== undefined)
    .map((to) => ({ to, type, body, causation: null }))
}

/** A contract as the owner decides on it: the signed bytes, and what is new against the one in force. */
export function presented(
  connection: Connection,
  offer: { bytes: Uint8Array; signed: SignedContract; publisher: Uint8Array },
): Cbor {
  const { added, removed, changed } = diffContracts(connection.contract?.contract, offer.signed.contract)
  return {
    connection: connection.id,
    alias: connection.record.alias,
    contract: offer.bytes,
    publisher: offer.publisher,
    added: added.map(shown),
    removed: removed.map(shown),
    changed: changed.map(shown),
  }
}

/** A question as the owner answers it. */
export function asked(vault: Vault, { id, record }: Question): Cbor {
  const connection = askerOf(vault, record)
  return {
    question: id,
    who: connection?.record.alias ?? record.connection,
    type: decodeEvent(record.event).type,
    fields: record.fields,
    purpose: record.purpose,
    text: record.question?.text ?? null,
    choices: record.question?.choices ?? [],
    /** It waits for the PIN: a yes or a no is not what it needs. */
    locked: record.factor !== undefined,
    askedAt: record.askedAt,
    expires: record.expires,
  }
}

function shown({ what, text, widens }: Line): Cbor {
  return { what, text, widens }
}
