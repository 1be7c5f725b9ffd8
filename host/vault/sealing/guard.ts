/**
 * Which vaults are unlocked, and their keys at rest. The root key of an unlocked vault is in memory until the process
 * ends, the owner locks it, or another process wrote its file: then whoever finds out forgets it.
 */
import type { KeyObject } from 'node:crypto'

import type { Enclave } from '#host/crypto/enclave.ts'
import { Refusal } from '#host/errors.ts'
import { keyContext, keyFile, type KeyFile } from '#host/storage/key-file.ts'
import type { Anchor, BlobStore, Sealer } from '#host/storage/port.ts'
import {
  decodeProtected,
  encodeProtected,
  type Header,
  isProtected,
  openHeader,
  type ProtectedRecord,
  type Seat,
  seatOf,
  sealHeader,
} from '#host/storage/protected.ts'
import { keySealer } from '#host/storage/sealer.ts'
import { equalBytes, joinBytes } from '#host/wire/bytes.ts'
import type { VaultId } from '#host/wire/id.ts'
import { openSlots, type Slots } from './slot.ts'

/** What the guard holds of an unlocked vault. */
interface Held {
  readonly root: KeyObject
  /** The header as this process last wrote it: another one is another process's. */
  readonly header: Uint8Array
}

/** A protected vault's file as this enclave reads it. */
export interface Found {
  readonly record: ProtectedRecord
  readonly seat: Seat
  readonly header: Header
}

export interface Guard {
  readonly slots: Slots
  /** A vault's keys, by whichever way they are kept. `read` throws Refusal `vault-locked` while it is locked. */
  keeper(id: VaultId): KeyFile
  /** What the vault must have in its past when it is opened. */
  anchorOf(id: VaultId): Anchor | undefined
  expect(id: VaultId, anchor: Anchor | undefined): void
  isUnlocked(id: VaultId): boolean
  /** The sealer of a root key. */
  sealerOf(root: KeyObject): Sealer
  /** The keys in a record of an unlocked vault, for the caller to wipe. @throws Refusal `vault-locked` */
  keysOf(id: VaultId, record: ProtectedRecord): Uint8Array
  hold(id: VaultId, held: Held): void
  forget(id: VaultId): void
  /** `undefined` for a vault that is not protected. @throws Refusal `key-missing`, `vault-unknown` */
  find(id: VaultId, enclave: Enclave): Promise<Found | undefined>
  /**
   * Writes this enclave's header anew, its number one higher, and what `others` makes of the record besides.
   *
   * @throws Refusal `conflict` when another process wrote it meanwhile: the vault is locked here then
   */
  write(
    id: VaultId,
    change: {
      readonly enclave: Enclave
      readonly found: Found
      readonly header: Header
      readonly others?: (record: ProtectedRecord) => ProtectedRecord
    },
  ): Promise<Found>
}

export interface GuardOptions {
  readonly blobs: BlobStore
  /** For vaults that are not protected. */
  readonly sealer: Sealer
  readonly nameOf: (id: VaultId) => string
  readonly random: (length: number) => Uint8Array
}

export function openGuard(options: GuardOptions): Guard {
  const { blobs, nameOf, random } = options
  const slots = openSlots(blobs, nameOf)
  const unlocked = new Map<VaultId, Held>()
  const anchors = new Map<VaultId, Anchor>()
  const sealerOf = (root: KeyObject): Sealer => keySealer(root, { kind: 'protected', random })

  function heldOf(id: VaultId): Held {
    const held = unlocked.get(id)
    if (held) return held
    throw new Refusal('vault-locked', `vault ${id} is locked: its owner unlocks it from a device`)
  }

  function overtaken(id: VaultId): Refusal {
    unlocked.delete(id)
    return new Refusal('conflict', `another process wrote the keys of vault ${id}: it is locked here, unlock it again`)
  }

  return {
    slots,
    keeper: keeperBy(options, { slots, heldOf, overtaken, sealerOf }),
    sealerOf,
    keysOf: (id, { keys }) => sealerOf(heldOf(id).root).open(keys, keyContext(id)),
    anchorOf: (id) => anchors.get(id),
    expect(id, anchor) {
      if (anchor) anchors.set(id, anchor)
      else anchors.delete(id)
    },
    isUnlocked: (id) => unlocked.has(id),
    hold: (id, held) => void unlocked.set(id, held),
    forget(id) {
      unlocked.delete(id)
      anchors.delete(id)
    },
    async find(id, enclave) {
      const bytes = await slots.read(id)
      if (!bytes) throw new Refusal('vault-unknown', 'this host does not have that vault')
      if (!isProtected(bytes)) return undefined
      const record = decodeProtected(bytes)
      const seat = seatOf(record, enclave)
      return { record, seat, header: openHeader(enclave, id, seat) }
    },
    async write(id, { enclave, found, header, others = (record) => record }) {
      const next = { ...header, seq: found.header.seq + 1 }
      const seat = { ...found.seat, header: sealHeader(enclave, id, next) }
      let written = found.record
      const isMine = (candidate: Seat): boolean => equalBytes(candidate.header, found.seat.header)
      await slots.update(id, (bytes) => {
        const record = decodeProtected(bytes)
        if (!record.seats.some(isMine)) throw overtaken(id)
        written = others({ ...record, seats: record.seats.map((one) => (isMine(one) ? seat : one)) })
        return encodeProtected(written)
      })
      const held = unlocked.get(id)
      if (held) unlocked.set(id, { ...held, header: seat.header })
      return { record: written, seat: seatOf(written, enclave), header: next }
    },
  }
}

/** Keys of vaults, whichever way they are kept when they are asked for. */
function keeperBy(
  { blobs, sealer, nameOf }: GuardOptions,
  within: {
    readonly slots: Slots
    readonly heldOf: (id: VaultId) => Held
    readonly overtaken: (id: VaultId) => Refusal
    readonly sealerOf: (root: KeyObject) => Sealer
  },
): Guard['keeper'] {
  const { slots, heldOf, overtaken, sealerOf } = within

  /** The keys inside a protected file, as a file of their own. */
  const inner = (id: VaultId): BlobStore => ({
    async read() {
      heldOf(id)
      const bytes = await slots.read(id)
      return bytes && decodeProtected(bytes).keys
    },
    write: (_name, chunks) =>
      slots.update(id, (bytes) => {
        const record = decodeProtected(bytes)
        const { header } = heldOf(id)
        if (!record.seats.some((seat) => equalBytes(seat.header, header))) throw overtaken(id)
        return encodeProtected({ ...record, keys: joinBytes(chunks) })
      }),
  })

  return (id) => {
    const about = { name: nameOf(id), context: keyContext(id) }
    const under: Sealer = {
      kind: 'protected',
      seal: (secret, context) => sealerOf(heldOf(id).root).seal(secret, context),
      open: (blob, context) => sealerOf(heldOf(id).root).open(blob, context),
    }
    const plain = keyFile({ blobs, sealer, ...about })
    const guarded = keyFile({ blobs: inner(id), sealer: under, ...about })
    const current = async (): Promise<KeyFile> => {
      const bytes = await slots.read(id)
      return bytes && isProtected(bytes) ? guarded : plain
    }
    return {
      read: async () => (await current()).read(),
      begin: async (next) => (await current()).begin(next),
      finish: async () => (await current()).finish(),
    }
  }
}
