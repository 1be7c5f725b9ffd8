import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { nativeEvidence } from '#host/crypto/p384.ts'
import { encodeCbor } from '#host/wire/cbor.ts'

import { fakeNsm, serveNsm } from './nsm.fixture.ts'
import { decodeResponse, encodeRequest, openNitroAttestor } from './nsm.ts'
import { nsmSocket } from './nsm-socket.ts'
import { AT_MS, makePki, POLICY } from './pki.fixture.ts'
import { judgeEvidence } from './policy.ts'
import { extendedOnce } from './measurement.ts'
import { onBoth } from './providers.fixture.ts'
import { decodeEvidence, verifyEvidence } from './verify.ts'

const pki = makePki()
const root = new Uint8Array(48).fill(9)
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trellis-nsm-'))
})
afterAll(() => rm(folder, { recursive: true }))

test('requests are written as the module reads them', () => {
  const data = Uint8Array.of(1, 2)
  expect(encodeRequest({ kind: 'LockPCRs', range: 32 }).toHex()).toBe('a1684c6f636b50435273a16572616e67651820')
  expect(encodeRequest({ kind: 'ExtendPCR', index: 16, data }).toHex()).toBe(
    'a169457874656e64504352a2646461746142010265696e64657810',
  )
  const full = new Uint8Array(1_024)
  const request = encodeRequest({ kind: 'Attestation', user_data: full, nonce: full, public_key: full })
  expect(request.length).toBeLessThan(4_096)
  expect(() => encodeRequest({ kind: 'ExtendPCR', index: 16, data: new Uint8Array(4_096) })).toThrow(
    'nsm: a request of',
  )
})

const read = (response: Uint8Array) => () => decodeResponse('LockPCRs', response)

test('responses are read, and the module’s errors are named', () => {
  expect(decodeResponse('LockPCRs', encodeCbor('LockPCRs'))).toEqual(new Map())
  expect(decodeResponse('ExtendPCR', encodeCbor({ ExtendPCR: { data: root } }))).toEqual(new Map([['data', root]]))
  expect(read(encodeCbor({ Error: 'ReadOnlyIndex' }))).toThrow('nsm: LockPCRs: ReadOnlyIndex')
  for (const response of [
    'LockPCR',
    {},
    { ExtendPCR: {} },
    { LockPCRs: 1 },
    [],
    { Error: 1 },
    { Error: 'x', more: 1 },
  ]) {
    expect(read(encodeCbor(response)), JSON.stringify(response)).toThrow('nsm: no response to LockPCRs')
  }
  expect(read(Uint8Array.of(0xff))).toThrow(expect.objectContaining({ code: 'evidence-malformed' }))
})

test('an attestor over a fake device gives documents that verify', async () => {
  const attestor = openNitroAttestor(fakeNsm(pki))
  expect(attestor).toMatchObject({ kind: 'nitro', hardware: true })
  await attestor.extend(16, root)
  await attestor.lockBelow(32)
  await expect(attestor.extend(16, root)).rejects.toThrow('nsm: ExtendPCR: ReadOnlyIndex')
  await expect(attestor.extend(32, root)).rejects.toThrow('nsm: ExtendPCR: InvalidIndex')
  const document = await attestor.attest({ nonce: root, userData: root })
  const genuine = onBoth((crypto) => verifyEvidence(crypto, decodeEvidence(document), pki.roots))
  const registers = new Map([...POLICY.registers, [16, [extendedOnce(nativeEvidence, root).toHex()]]] as const)
  const accepted = judgeEvidence(genuine, { ...POLICY, registers }, { nowMs: AT_MS, nonce: root, userData: root })
  expect(accepted).toMatchObject({ kind: 'nitro', hardware: true, claims: { publicKey: undefined } })
})

test('an attestation without a document is no attestation', async () => {
  const attestor = openNitroAttestor(async () => encodeCbor({ Attestation: {} }))
  await expect(attestor.attest({})).rejects.toThrow('nsm: an attestation without a document')
})

test('the device is reached over the socket of the process that owns it', async () => {
  const path = join(folder, 'nsm.sock')
  const server = await serveNsm(fakeNsm(pki), path)
  const attestor = openNitroAttestor(nsmSocket(path))
  await attestor.extend(17, root)
  expect(decodeEvidence(await attestor.attest({ nonce: root })).claims.nonce).toEqual(root)
  server.close()
})

test('without that process nothing is attested', async () => {
  await expect(nsmSocket(join(folder, 'none.sock'))(root)).rejects.toMatchObject({ code: 'not-attested' })
})
