/** Turns what the store holds about the other sides into live state. */
import { verifyContract } from '#host/contracts/contract.ts'
import { fullBucket } from '#host/contracts/rate.ts'
import { generateEd25519 } from '#host/crypto/ed25519.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { importSession, type Session } from '#host/crypto/session.ts'
import { Refusal } from '#host/errors.ts'
import { GREETINGS_PER_HOUR, SCAN_ITEMS_MAX, SEND_GAP } from '#host/limits.ts'
import type { Namespace } from '#host/storage/port.ts'
import { parseConnectionId, type VaultId } from '#host/wire/id.ts'
import type { Connection, Device } from './party.ts'
import { decodeRecord } from './records.ts'

interface Stored {
  readonly vault: VaultId
  readonly system: Namespace
  /** What follows the prefix in the key. */
  readonly name: string
  readonly value: Uint8Array
}

export function readConnection({ vault, system, name, value }: Stored): Connection {
  const id = parseConnectionId(name)
  const record = decodeRecord('connection', value)
  const verified = (bytes: Uint8Array | null | undefined) =>
    bytes && record.peerKey ? verifyContract(nativeCrypto, bytes, record.peerKey) : undefined
  const contract = verified(record.contract)
  const bucket = system.get(`bucket/${id}`)
  const key = system.get(`key/${id}`)
  return {
    party: 'connection',
    id,
    key: `connection/${id}`,
    vault,
    record,
    contract,
    offered: verified(record.offer?.contract),
    session: readSession(system, `connection/${id}`),
    bucket: bucket
      ? decodeRecord('bucket', bucket.value)
      : fullBucket({ capacity: contract?.contract.limits.requestsPerHour ?? 0 }, 0),
    toldBlocked: undefined,
    greetings: fullBucket({ capacity: GREETINGS_PER_HOUR }, 0),
    authentication: key && generateEd25519(key.value),
  }
}

export function readDevice({ vault, system, name, value }: Stored): Device {
  const key = `device/${name}` as const
  return {
    party: 'device',
    id: name,
    key,
    vault,
    record: decodeRecord('device', value),
    session: readSession(system, key),
  }
}

function readSession(system: Namespace, key: Connection['key'] | Device['key']): Session | undefined {
  const secrets = system.get(`session/${key}`)
  if (!secrets) return undefined
  const session = importSession(nativeCrypto, secrets.value)
  const progress = system.get(`progress/${key}`)
  if (progress) session.applyProgress(progress.value)
  session.skipAhead(SEND_GAP)
  return session
}

/** Everything under a prefix, with the prefix cut off. */
export function entries(namespace: Namespace, prefix: string): (readonly [name: string, value: Uint8Array])[] {
  const found: (readonly [string, Uint8Array])[] = []
  let after: string | undefined
  do {
    const page = namespace.scan({ prefix, limit: SCAN_ITEMS_MAX, ...(after === undefined ? {} : { after }) })
    for (const [key, item] of page.items) found.push([key.slice(prefix.length), item.value])
    after = page.next
  } while (after !== undefined)
  return found
}

/** A value that every founded vault has. */
export function required(namespace: Namespace, key: string): Uint8Array {
  const item = namespace.get(key)
  if (!item) throw new Refusal('vault-unknown', `${key} is missing: this store was never founded as a vault`)
  return item.value
}
