/**
 * How a vault keeps what its owner's devices sign and seal. Ciphertext, signatures and names alone; `docs/visible.md`
 * lists what they show.
 *
 * | namespace | key | value |
 * |---|---|---|
 * | `directory` | `head` | user, seq and hash of the last statement |
 * | | `statement/<seq>` | a statement as it was signed |
 * | | `heads/<seq>` | where every entry stood at that revocation |
 * | | `user/<user>` | another user: over which connection |
 * | | `user-statement/<user>/<seq>` | a statement of theirs |
 * | `channels` | `<recipient>/<sharer>/<epoch>` | an X-Wing ciphertext |
 * | `entries` | `head/<entry>` | the latest version's place, and the first one kept |
 * | | `prune/<entry>` | the last permission to forget |
 * | | `turn`, `count` | written with each version, with each new entry |
 * | `versions` | `header/<entry>/<seq>` | header, signature, outline, recipients |
 * | | `content/<entry>/<seq>` | sealed content |
 * | `shares` | `<version>/<device>` | a share |
 *
 * Ids are hexadecimal, in `shares` base64url; numbers have ten digits, so that keys are in order.
 */
import { type DeviceId, type EntryId, parseEntryId, type VersionId } from '#host/entries/ids.ts'
import type { Channel, Share } from '#host/entries/model.ts'
import { decodeShareRow, encodeShareRow } from '#host/entries/row.ts'
import type { Change, Expectation } from '#host/storage/port.ts'
import { pack, unpack } from '#host/wire/pack.ts'
import { entries } from '../read.ts'
import type { Vault } from '../vault.ts'
import {
  decodeEntryRecord,
  decodeHeldVersion,
  encodeEntryRecord,
  encodeHeldVersion,
  type EntryRecord,
  type HeldVersion,
} from './rows.ts'

export const digits = (number: number): string => number.toString().padStart(10, '0')
const short = (id: Uint8Array): string => id.toBase64({ alphabet: 'base64url', omitPadding: true })

/** Where an entry stands; undefined for one that was never written, or is forgotten. */
export function entryRecord(vault: Vault, entry: EntryId): EntryRecord | undefined {
  const item = vault.store.namespace('entries').get(headKey(entry))
  return item && decodeEntryRecord(item.value)
}

export function entryChange(entry: EntryId, record: EntryRecord): Change {
  return { namespace: 'entries', key: headKey(entry), value: encodeEntryRecord(record), visibility: 'opaque' }
}

export const HEAD_PREFIX = 'head/'
export const headKey = (entry: EntryId): string => HEAD_PREFIX + entry.toHex()
export const pruneKey = (entry: EntryId): string => `prune/${entry.toHex()}`
export const headerKey = (entry: EntryId, seq: number): string => `header/${entry.toHex()}/${digits(seq)}`
export const contentKey = (entry: EntryId, seq: number): string => `content/${entry.toHex()}/${digits(seq)}`
export const shareKey = (version: VersionId, device: DeviceId): string => `${short(version)}/${short(device)}`
export const channelKey = ({ recipient, sharer, epoch }: Omit<Channel, 'ciphertext'>): string =>
  `${recipient.toHex()}/${sharer.toHex()}/${digits(epoch)}`

/** A version as it came, without its content; undefined when it is not there. */
export function heldVersion(vault: Vault, entry: EntryId, seq: number): HeldVersion | undefined {
  const item = vault.store.namespace('versions').get(headerKey(entry, seq))
  return item && decodeHeldVersion(item.value)
}

/** Ciphertext; null for a tombstone, and for what is not there. */
export function heldContent(vault: Vault, entry: EntryId, seq: number): Uint8Array | null {
  return vault.store.namespace('versions').get(contentKey(entry, seq))?.value ?? null
}

export function versionChanges(
  entry: EntryId,
  { seq, content, ...held }: HeldVersion & { readonly seq: number; readonly content: Uint8Array | null },
): Change[] {
  const opaque = { namespace: 'versions', visibility: 'opaque' } as const
  const header: Change = { ...opaque, key: headerKey(entry, seq), value: encodeHeldVersion(held) }
  return content ? [header, { ...opaque, key: contentKey(entry, seq), value: content }] : [header]
}

export function shareChange(version: VersionId, share: Share): Change {
  const key = shareKey(version, share.recipient)
  return { namespace: 'shares', key, value: encodeShareRow(share), visibility: 'opaque' }
}

/** What lets one device open one version; null when it has none. */
export function heldShare(vault: Vault, version: VersionId, recipient: DeviceId): Share | null {
  const value = vault.store.namespace('shares').get(shareKey(version, recipient))?.value
  return value ? decodeShareRow(value, recipient) : null
}

/** The keys of all shares of a version. */
export function sharesOf(vault: Vault, version: VersionId): string[] {
  return entries(vault.store.namespace('shares'), `${short(version)}/`).map(([device]) => `${short(version)}/${device}`)
}

export function channelChange({ ciphertext, ...place }: Channel): Change {
  return { namespace: 'channels', key: channelKey(place), value: ciphertext, visibility: 'opaque' }
}

/** The channel that a share was made of; null when its sharer never sent it. */
export function heldChannel(vault: Vault, place: Omit<Channel, 'ciphertext'>): Channel | null {
  const item = vault.store.namespace('channels').get(channelKey(place))
  const { sharer, recipient, epoch } = place
  return item ? { sharer, recipient, epoch, ciphertext: item.value } : null
}

/** Written with each version, so that who relies on where all entries stand sees that one moved. */
export const TURN = 'turn'
const COUNT = 'count'

/** Entries there are, ended ones included. */
export function entriesCount(vault: Vault): number {
  const value = vault.store.namespace('entries').get(COUNT)?.value
  return value ? Number(unpack(value)) : 0
}

/** What every version leaves, and what relies on how many entries there are when it is an entry's first. */
export function counted(
  vault: Vault,
  isFirst: boolean,
): { changes: readonly Change[]; expected: readonly Expectation[] } {
  const put = { namespace: 'entries', visibility: 'opaque' } as const
  const turn: Change = { ...put, key: TURN, value: new Uint8Array(0) }
  if (!isFirst) return { changes: [turn], expected: [] }
  const count: Change = { ...put, key: COUNT, value: pack(entriesCount(vault) + 1) }
  return { changes: [turn, count], expected: [entriesUnchanged(vault, COUNT)] }
}

export function entriesUnchanged(vault: Vault, key: string): Expectation {
  return { namespace: 'entries', key, revision: vault.store.namespace('entries').get(key)?.revision ?? 0 }
}

/** All entries there ever were and are not forgotten, with where they stand, in the order of their ids. */
export function* entryRecords(vault: Vault, after?: EntryId): Generator<readonly [EntryId, EntryRecord]> {
  const space = vault.store.namespace('entries')
  let from = after && headKey(after)
  do {
    const page = space.scan({ prefix: HEAD_PREFIX, limit: 256, ...(from !== undefined && { after: from }) })
    for (const [key, { value }] of page.items) {
      yield [parseEntryId(Uint8Array.fromHex(key.slice(HEAD_PREFIX.length))), decodeEntryRecord(value)]
    }
    from = page.next
  } while (from !== undefined)
}
