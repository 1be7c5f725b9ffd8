/**
 * What the vault's own device serves to handlers: the current version of an entry, judged as any device would judge it.
 * What does not hold is not served, and the owner is told.
 */
import { hashHeads, decodeHeads } from '#host/entries/heads.ts'
import type { EntryId, Hash } from '#host/entries/ids.ts'
import { judgeChain, judgeParts } from '#host/entries/judge.ts'
import type { EntryHead, SignedVersion } from '#host/entries/model.ts'
import { parseDeviceId } from '#host/entries/ids.ts'
import { decodeVersion, hashRecipients } from '#host/entries/version.ts'
import { Refusal } from '#host/errors.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import type { Vault } from '../vault.ts'
import { crypto, keptHeads } from './directory.ts'
import { heldContent, heldShare, heldVersion } from './held.ts'
import { decodeEntryRecord, type EntryRecord, type HeldVersion } from './rows.ts'
import { OWN_VERIFIED_MAX } from './limits.ts'
import { distrust } from './own-distrust.ts'
import { openOwn } from './own-index.ts'
import { keepContent } from './own.ts'

/** Content that stays the vault's: it is wiped when it is dropped. */
export interface ServedContent {
  /** Of the entry's head: what relies on it is done again when the entry moves on. */
  readonly revision: number
  readonly content: Uint8Array | null
}

/** By the key of its head, as `namedEntry` gives it. `content` is null for what is not served. */
export function servedContent(vault: Vault, key: string): ServedContent {
  const { own } = vault.account
  const item = vault.store.namespace('entries').get(key)
  const revision = item?.revision ?? 0
  const known = own.contents.get(key)
  if (known?.revision === revision) return known
  const seen = own.heads.get(key)
  const content = item && seen ? judged(vault, seen.entry, { key, record: decodeEntryRecord(item.value) }) : null
  const served = { revision, content }
  keepContent(own, key, served)
  return served
}

/** What is served is not what it should be, for this reason. */
export function unusable(vault: Vault, key: string, code: string): void {
  const entry = vault.account.own.heads.get(key)?.entry
  const head = vault.store.namespace('entries').get(key)
  if (entry && head) distrust(vault, { entry, seq: decodeEntryRecord(head.value).seq, code })
}

function judged(
  vault: Vault,
  entry: EntryId,
  { key, record }: { readonly key: string; readonly record: EntryRecord },
): Uint8Array | null {
  const { own } = vault.account
  const { seq } = record
  try {
    const held = heldVersion(vault, entry, seq)
    if (!held) throw wrong('version-dropped')
    const signed = decodeVersion(crypto, held)
    const content = heldContent(vault, entry, seq)
    checkVersion(vault, signed, { key, entry, record, held, content })
    if (!content) return null
    const opened = openOwn(vault, signed, { part: 'content', sealed: content, entry }) ?? null
    own.known.set(key, { entry, seq, hash: signed.hash })
    return opened
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause
    const code = cause.code === 'entry-distrusted' ? cause.message : codes[cause.code]
    distrust(vault, { entry, seq, code: code ?? 'version-malformed' })
    return null
  }
}

const codes: Partial<Record<string, string>> = { unopenable: 'share-swapped' }

/** The message is the code of what was found. */
function wrong(code: string): Refusal {
  return new Refusal('entry-distrusted', code)
}

interface Examined {
  readonly key: string
  readonly entry: EntryId
  readonly record: EntryRecord
  readonly held: HeldVersion
  readonly content: Uint8Array | null
}

/** @throws Refusal `entry-distrusted` */
function checkVersion(vault: Vault, signed: SignedVersion, { key, entry, record, held, content }: Examined): void {
  const { own } = vault.account
  const { directory, device, verified } = own
  if (!directory || !device) throw new Error('a version is judged without a directory')
  const before = own.known.get(key)
  // What is between is not looked at again: each of them was served or replaced by one that its writer had judged.
  const known = before && record.seq <= before.seq + 1 ? before : null
  const hash = signed.hash.toHex()
  const [found] = judgeChain(crypto, {
    entry,
    directory,
    versions: [signed],
    prune: null,
    known,
    heads: (list) => placesOf(vault, list),
    isVerified: () => verified.has(hash),
  })
  if (found) throw wrong(found.code)
  if (verified.size >= OWN_VERIFIED_MAX) verified.clear()
  verified.add(hash)
  const { header } = signed
  if (header.seq !== record.seq || !equalBytes(signed.hash, record.hash)) throw wrong('entry-forked')
  const [altered] = judgeParts(crypto, signed, { outline: held.outline, content })
  if (altered) throw wrong(altered.code)
  if (!content && header.content) throw wrong('content-altered')
  if (!equalBytes(hashRecipients(crypto, idsIn(held.recipients)), header.recipients)) throw wrong('recipients-altered')
  const share = heldShare(vault, header.version, device.id)
  if (share && !directory.devices.has(share.sharer.toHex())) throw wrong('share-swapped')
}

function idsIn(recipients: Uint8Array) {
  const { length } = recipients
  return Array.from({ length: Math.floor(length / 32) }, (_, at) =>
    parseDeviceId(recipients.subarray(at * 32, at * 32 + 32)),
  )
}

/** The list that a revocation names, when it is the one that is kept. */
function placesOf(vault: Vault, list: Hash): ReadonlyMap<string, EntryHead> | undefined {
  const { places, directory } = vault.account.own
  const name = list.toHex()
  const known = places.get(name)
  if (known) return known
  const revoked = directory?.devices.values().find(({ revocation }) => revocation && equalBytes(revocation.heads, list))
  const bytes = revoked?.revocation && keptHeads(vault, revoked.revocation.seq)
  if (!bytes || !equalBytes(hashHeads(crypto, bytes), list)) return undefined
  const rows = new Map(decodeHeads(bytes).map((head) => [head.entry.toHex(), head] as const))
  places.set(name, rows)
  return rows
}
