import { createHash } from 'node:crypto'

import { expect, test } from 'vitest'

import { nativeEvidence } from '#host/crypto/p384.ts'
import { generateEd25519, signEd25519 } from '#host/crypto/ed25519.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'

import { openSoftwareAttestor } from './attestor.ts'
import { signedMessage } from './evidence.ts'
import { AT_MS, POLICY } from './pki.fixture.ts'
import { judgeEvidence, type Policy, type Roots } from './policy.ts'
import { extendedOnce, measurementOf } from './measurement.ts'
import { onBoth, onOne } from './providers.fixture.ts'
import { openRegisters } from './registers.ts'
import { rejectionOf } from './rejection.fixture.ts'
import { SOFTWARE_HEADER } from './software.ts'
import { decodeEvidence, verifyEvidence } from './verify.ts'

const key = generateEd25519(new Uint8Array(32).fill(1))
const roots: Roots = { nitro: [], software: [key.publicKey.toHex()], revoked: new Set() }
const root = new Uint8Array(48).fill(9)
const policy: Policy = {
  kind: 'software',
  measurements: [],
  registers: new Map([[16, [extendedOnce(nativeEvidence, root).toHex()]]]),
  maxAgeMs: 60_000,
}
const said: string[] = []
const open = () => openSoftwareAttestor({ key, now: () => AT_MS, warn: (line) => said.push(line) })

async function attested(nonce?: Uint8Array): Promise<Uint8Array> {
  const attestor = open()
  await attestor.extend(16, root)
  await attestor.lockBelow(32)
  return attestor.attest({ nonce })
}

function verdict(document: Uint8Array, given: { policy?: Policy; roots?: Roots; at?: number } = {}): string {
  const genuine = () =>
    onOne(given.at ?? 0, (crypto) => verifyEvidence(crypto, decodeEvidence(document), given.roots ?? roots))
  return rejectionOf(() => judgeEvidence(genuine(), given.policy ?? policy, { nowMs: AT_MS }))
}

/** The payload changed and signed again by the attestor's own key. */
function resigned(document: Uint8Array, change: (payload: Record<string, unknown>) => void): Uint8Array {
  const parts = decodeCbor(document) as readonly Uint8Array[]
  const payload = { ...(decodeCbor(parts[2] ?? root) as Record<string, never>) }
  change(payload)
  const bytes = encodeCbor(payload)
  return encodeCbor([SOFTWARE_HEADER, {}, bytes, signEd25519(key, signedMessage(SOFTWARE_HEADER, bytes))])
}

test('software evidence says whose it is, and that it is no hardware', async () => {
  const document = await attested(root)
  const evidence = decodeEvidence(document)
  expect(evidence).toMatchObject({ kind: 'software', hardware: false, key: key.publicKey })
  expect(evidence.claims).toMatchObject({ timestampMs: AT_MS, nonce: root, userData: undefined })
  const accepted = judgeEvidence(
    onBoth((crypto) => verifyEvidence(crypto, evidence, roots)),
    policy,
    { nowMs: AT_MS, nonce: root },
  )
  expect(accepted).toMatchObject({ kind: 'software', hardware: false })
  expect(accepted.measurement).toEqual(measurementOf(nativeEvidence, 'software', evidence.claims.registers))
  expect(open()).toMatchObject({ kind: 'software', hardware: false })
  expect(said.at(-1)).toContain('hardware: false')
})

test('software evidence never meets a nitro policy', async () => {
  const document = await attested()
  const { claims } = decodeEvidence(document)
  const ids = [
    measurementOf(nativeEvidence, 'nitro', claims.registers),
    measurementOf(nativeEvidence, 'software', claims.registers),
  ]
  const nitro: Policy = { ...policy, kind: 'nitro', measurements: ids.map((id) => id.toHex()) }
  expect(verdict(document, { policy: nitro })).toBe('kind-refused')
  expect(verdict(document, { policy: POLICY })).toBe('kind-refused')
  expect(ids[0]).not.toEqual(ids[1])
})

test('software evidence is rejected when it is not of a trusted key or not whole', async () => {
  const document = await attested()
  expect(verdict(document)).toBe('accepted')
  expect(verdict(document, { roots: { ...roots, software: [] } })).toBe('key-unknown')
  expect(verdict(document, { roots: { ...roots, software: [], nitro: roots.software } })).toBe('key-unknown')
  for (let at = 0; at < document.length; at++) {
    const changed = document.map((byte, index) => (index === at ? byte ^ 1 : byte))
    expect(verdict(changed, { at }), `byte ${at}`).not.toBe('accepted')
  }
  const broken = document.map((byte, index) => (index === document.length - 1 ? byte ^ 1 : byte))
  expect(verdict(broken)).toBe('evidence-signature')
})

test('software evidence that claims to be hardware, or more, is rejected though well signed', async () => {
  const document = await attested()
  expect(verdict(resigned(document, () => undefined))).toBe('accepted')
  expect(verdict(resigned(document, (payload) => (payload.hardware = true)))).toBe('evidence-field')
  expect(verdict(resigned(document, (payload) => delete payload.hardware))).toBe('evidence-field')
  expect(verdict(resigned(document, (payload) => (payload.module_id = 'i-1')))).toBe('evidence-field')
  expect(verdict(resigned(document, (payload) => (payload.key = root)))).toBe('evidence-field')
  expect(verdict(resigned(document, (payload) => (payload.pcrs = new Map())))).toBe('evidence-field')
})

test('registers are extended and locked', () => {
  const registers = openRegisters()
  expect([...registers.read().keys()]).toEqual(Array.from({ length: 32 }, (_, index) => index))
  expect(registers.read().get(16)).toEqual(new Uint8Array(48))
  registers.extend(16, root)
  const once = createHash('sha384').update(new Uint8Array(48)).update(root).digest()
  expect(registers.read().get(16)?.toHex()).toBe(once.toString('hex'))
  expect(extendedOnce(nativeEvidence, root).toHex()).toBe(once.toString('hex'))
  registers.extend(16, root)
  const twice = createHash('sha384').update(once).update(root).digest('hex')
  expect(registers.read().get(16)?.toHex()).toBe(twice)
  expect(registers.read().get(17)).toEqual(new Uint8Array(48))
  registers.lock(16)
  expect(() => registers.extend(16, root)).toThrow('register 16 is locked')
  registers.extend(17, root)
  expect(() => registers.extend(32, root)).toThrow('no register 32')
  expect(() => registers.lock(-1)).toThrow('no register -1')
  registers.read().get(17)?.fill(0)
  expect(registers.read().get(17)).toEqual(extendedOnce(nativeEvidence, root))
})

const id = (...changes: readonly number[]) =>
  measurementOf(nativeEvidence, 'nitro', new Map(changes.map((index) => [index, root]))).toHex()

test('a measurement names kind, PCR0 to PCR2 and PCR16', () => {
  const named = [id(), id(0), id(1), id(2), id(16), measurementOf(nativeEvidence, 'software', new Map()).toHex()]
  expect(new Set(named).size).toBe(named.length)
  expect(id(3, 4, 8, 15, 17, 31)).toBe(id())
})

test('a locked attestor measures no more', async () => {
  const attestor = open()
  await attestor.lockBelow(17)
  await expect(attestor.extend(16, root)).rejects.toThrow('register 16 is locked')
  await attestor.extend(17, root)
})
