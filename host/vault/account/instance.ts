/**
 * The instance row: what is the same for every vault of a host. Whether new accounts may be made, the public key of the
 * operator's backup, and the key that seals session tokens. One small file, sealed, replaced whole.
 */
import { importKemPublicKey } from '#host/crypto/kem.ts'
import { nativeSecret } from '#host/crypto/kdf.ts'
import type { SecretKey } from '#host/crypto/port.ts'
import { KEM_PUBLIC_KEY_BYTES } from '#host/crypto/sizes.ts'
import { Refusal } from '#host/errors.ts'
import { bytesOf, check, z } from '#host/schema.ts'
import type { BlobStore, Sealer } from '#host/storage/port.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { INSTANCE_BYTES_MAX, TOKEN_KEY_BYTES } from './limits.ts'

/** What may be told of it. */
export interface InstanceRow {
  readonly signUps: 'open' | 'closed'
  /** Raw X-Wing public key, 1,216 bytes. Its private half is the operator's, and on no host. */
  readonly backupKey: Uint8Array | null
}

export interface Instance {
  readonly row: InstanceRow
  /** Seals session tokens; drawn and kept when first asked for. @throws Refusal `storage-failed` */
  tokenKey(): Promise<SecretKey>
  /**
   * Durable when it resolves. `tokenKey: 'new'` ends every session there is.
   *
   * @throws Refusal `malformed` for a backup key that is none; `storage-failed`
   */
  change(to: Partial<InstanceRow> & { readonly tokenKey?: 'new' }): Promise<void>
}

const NAME = 'instance.row'
const CONTEXT = 'instance'
const VERSION = 1

const stored = z.tuple([
  z.literal(VERSION),
  z.enum(['open', 'closed']),
  bytesOf(KEM_PUBLIC_KEY_BYTES).nullable(),
  bytesOf(TOKEN_KEY_BYTES),
])

/**
 * Reads the row; a host that never wrote one has sign-ups open and no backup key.
 *
 * @throws Refusal `key-missing` when this sealer cannot open it, or it is from a newer host
 */
export async function openInstance(options: {
  readonly blobs: BlobStore
  readonly sealer: Sealer
  readonly random: (length: number) => Uint8Array
}): Promise<Instance> {
  const { blobs, sealer, random } = options
  const sealed = await blobs.read(NAME)
  const found = sealed && readRow(sealer.open(sealed, CONTEXT))
  let row: InstanceRow = found?.row ?? { signUps: 'open', backupKey: null }
  let key = found && nativeSecret(found.token)
  let last: Promise<unknown> = Promise.resolve()

  async function write(next: InstanceRow, fresh: boolean): Promise<void> {
    const token = fresh || !key ? random(TOKEN_KEY_BYTES) : key.export()
    const bytes = encodeCbor([VERSION, next.signUps, next.backupKey, token])
    try {
      await blobs.write(NAME, [sealer.seal(bytes, CONTEXT)])
    } finally {
      bytes.fill(0)
    }
    row = next
    key = nativeSecret(token)
  }
  /** One write at a time: each starts from what the one before left. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = last.then(work)
    last = done.catch(() => {})
    return done
  }

  return {
    get row() {
      return row
    },
    async tokenKey() {
      if (!key) await inTurn(() => (key ? Promise.resolve() : write(row, true)))
      if (!key) throw new Error('a row was written without its key')
      return key
    },
    change: ({ tokenKey, ...to }) =>
      inTurn(async () => {
        if (to.backupKey) importKemPublicKey(to.backupKey)
        await write({ ...row, ...to }, tokenKey === 'new')
      }),
  }
}

function readRow(bytes: Uint8Array): { row: InstanceRow; token: Uint8Array } {
  try {
    const value = decodeCbor(bytes, { bytesMax: INSTANCE_BYTES_MAX })
    const [, signUps, backupKey, token] = check(stored, value, 'key-missing', 'the instance row')
    return { row: { signUps, backupKey }, token }
  } catch (cause) {
    throw new Refusal('key-missing', 'the instance row is from a newer host: start that one', { cause })
  } finally {
    bytes.fill(0)
  }
}
