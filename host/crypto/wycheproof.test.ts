import {
  createPrivateKey,
  createPublicKey,
  decapsulate,
  diffieHellman,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'

import { ml_dsa65 } from '@noble/post-quantum/ml-dsa.js'
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js'

import { importEd25519, verifyEd25519 } from './ed25519.ts'
import { encapsulate } from './kem.ts'
import { bytesIn, type Vector, wycheproof } from './wycheproof.fixture.ts'

const same = (a: Uint8Array, b: Uint8Array) => Buffer.from(a).equals(b)

function succeeds(call: () => boolean): boolean {
  try {
    return call()
  } catch {
    return false
  }
}

wycheproof('ed25519_test', (vector, group) => {
  const { pk } = group['publicKey'] as { pk: string }
  return succeeds(() =>
    verifyEd25519(importEd25519(Uint8Array.fromHex(pk)), {
      message: bytesIn(vector, 'msg'),
      signature: bytesIn(vector, 'sig'),
    }),
  )
})

// "Acceptable": all but an all-zero shared secret are taken, as RFC 7748 computes them. Twist and non-canonical points
// leak nothing with a ladder that does not branch; an all-zero secret means the other side chose the result, and is
// refused (RFC 7748 §6.1).
wycheproof(
  'x25519_test',
  (vector) =>
    succeeds(() => {
      const privateKey = createPrivateKey({
        key: bytesIn(vector, 'private'),
        format: 'raw-private',
        asymmetricKeyType: 'x25519',
      })
      const publicKey = createPublicKey({
        key: bytesIn(vector, 'public'),
        format: 'raw-public',
        asymmetricKeyType: 'x25519',
      })
      return same(diffieHellman({ privateKey, publicKey }), bytesIn(vector, 'shared'))
    }),
  { acceptable: (vector) => !vector.flags.includes('ZeroSharedSecret') },
)

/** FIPS 204 with an empty context; a vector with a context of its own passes it on. */
function contextOf(vector: Vector): { context?: Uint8Array } {
  return vector['ctx'] === undefined ? {} : { context: bytesIn(vector, 'ctx') }
}

function nativeVerify(key: KeyObject, vector: Vector): boolean {
  return verify(null, bytesIn(vector, 'msg'), { key, ...contextOf(vector) }, bytesIn(vector, 'sig'))
}

wycheproof('mldsa_65_verify_test', (vector, group) =>
  succeeds(() => {
    const key = createPublicKey({
      key: bytesIn(group, 'publicKey'),
      format: 'raw-public',
      asymmetricKeyType: 'ml-dsa-65',
    })
    return nativeVerify(key, vector)
  }),
)

// Native signatures are hedged, so they are not the vectors' bytes: what is checked is that the seed gives the vector's
// public key, that the vector's signature verifies under it and that one of ours does too, here and at noble. Vectors
// of a bare message representative (mu) have no native call: noble, the oracle, verifies those.
wycheproof('mldsa_65_sign_seed_test', (vector, group) =>
  succeeds(() => {
    const key = createPrivateKey({
      key: bytesIn(group, 'privateSeed'),
      format: 'raw-seed',
      asymmetricKeyType: 'ml-dsa-65',
    })
    const publicKey = createPublicKey(key)
    const raw = publicKey.export({ format: 'raw-public' })
    if (!same(raw, bytesIn(group, 'publicKey'))) return false
    if (vector['msg'] === undefined) {
      return ml_dsa65.internal.verify(bytesIn(vector, 'sig'), bytesIn(vector, 'mu'), raw, { externalMu: true })
    }
    const context = contextOf(vector)
    const message = bytesIn(vector, 'msg')
    const ours = sign(null, message, { key, ...context })
    return nativeVerify(publicKey, vector) && ml_dsa65.verify(ours, message, raw, context)
  }),
)

wycheproof('mlkem_768_keygen_seed_test', (vector) => {
  const key = createPrivateKey({ key: bytesIn(vector, 'seed'), format: 'raw-seed', asymmetricKeyType: 'ml-kem-768' })
  const raw = createPublicKey(key).export({ format: 'raw-public' })
  return (
    same(raw, bytesIn(vector, 'ek')) && same(ml_kem768.keygen(bytesIn(vector, 'seed')).secretKey, bytesIn(vector, 'dk'))
  )
})

// Native encapsulation takes no seed: a valid key must be taken and an invalid one refused; the vector's output is
// checked of noble, which is the oracle that native ciphertexts are opened with.
wycheproof('mlkem_768_encaps_test', (vector) =>
  succeeds(() => {
    const raw = bytesIn(vector, 'ek')
    const withX25519 = new Uint8Array(raw.length + 32)
    withX25519.set(raw)
    withX25519[raw.length] = 9
    encapsulate(withX25519)
    const { cipherText, sharedSecret } = ml_kem768.encapsulate(raw, bytesIn(vector, 'm'))
    return same(cipherText, bytesIn(vector, 'c')) && same(sharedSecret, bytesIn(vector, 'K'))
  }),
)

wycheproof('mlkem_768_test', (vector) =>
  succeeds(() => {
    const key = createPrivateKey({ key: bytesIn(vector, 'seed'), format: 'raw-seed', asymmetricKeyType: 'ml-kem-768' })
    if (!same(createPublicKey(key).export({ format: 'raw-public' }), bytesIn(vector, 'ek'))) return false
    return same(decapsulate(key, bytesIn(vector, 'c')), bytesIn(vector, 'K'))
  }),
)
