/**
 * Where each entry stands at one moment. A revocation carries the hash of this list: what the revoked device signed is
 * valid up to the place its entry has here.
 *
 * Bytes: for each entry in ascending order its id (16), its seq (4, big-endian) and its version's hash (32).
 */
import { Refusal } from '#host/errors.ts'
import { compareBytes } from '#host/wire/bytes.ts'

import { type Hash, HASH_BYTES, parseEntryId, parseHash, ULID_BYTES } from './ids.ts'
import { HEADS_MAX, VERSIONS_MAX } from './limits.ts'
import type { EntryHead } from './model.ts'
import type { EntryCrypto } from './port.ts'

const LABEL = new TextEncoder().encode('entries/1 heads')
const SEQ_BYTES = 4
const ROW_BYTES = ULID_BYTES + SEQ_BYTES + HASH_BYTES

/** @throws Refusal `entry-invalid` for two heads of one entry, or too many */
export function encodeHeads(heads: readonly EntryHead[]): Uint8Array {
  if (heads.length > HEADS_MAX) throw new Refusal('entry-invalid', `heads: ${heads.length}, at most ${HEADS_MAX}`)
  const sorted = heads.toSorted((a, b) => compareBytes(a.entry, b.entry))
  const bytes = new Uint8Array(sorted.length * ROW_BYTES)
  const view = new DataView(bytes.buffer)
  for (const [index, { entry, seq, hash }] of sorted.entries()) {
    const at = index * ROW_BYTES
    bytes.set(entry, at)
    view.setUint32(at + ULID_BYTES, seq)
    bytes.set(hash, at + ULID_BYTES + SEQ_BYTES)
  }
  decodeHeads(bytes)
  return bytes
}

/** @throws Refusal `entry-invalid` */
export function decodeHeads(bytes: Uint8Array): EntryHead[] {
  if (bytes.length % ROW_BYTES !== 0 || bytes.length > HEADS_MAX * ROW_BYTES) {
    throw new Refusal('entry-invalid', `heads: must be rows of ${ROW_BYTES} bytes, at most ${HEADS_MAX}`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const heads: EntryHead[] = []
  for (let at = 0; at < bytes.length; at += ROW_BYTES) {
    const entry = parseEntryId(bytes.slice(at, at + ULID_BYTES))
    const seq = view.getUint32(at + ULID_BYTES)
    const before = heads.at(-1)
    if (seq < 1 || seq > VERSIONS_MAX) throw new Refusal('entry-invalid', 'heads: a seq must be at least 1')
    if (before !== undefined && compareBytes(before.entry, entry) >= 0) {
      throw new Refusal('entry-invalid', 'heads: entries must ascend, each once')
    }
    heads.push({ entry, seq, hash: parseHash(bytes.slice(at + ULID_BYTES + SEQ_BYTES, at + ROW_BYTES)) })
  }
  return heads
}

/** SHA-256 of `entries/1 heads` and the bytes of `encodeHeads`. */
export function hashHeads(crypto: EntryCrypto, encoded: Uint8Array): Hash {
  return parseHash(crypto.digest(LABEL, encoded))
}
