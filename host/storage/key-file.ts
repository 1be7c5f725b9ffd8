/**
 * A vault's KEKs at rest: one small file, sealed, replaced whole.
 *
 * Inside the seal: `u32 epoch | KEK 32`, and the successor's 32 bytes while a renewal is under way. A bare KEK of 32
 * bytes, as a new vault has it, is of epoch 0.
 */
import { Refusal } from '#host/errors.ts'
import { KEY_BYTES } from './keys.ts'
import type { BlobStore, KekKeeper, Sealer, VaultKeys } from './port.ts'

export interface KeyFile extends KekKeeper {
  /** `undefined` when there is none. @throws Refusal `key-missing` when this sealer cannot open it */
  read(): Promise<VaultKeys | undefined>
}

const EPOCH_BYTES = 4

/** What a vault's keys are sealed for: one vault's never open as another's. */
export function keyContext(vault: string): string {
  return `vault ${vault}`
}

export function keyFile(options: {
  readonly blobs: BlobStore
  readonly sealer: Sealer
  /** Of the file. */
  readonly name: string
  /** Bound into the seal. */
  readonly context: string
}): KeyFile {
  const { blobs, sealer, name, context } = options

  async function read(): Promise<VaultKeys | undefined> {
    const sealed = await blobs.read(name)
    return sealed && decodeKeys(sealer.open(sealed, context), context)
  }
  async function known(): Promise<VaultKeys> {
    const keys = await read()
    if (!keys) throw new Refusal('key-missing', `the key file of ${context} is gone: put it back`)
    return keys
  }
  async function write(keys: VaultKeys): Promise<void> {
    const bytes = encodeKeys(keys)
    try {
      await blobs.write(name, [sealer.seal(bytes, context)])
    } finally {
      for (const secret of [bytes, keys.kek, keys.next]) secret?.fill(0)
    }
  }

  return {
    read,
    async begin(next) {
      const { epoch, kek } = await known()
      await write({ epoch, kek, next: next.slice() })
    },
    async finish() {
      const { epoch, kek, next } = await known()
      // Without a successor it was finished before, and what is kept is the one in use.
      if (next) await write({ epoch: epoch + 1, kek: next })
      kek.fill(0)
    },
  }
}

function encodeKeys({ epoch, kek, next }: VaultKeys): Uint8Array {
  const bytes = new Uint8Array(EPOCH_BYTES + KEY_BYTES + (next ? KEY_BYTES : 0))
  new DataView(bytes.buffer).setUint32(0, epoch)
  bytes.set(kek, EPOCH_BYTES)
  if (next) bytes.set(next, EPOCH_BYTES + KEY_BYTES)
  return bytes
}

function decodeKeys(bytes: Uint8Array, context: string): VaultKeys {
  if (bytes.length === KEY_BYTES) return { epoch: 0, kek: bytes }
  const rest = bytes.length - EPOCH_BYTES
  if (rest !== KEY_BYTES && rest !== 2 * KEY_BYTES) {
    throw new Refusal('key-missing', `the key file of ${context} is from a newer host: start that one`)
  }
  const epoch = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  const kek = bytes.slice(EPOCH_BYTES, EPOCH_BYTES + KEY_BYTES)
  const next = bytes.slice(EPOCH_BYTES + KEY_BYTES)
  bytes.fill(0)
  return next.length > 0 ? { epoch, kek, next } : { epoch, kek }
}
