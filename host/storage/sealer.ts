/**
 * Keys at rest, sealed by a key in a file of this installation. It protects copies of the data folder that leave the
 * key behind, and nothing more: whoever reads both reads all. A vault that its owner protects is kept another way
 * (`protected.ts`).
 *
 * A blob is `1 | salt 16 | AES-256-GCM`; its key is derived from the root key and the random salt, its context is
 * associated data.
 */
import { resolve } from 'node:path'
import type { KeyObject } from 'node:crypto'

import { type AeadContext, openAead, sealAead } from '#host/crypto/aead.ts'
import { Refusal } from '#host/errors.ts'
import { deriveKey, KEY_BYTES, wrapKey } from './keys.ts'
import type { Sealer } from './port.ts'
import { makeSecretFile, readSecretFile } from './secret-file.ts'

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
  const found = await readSecretFile(file)
  if (found !== undefined) return wrapKey(found)
  if (options.create) {
    await makeSecretFile(file, options.random)
    // Another process may have been first: its key is the key then.
    const made = await readSecretFile(file)
    if (made !== undefined) return wrapKey(made)
  }
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
