/**
 * Keys at rest, sealed by a key in a file of this installation. It protects copies of the data folder that leave the
 * key behind, and nothing more: whoever reads both reads all. A vault that its owner protects is kept another way
 * (`protected.ts`).
 *
 * A blob is `1 | salt 16 | AES-256-GCM`; its key is derived from the root key and the random salt, its context is
 * associated data.
 */
import { constants } from 'node:fs'
import { link, open, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { KeyObject } from 'node:crypto'

import { type AeadContext, openAead, sealAead } from '#host/crypto/aead.ts'
import { Refusal } from '#host/errors.ts'
import { flush } from './flush.ts'
import { deriveKey, KEY_BYTES, wrapKey } from './keys.ts'
import type { Sealer } from './port.ts'

const VERSION = 1
const SALT_BYTES = 16
const BODY_AT = 1 + SALT_BYTES
// Every salt makes a key of its own, used once.
const NONCE = new Uint8Array(12)

type Random = (length: number) => Uint8Array

/**
 * The sealer of this installation. Its key file is 32 bytes, mode 0600; it is made when it is absent and `create` is
 * true.
 *
 * @throws Refusal `key-missing` when the file is absent, damaged, or open to others: a key that others may have read is
 *   no key
 */
export async function softwareSealer(path: string, options: { random: Random; create: boolean }): Promise<Sealer> {
  return keySealer(await installKey(path, options), { kind: 'software', random: options.random })
}

/** The key itself, of which others are derived. @throws Refusal `key-missing`, as above */
export async function installKey(
  path: string,
  options: { readonly random: Random; readonly create: boolean },
): Promise<KeyObject> {
  const file = resolve(path)
  const key = (await readKey(file)) ?? (options.create ? await makeKey(file, options.random) : undefined)
  if (key !== undefined) return key
  throw new Refusal('key-missing', `key file ${file} is absent: put it back, what it sealed opens with no other`)
}

/** For tests and simulation: the key lives as long as the sealer. */
export function memorySealer(random: Random): Sealer {
  return keySealer(wrapKey(random(KEY_BYTES)), { kind: 'memory', random })
}

/** A sealer by a key that is held in memory. */
export function keySealer(root: KeyObject, { kind, random }: { kind: Sealer['kind']; random: Random }): Sealer {
  const keyOf = (salt: Uint8Array): KeyObject => deriveKey(root, 'sealer', salt)
  return {
    kind,
    seal(secret, context) {
      const salt = random(SALT_BYTES)
      const sealed = sealAead(keyOf(salt), boundTo(context), secret)
      const blob = new Uint8Array(BODY_AT + sealed.length)
      blob[0] = VERSION
      blob.set(salt, 1)
      blob.set(sealed, BODY_AT)
      return blob
    },
    open(blob, context) {
      try {
        if (blob[0] !== VERSION || blob.length < BODY_AT) throw new Refusal('unopenable', 'not a sealed key')
        return openAead(keyOf(blob.subarray(1, BODY_AT)), boundTo(context), blob.subarray(BODY_AT))
      } catch (cause) {
        if (!(cause instanceof Refusal)) throw cause
        const what = `the sealed key of ${context} does not open with this ${kind} key`
        throw new Refusal('key-missing', `${what}: use the key file it was sealed with`, { cause })
      }
    },
  }
}

function boundTo(context: string): AeadContext {
  return { nonce: NONCE, aad: new TextEncoder().encode(context) }
}

async function readKey(file: string): Promise<KeyObject | undefined> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new Refusal('key-missing', `key file ${file} could not be opened: ${error.message}`, { cause: error })
  })
  if (handle === undefined) return undefined
  try {
    const { mode, size } = await handle.stat()
    if ((mode & 0o077) !== 0) {
      const shown = (mode & 0o777).toString(8)
      throw new Refusal(
        'key-missing',
        `key file ${file} is open to others (mode ${shown}): chmod 600 it, or make new keys`,
      )
    }
    if (size !== KEY_BYTES) {
      throw new Refusal('key-missing', `key file ${file} has ${size} bytes, not ${KEY_BYTES}: put the right one back`)
    }
    const secret = new Uint8Array(KEY_BYTES)
    await handle.read(secret, 0, KEY_BYTES, 0)
    return wrapKey(secret)
  } finally {
    await handle.close()
  }
}

/** Makes the whole file under another name first: the key exists with all its bytes durable, or not at all. */
async function makeKey(file: string, random: Random): Promise<KeyObject | undefined> {
  const secret = random(KEY_BYTES)
  const draft = `${file}.${random(8).toHex()}`
  const handle = await open(draft, 'wx', 0o600)
  try {
    await handle.writeFile(secret)
    await flush(handle, 'all')
    // Fails when another process was first: its key is the key then.
    await link(draft, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  } finally {
    secret.fill(0)
    await handle.close()
    await rm(draft, { force: true })
  }
  const folder = await open(dirname(file), 'r')
  try {
    await flush(folder, 'all')
  } finally {
    await folder.close()
  }
  return readKey(file)
}
