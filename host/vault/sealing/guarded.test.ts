/** What one check alone stands for: writing over another process, orders that went astray, a device's own past. */
import { createSecretKey } from 'node:crypto'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { type ClientStore, forgetfulStore } from '#client/transport.ts'
import {
  decodeDescriptor,
  decodeOutcome,
  decodePresentation,
  decodeSealedOutcome,
  encodeChallenge,
  encodeSealed,
  type Order,
  ORDER_INFO,
  type Outcome,
  signOrder,
} from '#host/contracts/provisioning.ts'
import { openAead } from '#host/crypto/aead.ts'
import { sealHpke } from '#host/crypto/hpke.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { sha384 } from '#host/crypto/p384.ts'
import { NONCE_BYTES } from '#host/crypto/sizes.ts'
import { keySealer } from '#host/storage/sealer.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { parseVaultId } from '#host/wire/id.ts'
import { openGuard } from './guard.ts'
import { codeOf, type Installation, installation, random, type Room } from './installation.fixture.ts'
import { encodeHandover, HANDOVER_INFO, openSuccessor } from './succession.ts'

let disk: Installation
let store: ClientStore
let room: Room
const ALICE = parseVaultId('alice')

beforeEach(async () => {
  disk = await installation()
  store = forgetfulStore()
  room = await disk.start({ image: 2 })
  await room.device(store).protect()
})
afterEach(() => disk[Symbol.asyncDispose]())

test('a header that another process wrote meanwhile is not written over', async () => {
  const sealer = keySealer(createSecretKey(random(32)), { kind: 'software', random })
  const guard = openGuard({ blobs: disk.keys, sealer, nameOf: (id) => `${id}.key`, random })
  const found = await guard.find(ALICE, room.enclave)
  if (!found) throw new Error('not protected')
  guard.hold(ALICE, { root: createSecretKey(random(32)), header: found.seat.header })
  await room.device(store).unlock()
  const theirs = await disk.keys.read('alice.key')
  const writing = guard.write(ALICE, { enclave: room.enclave, found, header: { ...found.header, failures: 7 } })
  expect(await codeOf(writing)).toBe('conflict')
  expect(await disk.keys.read('alice.key')).toEqual(theirs)
  expect(guard.isUnlocked(ALICE)).toBe(false)
})

/** Seals it to the evidence of now, whatever it says itself. */
async function sent(change: (evidence: Uint8Array) => Partial<Order>): Promise<Outcome> {
  const shown = decodePresentation(await room.sealing.challenged('alice', encodeChallenge({ nonce: random(32) })))
  const evidence = sha384(shown.evidence)
  const about = { vault: 'alice', evidence, act: 'lock', pin: null, header: 0, anchor: null, approval: null } as const
  const plain = signOrder({ ...about, secret: new Uint8Array(32), ...change(evidence) }, disk.signing)
  const to = decodeDescriptor(shown.descriptor).key
  const { bytes: sealed, answerKey } = sealHpke(nativeCrypto, { to, info: ORDER_INFO, aad: evidence }, plain)
  const answer = decodeSealedOutcome(await room.sealing.ordered('alice', encodeSealed({ evidence, sealed })))
  return decodeOutcome(openAead(answerKey, { nonce: new Uint8Array(NONCE_BYTES), aad: evidence }, answer.sealed))
}

describe('an order that its device signed', () => {
  test('is carried out when it is for this vault and this evidence', async () => {
    expect(await sent(() => ({}))).toMatchObject({ header: 1 })
    expect(await codeOf(room.vault())).toBe('vault-locked')
  })

  test.each<[string, Partial<Order>]>([
    ['another vault', { vault: 'bob' }],
    ['other evidence', { evidence: new Uint8Array(48) }],
  ])('is refused when it is for %s', async (_, change) => {
    expect(await sent(() => change)).toMatchObject({ refused: 'provision-invalid' })
    expect(await codeOf(room.vault())).toBe('done')
  })
})

test('a device gives no secret to an enclave that answers for another vault', async () => {
  const elsewhere = {
    ...room.sealing,
    challenged: (_vault: string, data: Uint8Array) => room.sealing.challenged('bob', data),
  }
  await disk.keys.write('bob.key', [(await disk.keys.read('alice.key')) ?? new Uint8Array()])
  await expect(room.device(store, { through: elsewhere }).unlock()).rejects.toMatchObject({
    code: 'user-data-mismatch',
  })
})

test.each([
  [1, 'done'],
  [2, 'move-refused'],
  [3, 'move-refused'],
])('a successor of release 2 takes over from release %i: %s', async (serial, code) => {
  const { enclave } = room
  const successor = openSuccessor({ enclave, changes: '', now: () => disk.clock.now, random })
  const { descriptor, evidence } = await successor.present('alice', random(32))
  const plain = encodeHandover({
    epoch: 1,
    pepper: random(32),
    salt: null,
    unlockers: [],
    state: null,
    failures: 0,
    notBefore: 0,
    seq: 1,
    serial,
    from: new Uint8Array(48).fill(1),
  })
  const aad = sha384(evidence)
  const to = decodeDescriptor(descriptor).key
  const { bytes: sealed } = sealHpke(nativeCrypto, { to, info: HANDOVER_INFO, aad }, plain)
  expect(await codeOf(successor.receive('alice', { evidence: aad, sealed }))).toBe(code)
})

test('an unlocked vault is opened anew for a device with a past: another one of that length is not its', async () => {
  await room.device(store).unlock()
  const { sequence, epoch } = (await room.vault()).store.head
  const forked = { sequence: sequence - 1, epoch, chain: new Uint8Array(32).fill(7) }
  await store.put(new Map([['vine/alice/anchor', encodeCbor(forked)]]))
  expect(await codeOf(room.device(store).unlock())).toBe('journal-behind')
  expect(await codeOf(room.vault())).toBe('vault-locked')
})
