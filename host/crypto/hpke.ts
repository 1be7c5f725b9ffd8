/**
 * HPKE (RFC 9180), base mode, single shot: X-Wing (KEM 0x647a), HKDF-SHA-256 (0x0001), AES-256-GCM (0x0002). Whoever
 * has the public key seals one message; only the key's owner opens it. The sender stays unknown: who matters signs
 * inside.
 */
import { joinBytes } from '#host/wire/bytes.ts'
import { KEM_CIPHERTEXT_BYTES } from '#host/wire/envelope.ts'

import { extract } from './derive.ts'
import type { OpeningKey, SecretKey, Suite } from './port.ts'
import { AEAD_KEY_BYTES, DIGEST_BYTES, NONCE_BYTES } from './sizes.ts'

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
const FIRST_BLOCK = Uint8Array.of(1)
const ANSWER = utf8.encode('trellis answer')

/** @throws Refusal `malformed` for a public key that is none */
export function sealHpke(
  crypto: Suite,
  { to, info, aad }: HpkeContext & { readonly to: Uint8Array },
  plaintext: Uint8Array,
): HpkeSealed {
  const { ciphertext, sharedSecret } = crypto.encapsulate(to)
  return withSchedule(crypto, { sharedSecret, info }, ({ key, nonce, answerKey }) => ({
    bytes: joinBytes([ciphertext, crypto.seal({ key, nonce, aad }, plaintext)]),
    answerKey,
  }))
}

/** @throws Refusal `malformed` for what is too short, `unopenable` for another key, info or associated data */
export function openHpke(
  crypto: Suite,
  { by, info, aad }: HpkeContext & { readonly by: OpeningKey },
  sealed: Uint8Array,
): HpkeOpened {
  const sharedSecret = by.decapsulate(sealed.subarray(0, KEM_CIPHERTEXT_BYTES))
  return withSchedule(crypto, { sharedSecret, info }, ({ key, nonce, answerKey }) => ({
    plaintext: crypto.open({ key, nonce, aad }, sealed.subarray(KEM_CIPHERTEXT_BYTES)),
    answerKey,
  }))
}

interface Schedule {
  readonly key: Uint8Array
  readonly nonce: Uint8Array
  readonly answerKey: Uint8Array
}

/** The key schedule (§5.1) for one message; what it derives is wiped, but for the answer's key. */
function withSchedule<T>(
  crypto: Suite,
  { sharedSecret, info }: { readonly sharedSecret: Uint8Array; readonly info: Uint8Array },
  use: (schedule: Schedule) => T,
): T {
  const extracted = (salt: Uint8Array, label: string, input: Uint8Array) =>
    extract(crypto, salt, VERSION, SUITE, label, input)
  const hashed = (label: string, input: Uint8Array) => extracted(new Uint8Array(0), label, input)
  const context = joinBytes([MODE_BASE, hashed('psk_id_hash', EMPTY), hashed('info_hash', info)])
  const secret = crypto.secret(extracted(sharedSecret, 'secret', EMPTY))
  const key = labeledExpand(secret, 'key', context, AEAD_KEY_BYTES)
  const nonce = labeledExpand(secret, 'base_nonce', context, NONCE_BYTES)
  const exporter = crypto.secret(labeledExpand(secret, 'exp', context, DIGEST_BYTES))
  try {
    return use({ key, nonce, answerKey: labeledExpand(exporter, 'sec', ANSWER, DIGEST_BYTES) })
  } finally {
    key.fill(0)
  }
}

/** At most one block of HKDF-Expand. */
function labeledExpand(secret: SecretKey, label: string, info: Uint8Array, length: number): Uint8Array {
  const head = Uint8Array.of(0, length)
  return secret.hmac('sha256', head, VERSION, SUITE, label, info, FIRST_BLOCK).slice(0, length)
}
