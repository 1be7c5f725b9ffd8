/** Limits of what is handed over: the most is looked at, one more is refused before anything is believed of it. */
import { expect, test } from 'vitest'

import { PRESENTED_EVIDENCE_BYTES_MAX } from '#host/contracts/limits.ts'
import { CHALLENGE_NONCE_BYTES, decodeDescriptor } from '#host/contracts/provisioning.ts'
import type { Enclave } from '#host/crypto/enclave.ts'
import { sealHpke } from '#host/crypto/hpke.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { sha384 } from '#host/crypto/p384.ts'
import { VERIFY_KEY_BYTES } from '#host/crypto/sizes.ts'
import { MOVE_APPROVAL_BYTES_MAX, PROTECTED_BYTES_MAX, UNLOCKERS_MAX } from '#host/storage/limits.ts'
import { type Cbor, encodeCbor } from '#host/wire/cbor.ts'
import { random } from './installation.fixture.ts'
import { openSuccessor } from './succession.ts'

const bytes = (length: number): Uint8Array => new Uint8Array(length)
/** It believes every evidence. */
const enclave = {
  release: { id: 'b', root: bytes(48), serial: 2 },
  attest: () => Promise.resolve(bytes(100)),
  recognize: () => bytes(48),
} as Partial<Enclave> as Enclave
const header = {
  epoch: 1,
  pepper: bytes(32),
  salt: null,
  state: null,
  seq: 1,
  serial: 1,
  unlockers: Array.from({ length: UNLOCKERS_MAX }, () => bytes(32)),
  approval: bytes(MOVE_APPROVAL_BYTES_MAX),
  device: bytes(VERIFY_KEY_BYTES),
}
const headerBytes = (change: Readonly<Record<string, Cbor>> = {}): Uint8Array => encodeCbor({ ...header, ...change })

/** Why the successor does not take it. */
async function refusal(...handed: readonly [inner: Uint8Array, evidence: Uint8Array]): Promise<string> {
  const successor = openSuccessor({ enclave, now: () => 0, random })
  const { descriptor, evidence } = await successor.present('alice', random(CHALLENGE_NONCE_BYTES))
  const named = sha384(evidence)
  const context = { to: decodeDescriptor(descriptor).key, info: new TextEncoder().encode('trellis/move/1'), aad: named }
  const { bytes: sealed } = sealHpke(nativeCrypto, context, encodeCbor([...handed]))
  return successor.receive('alice', { evidence: named, sealed }).then(
    () => 'none',
    (error: unknown) => String(error),
  )
}

const most = headerBytes()
const devices = headerBytes({ unlockers: [...header.unlockers, bytes(32)] })
const approval = headerBytes({ approval: bytes(MOVE_APPROVAL_BYTES_MAX + 1) })

test.each([
  ['more evidence', most, bytes(PRESENTED_EVIDENCE_BYTES_MAX + 1), 'what is handed over: 1'],
  ['a larger header', bytes(PROTECTED_BYTES_MAX + 1), bytes(1), 'what is handed over: 0'],
  ['more devices', devices, bytes(1), 'a handed-over header: unlockers'],
  ['a longer approval', approval, bytes(1), 'a handed-over header: approval'],
  // The most of each is looked at: zeros are no header and no approval.
  ['the largest header', bytes(PROTECTED_BYTES_MAX), bytes(1), 'Refusal: cbor'],
  ['the most of all else', most, bytes(PRESENTED_EVIDENCE_BYTES_MAX), 'Refusal: approval: cbor'],
])('with %s, it is refused for what it is', async (_name, inner, evidence, why) => {
  expect(await refusal(inner, evidence)).toContain(why)
})
