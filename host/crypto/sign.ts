/**
 * Composite signatures of Node: ML-DSA-65 (FIPS 204) and Ed25519 over the same message, and both must verify
 * (draft-ietf-lamps-pq-composite-sigs, id-MLDSA65-Ed25519-SHA512). The context keeps one use from standing for another.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign as signOne,
  verify as verifyOne,
} from 'node:crypto'

import { plain } from './kdf.ts'
import type { Seeded, SignedMessage, SigningKey } from './port.ts'
import { withSeed } from './seed.ts'
import {
  MLDSA_PUBLIC_KEY_BYTES,
  MLDSA_SEED_BYTES,
  MLDSA_SIGNATURE_BYTES,
  SIGNATURE_BYTES,
  SIGNING_SEED_BYTES,
  VERIFY_KEY_BYTES,
} from './sizes.ts'

const CONTEXT_BYTES_MAX = 255

const utf8 = new TextEncoder()
const PREFIX = utf8.encode('CompositeAlgorithmSignatures2025')
const LABEL = utf8.encode('COMPSIG-MLDSA65-Ed25519-SHA512')

interface VerifyKey {
  readonly mldsa: KeyObject
  readonly ed25519: KeyObject
}

/** OpenSSL's form of keys seen before, by their bytes; `null` for what is no key. Gone with them. */
const imported = new WeakMap<Uint8Array, VerifyKey | null>()

/** The key of a 64-byte seed, which stays the caller's to wipe; of a fresh one when none is given. */
export function generateSigningKey(given?: Uint8Array): SigningKey & Seeded {
  return withSeed(given, SIGNING_SEED_BYTES, (bytes, seed) => {
    const mldsa = createPrivateKey({
      key: bytes.subarray(0, MLDSA_SEED_BYTES),
      format: 'raw-seed',
      asymmetricKeyType: 'ml-dsa-65',
    })
    const ed25519 = createPrivateKey({
      key: bytes.subarray(MLDSA_SEED_BYTES),
      format: 'raw-private',
      asymmetricKeyType: 'ed25519',
    })
    const verifyKey = { mldsa: createPublicKey(mldsa), ed25519: createPublicKey(ed25519) }
    const publicKey = new Uint8Array(VERIFY_KEY_BYTES)
    publicKey.set(verifyKey.mldsa.export({ format: 'raw-public' }))
    publicKey.set(verifyKey.ed25519.export({ format: 'raw-public' }), MLDSA_PUBLIC_KEY_BYTES)
    imported.set(publicKey, verifyKey)
    return { seed, publicKey, sign: (context, message) => sign({ mldsa, ed25519 }, context, message) }
  })
}

/** ML-DSA-65 (hedged) then Ed25519. */
function sign(key: VerifyKey, context: string, message: Uint8Array): Uint8Array {
  const prefixed = representative(context, message)
  const signature = new Uint8Array(SIGNATURE_BYTES)
  signature.set(signOne(null, prefixed, { key: key.mldsa, context: LABEL }))
  signature.set(signOne(null, prefixed, key.ed25519), MLDSA_SIGNATURE_BYTES)
  return signature
}

/** True when both signatures are this key's over this message in this context; false for what is none. */
export function verify({ publicKey, context, message, signature }: SignedMessage): boolean {
  const key = importOnce(publicKey)
  if (key === null || signature.length !== SIGNATURE_BYTES) return false
  const prefixed = representative(context, message)
  return (
    verifyOne(null, prefixed, key.ed25519, signature.subarray(MLDSA_SIGNATURE_BYTES)) &&
    verifyOne(null, prefixed, { key: key.mldsa, context: LABEL }, signature.subarray(0, MLDSA_SIGNATURE_BYTES))
  )
}

function importOnce(raw: Uint8Array): VerifyKey | null {
  const known = imported.get(raw)
  if (known !== undefined) return known
  const key = raw.length === VERIFY_KEY_BYTES ? importVerifyKey(raw) : null
  imported.set(raw, key)
  return key
}

function importVerifyKey(raw: Uint8Array): VerifyKey {
  const [mldsa, ed25519] = [raw.subarray(0, MLDSA_PUBLIC_KEY_BYTES), raw.subarray(MLDSA_PUBLIC_KEY_BYTES)]
  return {
    mldsa: createPublicKey({ key: mldsa, format: 'raw-public', asymmetricKeyType: 'ml-dsa-65' }),
    ed25519: createPublicKey({ key: ed25519, format: 'raw-public', asymmetricKeyType: 'ed25519' }),
  }
}

/** The draft's M': prefix, label, context with its length, SHA-512 of the message. */
function representative(context: string, message: Uint8Array): Uint8Array {
  const encoded = utf8.encode(context)
  if (encoded.length > CONTEXT_BYTES_MAX) throw new Error(`sign: context over ${CONTEXT_BYTES_MAX} bytes`)
  const hash = createHash('sha512').update(message).digest()
  return plain(Buffer.concat([PREFIX, LABEL, Uint8Array.of(encoded.length), encoded, hash]))
}
