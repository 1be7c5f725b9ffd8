/** The provider of Node: OpenSSL through `host/crypto`. The one file of the room that a browser cannot load. */
import { argon2, hkdfSync } from 'node:crypto'

import { openAead, sealAead } from '#host/crypto/aead.ts'
import { digest } from '#host/crypto/kdf.ts'
import { decapsulate, encapsulate, importKemPublicKey, type KemPrivateKey } from '#host/crypto/kem.ts'
import { importVerifyKey, sign, SIGNATURE_BYTES, type SigningKey, verify, type VerifyKey } from '#host/crypto/sign.ts'
import { Refusal } from '#host/errors.ts'

import type { DeviceOpener, DeviceSigner, EntryCrypto, HashPassphrase } from './port.ts'

const TAG_BYTES = 32

/** OpenSSL's form of keys seen before, by their bytes, which never change. Gone with them. */
const imported = new WeakMap<Uint8Array, VerifyKey>()

export const nativeCrypto: EntryCrypto = {
  digest,
  derive: ({ salt, input, info, length }) => new Uint8Array(hkdfSync('sha256', input, salt, info, length)),
  seal: ({ key, nonce, aad }, plaintext) => sealAead(key, { nonce, aad }, plaintext),
  open: ({ key, nonce, aad }, sealed) => openAead(key, { nonce, aad }, sealed),
  verify({ publicKey, context, message, signature }) {
    if (signature.length !== SIGNATURE_BYTES) return false
    const key = importOnce(publicKey)
    return key !== undefined && verify(key, { context, message, signature })
  },
  encapsulate: (publicKey) => encapsulate(importKemPublicKey(publicKey)),
}

function importOnce(raw: Uint8Array): VerifyKey | undefined {
  const known = imported.get(raw)
  if (known !== undefined) return known
  try {
    const key = importVerifyKey(raw)
    imported.set(raw, key)
    return key
  } catch (cause) {
    if (cause instanceof Refusal) return undefined
    throw cause
  }
}

export function nativeSigner(key: SigningKey): DeviceSigner {
  return { publicKey: key.verifyKey.raw, sign: (context, message) => sign(key, context, message) }
}

export function nativeOpener(key: KemPrivateKey): DeviceOpener {
  return { publicKey: key.publicKey.raw, decapsulate: (ciphertext) => decapsulate(key, ciphertext) }
}

/** On another thread. */
export const nativeHashPassphrase: HashPassphrase = ({ passphrase, salt, memoryKiB, passes, lanes }) => {
  const cost = { memory: memoryKiB, passes, parallelism: lanes, tagLength: TAG_BYTES }
  return new Promise((resolve, reject) => {
    argon2('argon2id', { message: passphrase, nonce: salt, ...cost }, (error, tag) => {
      if (error) reject(error)
      else resolve(new Uint8Array(tag))
    })
  })
}
