/**
 * What a device remembers between runs: how far directories and entries were, so that a host cannot go back, and the
 * keys of its own channels. It is secret, and worth as much as it is fresh: the caller keeps it sealed, after each use.
 */
import { readFields } from '#host/entries/fields.ts'
import { HASH_BYTES, parseDeviceId, parseEntryId, parseHash, parseUserId, ULID_BYTES } from '#host/entries/ids.ts'
import { HEADS_MAX, STATEMENTS_MAX, VERSIONS_MAX } from '#host/entries/limits.ts'
import { Refusal } from '#host/errors.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { KEM_CIPHERTEXT_BYTES } from '#host/wire/envelope.ts'

import { MEMORY_BYTES_MAX, MEMORY_ITEMS_MAX } from './limits.ts'
import type { BookState } from './state.ts'

const FORMAT = 1
const kind = {
  what: 'memory',
  code: 'recovery-invalid',
  bytesMax: MEMORY_BYTES_MAX,
  itemsMax: MEMORY_ITEMS_MAX,
} as const

/** @throws Refusal `too-large` for more than `recall` would take back */
export function encodeMemory(state: BookState): Uint8Array {
  const directories = [...state.directoryHeads].map(([user, { seq, hash }]) => [Uint8Array.fromHex(user), seq, hash])
  const entries = [...state.entries.values()].map(({ entry, seq, hash, owner, by, isDeleted }) => [
    entry,
    seq,
    hash,
    owner,
    by,
    isDeleted,
  ])
  const channels = [...state.outgoing.values()].map(({ channel, key, isKept }) => [
    channel.recipient,
    channel.epoch,
    channel.ciphertext,
    key,
    isKept,
  ])
  const memory = [FORMAT, state.user, state.device, directories, entries, channels]
  const bytes = encodeCbor(memory, { itemsMax: MEMORY_ITEMS_MAX })
  if (bytes.length <= MEMORY_BYTES_MAX) return bytes
  throw new Refusal(
    'too-large',
    `memory: ${bytes.length} bytes, at most ${MEMORY_BYTES_MAX}: have fewer users share with it`,
  )
}

/** Takes back what a book of the same device wrote. @throws Refusal `recovery-invalid` for anything else */
export function recall(state: BookState, bytes: Uint8Array): void {
  const fields = readFields(kind, bytes)
  fields.literal('format', FORMAT)
  const user = parseUserId(fields.bytes('user', HASH_BYTES))
  const device = parseDeviceId(fields.bytes('device', HASH_BYTES))
  if (user.toHex() !== state.user.toHex() || device.toHex() !== state.device.toHex()) {
    throw new Refusal('recovery-invalid', 'memory: of another device')
  }
  const directories = fields.list('directories', HEADS_MAX, (item) => {
    const row = item.inner('directory')
    const owner = row.bytes('user', HASH_BYTES).toHex()
    return { owner, seq: row.uint('seq', STATEMENTS_MAX), hash: parseHash(row.bytes('hash', HASH_BYTES)) }
  })
  const entries = fields.list('entries', MEMORY_ITEMS_MAX, (item) => {
    const row = item.inner('entry')
    return {
      entry: parseEntryId(row.bytes('entry', ULID_BYTES)),
      seq: row.uint('seq', VERSIONS_MAX),
      hash: parseHash(row.bytes('hash', HASH_BYTES)),
      owner: parseUserId(row.bytes('owner', HASH_BYTES)),
      by: parseDeviceId(row.bytes('by', HASH_BYTES)),
      isDeleted: row.flag('deleted'),
    }
  })
  const channels = fields.list('channels', HEADS_MAX, (item) => {
    const row = item.inner('channel')
    const recipient = parseDeviceId(row.bytes('recipient', HASH_BYTES))
    const epoch = row.uint('epoch', VERSIONS_MAX)
    const ciphertext = row.bytes('ciphertext', KEM_CIPHERTEXT_BYTES)
    const channel = { sharer: state.device, recipient, epoch, ciphertext }
    return { channel, key: row.bytes('key', HASH_BYTES), isKept: row.flag('kept') }
  })
  fields.end()
  for (const { owner, seq, hash } of directories) state.directoryHeads.set(owner, { seq, hash })
  for (const entry of entries) state.entries.set(entry.entry.toHex(), entry)
  for (const channel of channels) state.outgoing.set(channel.channel.recipient.toHex(), channel)
}
