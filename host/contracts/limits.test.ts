/** Limits at their edge: as much as they say passes, one more does not. The numbers are written out here. */
import { expect, test } from 'vitest'

import { nativeCrypto as crypto } from '#host/crypto/native.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { messageOf } from '#host/message.fixture.ts'

import { signApproval, verifyApproval } from './approval.ts'
import { decodeEvidenceAnswer, decodeEvidenceQuestion } from './evidence.ts'
import {
  decodeChallenge,
  decodeDescriptor,
  decodeOutcome,
  decodePresentation,
  decodeSealedOrder,
  decodeSealedOutcome,
  type Descriptor,
  encodeDescriptor,
  encodePresentation,
  openOrder,
} from './provisioning.ts'
import { verifySandboxCopy } from './sandbox-copy.ts'
import { verifySandbox, verifySandboxAcceptance } from './sandbox.ts'
import { verifyUnknown } from './unknown.ts'

const signing = generateSigningKey()
const key = signing.publicKey
const bytes = (length: number) => new Uint8Array(length)

function descriptor(changes: string): Descriptor {
  const offer = { request: bytes(16), to: bytes(48), release: 'two', serial: 2, changes }
  const about = { vault: 'alice', key: bytes(1_216), instance: bytes(16), release: 'one', serial: 1, notAfter: 1 }
  return { ...about, state: 'locked', pin: false, offer }
}

const presentation = (length: number) =>
  decodePresentation(encodePresentation({ nonce: bytes(32), descriptor: bytes(1), evidence: bytes(length) }))

/** A yes to a move, signed, of so many bytes. */
const approval = (length: number) => {
  const way = { request: bytes(16), from: bytes(48), to: bytes(48), release: 'two', serial: 2 }
  const rest = signApproval({ ...way, vault: 'x'.repeat(256) }, signing).length - 256
  return signApproval({ ...way, vault: 'x'.repeat(length - rest) }, signing)
}

const acceptance = (length: number) => {
  const clauses = { takeBack: false, portability: 'none', purge: false, bytesMax: 1, createdAt: 1 } as const
  const who = { id: 's-0123456789abcdef', connection: 'c', name: 'n', creator: bytes(32), guest: bytes(32) }
  const terms = { ...who, ...clauses, rights: { creator: 'write', guest: 'write' } } as const
  verifySandboxAcceptance(crypto, bytes(length), { about: { terms, hash: bytes(32) }, guestKey: key })
}

/** `act` with `most` is done, or fails otherwise than with one more. */
test.each<[string, number, (count: number) => unknown, RegExp]>([
  ['bytes of sandbox terms', 16_384, (count) => verifySandbox(crypto, bytes(count), key), /at most 16384/],
  ['bytes of a yes to them', 16_384, acceptance, /at most 16384/],
  ['bytes of a part of a copy', 1_048_576, (count) => verifySandboxCopy(crypto, bytes(count), key), /at most 1048576/],
  ['bytes of a challenge', 256, (count) => decodeChallenge(bytes(count)), /at most 256/],
  ['bytes of a descriptor', 40_960, (count) => decodeDescriptor(bytes(count)), /at most 40960/],
  [
    'characters of what an offer changes',
    32_768,
    (count) => decodeDescriptor(encodeDescriptor(descriptor('x'.repeat(count)))),
    /offer.changes/,
  ],
  ['bytes of the answer to a challenge', 81_920, (count) => decodePresentation(bytes(count)), /at most 81920/],
  ['bytes of evidence in it', 32_768, presentation, /presentation: evidence/],
  ['bytes of a sealed order', 16_640, (count) => decodeSealedOrder(bytes(count)), /at most 16640/],
  ['bytes of an order', 16_384, (count) => openOrder(crypto, bytes(count)), /at most 16384/],
  ['bytes of a yes to a move', 4_096, (count) => verifyApproval(crypto, bytes(count), key), /at most 4096/],
  ['bytes of a yes that is signed', 4_096, approval, /at most 4096/],
  ['bytes of a sealed outcome', 8_192, (count) => decodeSealedOutcome(bytes(count)), /at most 8192/],
  ['bytes of an outcome', 8_192, (count) => decodeOutcome(bytes(count)), /at most 8192/],
  ['bytes about an unknown session', 4_096, (count) => verifyUnknown(crypto, bytes(count), key), /at most 4096/],
  ['bytes of a question for evidence', 256, (count) => decodeEvidenceQuestion(bytes(count)), /at most 256/],
  ['bytes of its answer', 49_152, (count) => decodeEvidenceAnswer(bytes(count)), /at most 49152/],
])('%s: %i and no more', (_, most, act, says) => {
  expect(messageOf(() => act(most))).not.toMatch(says)
  expect(messageOf(() => act(most + 1))).toMatch(says)
})
