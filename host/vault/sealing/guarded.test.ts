/** What one check alone stands for: writing over another process, orders that went astray, a device's own past. */
import { createSecretKey } from 'node:crypto'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { type ClientStore, forgetfulStore } from '#client/transport.ts'
import { type Approval, signApproval } from '#host/contracts/approval.ts'
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
import type { Enclave, EvidenceQuestion, Release } from '#host/crypto/enclave.ts'
import { sealHpke } from '#host/crypto/hpke.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { sha384 } from '#host/crypto/p384.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import type { SigningKey } from '#host/crypto/port.ts'
import { NONCE_BYTES } from '#host/crypto/sizes.ts'
import { openHeader } from '#host/storage/protected.ts'
import { keySealer } from '#host/storage/sealer.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { parseVaultId } from '#host/wire/id.ts'
import { type Guard, openGuard } from './guard.ts'
import { codeOf, type Installation, installation, random, type Room } from './installation.fixture.ts'
import { giveTo, openSuccessor } from './succession.ts'

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

function openGuarded(): Guard {
  const sealer = keySealer(createSecretKey(random(32)), { kind: 'software', random })
  return openGuard({ blobs: disk.keys, sealer, nameOf: (id) => `${id}.key`, random })
}

test('a header that another process wrote meanwhile is not written over', async () => {
  const guard = openGuarded()
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

const attesting = (from: Enclave, change: (asked: EvidenceQuestion) => EvidenceQuestion): Enclave => ({
  ...from,
  attest: (asked) => from.attest(change(asked)),
})

describe('what is handed over', () => {
  const A: Release = { id: 'image-1', root: new Uint8Array(48).fill(1), serial: 1 }

  /** Image 1 gives the vault's header to image 2, each as it is or as it is changed. */
  async function given(change: {
    by?: (from: Enclave) => Enclave
    approval?: Partial<Approval>
    signing?: SigningKey
  }) {
    const to = room.enclave
    const found = await openGuarded().find(ALICE, to)
    if (!found) throw new Error('not protected')
    const from = (await disk.start({ image: 1 })).enclave
    const { signing = disk.signing } = change
    const about = { vault: 'alice', request: random(16), from: from.measurement, to: to.measurement }
    const approval = signApproval({ ...about, release: to.release.id, serial: 2, ...change.approval }, signing)
    const successor = { ...openSuccessor({ enclave: to, now: () => disk.clock.now, random }), changes: '' }
    return giveTo(
      { ...successor, measurement: to.measurement, release: to.release },
      {
        vault: 'alice',
        header: { ...found.header, serial: A.serial },
        move: { phase: 'approved', ...about, release: A.id, serial: 2, approval, device: signing.publicKey },
        enclave: change.by?.(from) ?? from,
        random,
      },
    )
  }

  test('is taken by the code that the owner named, and keeps who may unlock', async () => {
    const header = await given({})
    const seat = { measurement: room.enclave.measurement, header, wrapped: new Uint8Array() }
    expect(openHeader(room.enclave, 'alice', seat)).toMatchObject({ seq: 2, serial: 1, move: null })
  })

  test.each<[string, Parameters<typeof given>[0]]>([
    [
      'with evidence over something else',
      { by: (from) => attesting(from, (asked) => ({ ...asked, userData: random(48) })) },
    ],
    [
      'with evidence to another question',
      { by: (from) => attesting(from, (asked) => ({ ...asked, nonce: random(48) })) },
    ],
    ['by other code than the approval is from', { approval: { from: new Uint8Array(48) } }],
    ['by the word of no device of the vault', { signing: generateSigningKey() }],
    ['for other code', { approval: { to: new Uint8Array(48) } }],
  ])('%s is refused', async (_, change) => {
    expect(await codeOf(given(change))).toBe('move-refused')
  })
})

test('an unlocked vault is opened anew for a device with a past: another one of that length is not its', async () => {
  await room.device(store).unlock()
  const { sequence, epoch } = (await room.vault()).store.head
  const forked = { sequence: sequence - 1, epoch, chain: new Uint8Array(32).fill(7) }
  await store.put(new Map([['vine/alice/anchor', encodeCbor(forked)]]))
  expect(await codeOf(room.device(store).unlock())).toBe('journal-behind')
  expect(await codeOf(room.vault())).toBe('vault-locked')
})
