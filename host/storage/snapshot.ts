/**
 * A vault's whole state at one point of its journal, sealed.
 *
 * ```
 * "TVS1" | u16 state format | vault tag 16 | key id 8 | salt 16 | u32 epoch | u64 sequence | chain 32 | u32 length of
 * the sealed contents | sealed contents | sealed sections                                          (big endian)
 * ```
 * The contents are `[namespace, section key, length, …]`, sealed under a key derived from the KEK and the salt with the
 * header as associated data. Each section holds items of one namespace under a random key of its own, which stands in
 * the contents and nowhere else: whoever may open one section cannot open another.
 */
import type { KeyObject } from 'node:crypto'

import { openAead, sealAead } from '#host/crypto/aead.ts'
import { Refusal } from '#host/errors.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { pack, unpack } from '#host/wire/pack.ts'
import { deriveKey, KEY_BYTES, KEY_ID_BYTES, keyIdOf, TAG_BYTES, wrapKey } from './keys.ts'
import { SNAPSHOT_SECTION_BYTES } from './limits.ts'
import { type Item, itemBytes, type NamespaceName, type Receipt } from './port.ts'
import { emptyState, type State } from './state.ts'
import { decodeItems, encodeItems, isNamespaceName } from './writes.ts'

const MAGIC = 'TVS1'
const SALT_BYTES = 16
const FORMAT_AT = 4
const TAG_AT = FORMAT_AT + 2
const KEY_ID_AT = TAG_AT + TAG_BYTES
const SALT_AT = KEY_ID_AT + KEY_ID_BYTES
const EPOCH_AT = SALT_AT + SALT_BYTES
const SEQUENCE_AT = EPOCH_AT + 4
const CHAIN_AT = SEQUENCE_AT + 8
const LENGTH_AT = CHAIN_AT + 32
const HEADER_BYTES = LENGTH_AT + 4
// Salt and section keys are random: each key seals once.
const NONCE = new Uint8Array(12)

/** Where a vault's state stood. */
export interface Snapshot {
  readonly head: Receipt
  readonly state: State
}

interface Section {
  readonly namespace: NamespaceName
  readonly key: Uint8Array
  readonly sealed: Uint8Array
}

/** The snapshot in parts. Nothing in it refers to the live state: that may go on at once. */
export function sealSnapshot(
  { head, state }: Snapshot,
  { tag, kek, random }: { tag: Uint8Array; kek: KeyObject; random: (length: number) => Uint8Array },
): readonly Uint8Array[] {
  const salt = random(SALT_BYTES)
  const sections = state.names().flatMap((namespace) => {
    return Array.from(pagesOf(state.items(namespace)), (page): Section => {
      const key = random(KEY_BYTES)
      const sealed = sealAead(key, { nonce: NONCE, aad: new TextEncoder().encode(namespace) }, encodeItems(page))
      return { namespace, key, sealed }
    })
  })
  const contents = pack(sections.flatMap(({ namespace, key, sealed }) => [namespace, key, sealed.length]))
  for (const { key } of sections) key.fill(0)
  const header = new Uint8Array(HEADER_BYTES)
  const view = new DataView(header.buffer)
  header.set(new TextEncoder().encode(MAGIC))
  view.setUint16(FORMAT_AT, state.format)
  header.set(tag, TAG_AT)
  header.set(keyIdOf(kek, tag), KEY_ID_AT)
  header.set(salt, SALT_AT)
  view.setUint32(EPOCH_AT, head.epoch)
  view.setBigUint64(SEQUENCE_AT, BigInt(head.sequence))
  header.set(head.chain, CHAIN_AT)
  view.setUint32(LENGTH_AT, contents.length + 16)
  const sealed = sealAead(deriveKey(kek, 'snapshot', tag, salt), { nonce: NONCE, aad: header }, contents)
  contents.fill(0)
  return [header, sealed, ...sections.map((section) => section.sealed)]
}

/**
 * Reads a snapshot under whichever of the keys it is sealed.
 *
 * @throws Refusal `journal-foreign` for another vault's, `key-missing` for one under neither key, `journal-tampered`
 */
