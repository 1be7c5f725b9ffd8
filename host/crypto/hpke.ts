/**
 * HPKE (RFC 9180), base mode, single shot: X-Wing (KEM 0x647a), HKDF-SHA-256 (0x0001), AES-256-GCM (0x0002). Whoever
 * has the public key seals one message; only the key's owner opens it. The sender stays unknown: who matters signs
 * inside.
 */
import { createHmac } from 'node:crypto'

import { joinBytes } from '#host/wire/bytes.ts'
import { KEM_CIPHERTEXT_BYTES } from '#host/wire/envelope.ts'

import { AEAD_KEY_BYTES, NONCE_BYTES, openAead, sealAead } from './aead.ts'
import { DIGEST_BYTES, extract, plain } from './kdf.ts'
import { decapsulate, encapsulate, type KemPrivateKey, type KemPublicKey } from './kem.ts'

/** What both sides know: `info` names the use, `aad` what the message is bound to. */
export interface HpkeContext {
  readonly info: Uint8Array
  readonly aad: Uint8Array
}

/** A message sealed to a key, and the secret that its opener shares with who sealed it: for the one answer. */
export interface HpkeSealed {
  /** Encapsulated key (1,120 bytes), then ciphertext. */
  readonly bytes: Uint8Array
  /** 32 bytes, exported (§5.3). The caller wipes it. */
  readonly answerKey: Uint8Array
}

export interface HpkeOpened {
  /** The caller wipes it when it is a secret. */
  readonly plaintext: Uint8Array
  readonly answerKey: Uint8Array
}

const utf8 = new TextEncoder()
const EMPTY = new Uint8Array(0)
const VERSION = utf8.encode('HPKE-v1')
const SUITE = joinBytes([utf8.encode('HPKE'), [0x64, 0x7a], [0, 1], [0, 2]])
const MODE_BASE = [0]
const ANSWER = utf8.encode('trellis answer')

/** @throws Refusal `malformed` for a public key of low order */
export function sealHpke(to: KemPublicKey, { info, aad }: HpkeContext, plaintext: Uint8Array): HpkeSealed {
  const { ciphertext, sharedSecret } = encapsulate(to)
  return withSchedule(sharedSecret, info, ({ key, nonce, answerKey }) => ({
    bytes: joinBytes([ciphertext, sealAead(key, { nonce, aad }, plaintext)]),
    answerKey,
  }))
}

/** @throws Refusal `malformed` for what is too short, `unopenable` for another key, info or associated data */
export function openHpke(key: KemPrivateKey, { info, aad }: HpkeContext, sealed: Uint8Array): HpkeOpened {
  const sharedSecret = decapsulate(key, sealed.subarray(0, KEM_CIPHERTEXT_BYTES))
  return withSchedule(sharedSecret, info, ({ key: opening, nonce, answerKey }) => ({
    plaintext: openAead(opening, { nonce, aad }, sealed.subarray(KEM_CIPHERTEXT_BYTES)),
    answerKey,
  }))
}

interface Schedule {
  readonly key: Uint8Array
  readonly nonce: Uint8Array
  readonly answerKey: Uint8Array
}

/** The key schedule (§5.1) for one message; what it derives is wiped, but for the answer's key. */
function withSchedule<T>(sharedSecret: Uint8Array, info: Uint8Array, use: (schedule: Schedule) => T): T {
  const context = joinBytes([
    MODE_BASE,
    labeledExtract(EMPTY, 'psk_id_hash', EMPTY),
    labeledExtract(EMPTY, 'info_hash', info),
  ])
  const secret = labeledExtract(sharedSecret, 'secret', EMPTY)
  const key = labeledExpand(secret, 'key', context, AEAD_KEY_BYTES)
  const nonce = labeledExpand(secret, 'base_nonce', context, NONCE_BYTES)
  const exporter = labeledExpand(secret, 'exp', context, DIGEST_BYTES)
  try {
    return use({ key, nonce, answerKey: labeledExpand(exporter, 'sec', ANSWER, DIGEST_BYTES) })
  } finally {
    for (const bytes of [sharedSecret, secret, key, exporter]) bytes.fill(0)
  }
}

function labeledExtract(salt: Uint8Array, label: string, input: Uint8Array): Uint8Array {
  return extract(salt, joinBytes([VERSION, SUITE, utf8.encode(label), input]))
}

/** At most one block of HKDF-Expand. */
function labeledExpand(secret: Uint8Array, label: string, info: Uint8Array, length: number): Uint8Array {
  const whole = createHmac('sha256', secret)
    .update(joinBytes([[0, length], VERSION, SUITE, utf8.encode(label), info, [1]]))
    .digest()
  return plain(whole).slice(0, length)
}
