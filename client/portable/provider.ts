/** The provider of a browser: the same bytes as `host/entries/native.ts`, and no import that only Node has. */
import {
  portableArgon2id,
  portableDecapsulate,
  portableDerive,
  portableDigest,
  portableEncapsulate,
  portableKemKey,
  portableOpen,
  portableSeal,
  portableSign,
  portableSigningKey,
  portableVerify,
} from '#host/crypto/portable.ts'
import type { DeviceOpener, DeviceSigner, EntryCrypto, HashPassphrase } from '#host/entries/port.ts'

type Random = (count: number) => Uint8Array

/** `random` makes encapsulations, 64 bytes each. */
export function portableCrypto(random: Random): EntryCrypto {
  return {
    digest: portableDigest,
    derive: ({ input, salt, info, length }) => portableDerive(input, salt, info, length),
    seal: portableSeal,
    open: portableOpen,
    verify: portableVerify,
    encapsulate: (publicKey) => portableEncapsulate(publicKey, random),
  }
}

/** The signer of a 64-byte seed. Without `random` the same message always gives the same signature. */
export function portableSigner(seed: Uint8Array, random?: Random): DeviceSigner {
  const key = portableSigningKey(seed)
  const hedge = random === undefined ? {} : { random }
  return { publicKey: key.publicKey, sign: (context, message) => portableSign(key, { context, message, ...hedge }) }
}

/** The opener of a 32-byte seed. */
export function portableOpener(seed: Uint8Array): DeviceOpener {
  const key = portableKemKey(seed)
  return { publicKey: key.publicKey, decapsulate: (ciphertext) => portableDecapsulate(key, ciphertext) }
}

export const portableHashPassphrase: HashPassphrase = ({ passphrase, ...options }) =>
  portableArgon2id(passphrase, options)