export function openSnapshot(
  bytes: Uint8Array,
  { vault, tag, keks }: { vault: string; tag: Uint8Array; keks: readonly KeyObject[] },
): Snapshot {
  const changed = (cause?: unknown): Refusal =>
    new Refusal(
      'journal-tampered',
      `the snapshot of vault ${vault} is not what was written: restore it and the log from a copy`,
      { cause },
    )
  if (bytes.length < HEADER_BYTES || new TextDecoder().decode(bytes.subarray(0, FORMAT_AT)) !== MAGIC) throw changed()
  if (!equalBytes(bytes.subarray(TAG_AT, KEY_ID_AT), tag)) {
    throw new Refusal(
      'journal-foreign',
      `the snapshot of another vault stands in the place of that of ${vault}: restore it from a copy`,
    )
  }
  const keyId = bytes.subarray(KEY_ID_AT, SALT_AT)
  const kek = keks.find((candidate) => equalBytes(keyIdOf(candidate, tag), keyId))
  if (!kek) {
    throw new Refusal(
      'key-missing',
      `the snapshot of vault ${vault} is sealed under another key: it is older than the last renewal, or foreign`,
    )
  }
  try {
    return readSnapshot(bytes, { tag, kek })
  } catch (cause) {
    if (!(cause instanceof Refusal) || cause.code !== 'unopenable') throw cause
    throw changed(cause)
  }
}

function readSnapshot(bytes: Uint8Array, { tag, kek }: { tag: Uint8Array; kek: KeyObject }): Snapshot {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const header = bytes.subarray(0, HEADER_BYTES)
  const key = deriveKey(kek, 'snapshot', tag, header.subarray(SALT_AT, EPOCH_AT))
  let at = HEADER_BYTES + view.getUint32(LENGTH_AT)
  const contents = decodeContents(openAead(key, { nonce: NONCE, aad: header }, bytes.subarray(HEADER_BYTES, at)))
  const state = emptyState(view.getUint16(FORMAT_AT))
  for (const section of contents) {
    const aad = new TextEncoder().encode(section.namespace)
    const sealed = bytes.subarray(at, at + section.length)
    const items = openAead(wrapKey(section.key), { nonce: NONCE, aad }, sealed)
    for (const [name, item] of decodeItems(items)) state.restore(section.namespace, name, item)
    at += section.length
  }
  if (at !== bytes.length) throw new Refusal('unopenable', 'the snapshot has another length')
  const sequence = Number(view.getBigUint64(SEQUENCE_AT))
  const chain = new Uint8Array(header.subarray(CHAIN_AT, LENGTH_AT))
  return { state, head: { sequence, chain, epoch: view.getUint32(EPOCH_AT) } }
}

function decodeContents(bytes: Uint8Array): { namespace: NamespaceName; key: Uint8Array; length: number }[] {
  const flat = unpack(bytes)
  const contents: { namespace: NamespaceName; key: Uint8Array; length: number }[] = []
  if (!Array.isArray(flat)) throw new Error('the contents of a snapshot cannot be read')
  const list: readonly unknown[] = flat
  for (let at = 0; at < list.length; at += 3) {
    const [namespace, key, length] = list.slice(at, at + 3)
    if (typeof namespace !== 'string' || !isNamespaceName(namespace) || typeof length !== 'number')
      throw new Error('a section of a snapshot cannot be read')
    if (!(key instanceof Uint8Array)) throw new Error('a section of a snapshot has no key')
    contents.push({ namespace, key, length })
  }
  return contents
}

/** Items in pages of about one section each. */
function* pagesOf(
  items: Iterable<readonly [key: string, item: Item]>,
): Generator<(readonly [key: string, item: Item])[]> {
  let page: (readonly [key: string, item: Item])[] = []
  let bytes = 0
  for (const entry of items) {
    page.push(entry)
    bytes += itemBytes(entry[0], entry[1].value)
    if (bytes < SNAPSHOT_SECTION_BYTES) continue
    yield page
    page = []
    bytes = 0
  }
  if (page.length > 0) yield page
}
