/** What a vault shows a device of the entries it keeps: as vine-CBOR, with each channel once in a page. */
import type { DeviceId, EntryId } from '#host/entries/ids.ts'
import type { Audience, Share } from '#host/entries/model.ts'
import { decodeShareRow } from '#host/entries/row.ts'
import { decodeVersion } from '#host/entries/version.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import type { Cbor } from '#host/wire/cbor.ts'
import type { Vault } from '../vault.ts'
import { crypto } from './directory.ts'
import {
  entryRecord,
  entryRecords,
  headerKey,
  heldChannel,
  heldContent,
  heldVersion,
  pruneKey,
  shareKey,
} from './held.ts'
import { type EntryRecord, rowOf } from './rows.ts'
import { PAGE_BYTES, ROW_BYTES, VERSIONS_PAGE_MAX } from './limits.ts'

export interface Page {
  /** For one device: its shares, and the channels they are of. */
  add(entry: EntryId, seq: number, options?: { readonly content: boolean }): boolean
  readonly size: number
  readonly body: { readonly versions: readonly Cbor[]; readonly channels: readonly Cbor[] }
}

/** A page for one device, which takes versions until it is full: rows as they are kept. The first always fits. */
export function pageFor(vault: Vault, device: DeviceId): Page {
  const [held, shares] = [vault.store.namespace('versions'), vault.store.namespace('shares')]
  const [versions, channels]: [Cbor[], Cbor[]] = [[], []]
  const told: Share[] = []
  let room = PAGE_BYTES
  return {
    get size() {
      return versions.length
    },
    body: { versions, channels },
    add(entry, seq, options) {
      const value = held.get(headerKey(entry, seq))?.value
      if (!value || versions.length === VERSIONS_PAGE_MAX) return false
      const { version, row } = rowOf(value)
      const content = options?.content ? heldContent(vault, entry, seq) : null
      const share = shares.get(shareKey(version, device))?.value ?? null
      const fresh = share && untold(told, decodeShareRow(share, device))
      const channel = fresh && heldChannel(vault, fresh)
      room -= row.length + (content?.length ?? 0) + (channel?.ciphertext.length ?? 0) + ROW_BYTES
      if (room < 0 && versions.length > 0) return false
      if (channel) {
        told.push(fresh)
        channels.push([channel.sharer, channel.recipient, channel.epoch, channel.ciphertext])
      }
      versions.push([entry, seq, row, content, share])
      return true
    },
  }
}

/** A share, unless one of the same channel was told before. */
function untold(told: readonly Share[], share: Share): Share | null {
  return told.some(({ epoch, sharer }) => epoch === share.epoch && equalBytes(sharer, share.sharer)) ? null : share
}

/** The latest version of an entry, with its content. */
export function currentOf(vault: Vault, entry: EntryId, device: DeviceId): Readonly<Record<string, Cbor>> | undefined {
  const record = entryRecord(vault, entry)
  if (!record) return undefined
  const page = pageFor(vault, device)
  page.add(entry, record.seq, { content: true })
  return { ...page.body, ...standOf(vault, entry, record) }
}

/** Whom the latest version is for, besides the user's own devices. */
export function audienceOf(vault: Vault, entry: EntryId): Audience | undefined {
  const record = entryRecord(vault, entry)
  return record && audienceAt(vault, entry, record.seq)
}

/** The same of any version that is kept. */
export function audienceAt(vault: Vault, entry: EntryId, seq: number): Audience | undefined {
  const held = heldVersion(vault, entry, seq)
  return held && decodeVersion(crypto, held).header.audience
}

/** Where an entry stands, and what permits that its first versions are gone. */
export function standOf(vault: Vault, entry: EntryId, { seq, first }: EntryRecord): Readonly<Record<string, Cbor>> {
  const prune = vault.store.namespace('entries').get(pruneKey(entry))?.value ?? null
  return { seq, first, prune }
}

/** Outlines of what is not deleted, in the order of the entries' ids; `next` is where to go on. */
export function listFor(
  vault: Vault,
  device: DeviceId,
  {
    after,
    isFor = () => true,
  }: { after: EntryId | undefined; isFor?: (entry: EntryId, record: EntryRecord) => boolean },
): Readonly<Record<string, Cbor>> {
  const page = pageFor(vault, device)
  let last: EntryId | null = null
  for (const [entry, record] of entryRecords(vault, after)) {
    if (!isFor(entry, record)) continue
    if (!page.add(entry, record.seq)) return { ...page.body, next: last }
    last = entry
  }
  return { ...page.body, next: null }
}
