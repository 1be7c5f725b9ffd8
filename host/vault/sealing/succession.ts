/**
 * Handing a vault over: what A gives to B, sealed to the key that B's evidence names, with A's own evidence and the
 * owner's approval inside. The root key stays wrapped.
 */
import { PRESENTED_EVIDENCE_BYTES_MAX } from '#host/contracts/limits.ts'
import { boundDescriptor, CHALLENGE_NONCE_BYTES, decodeDescriptor } from '#host/contracts/provisioning.ts'
import type { Enclave, Release } from '#host/crypto/enclave.ts'
import { sealHpke } from '#host/crypto/hpke.ts'
import { digest } from '#host/crypto/kdf.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { sha384 } from '#host/crypto/p384.ts'
import { VERIFY_KEY_BYTES } from '#host/crypto/sizes.ts'
import { bytesOf, bytesUpTo, check, z } from '#host/schema.ts'
import { MOVE_APPROVAL_BYTES_MAX, PROTECTED_BYTES_MAX, UNLOCKERS_MAX } from '#host/storage/limits.ts'
import { type Header, type Move, sealHeader } from '#host/storage/protected.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { arrive, refused } from './move.ts'
import { openPresenter, type Presented } from './presenter.ts'

/** The next image: another process, that waits. Only evidence makes it believed. */
export interface Successor {
  readonly measurement: Uint8Array
  readonly release: Release
  /** What it changes, for the owner. */
  readonly changes: string
  present(vault: string, nonce: Uint8Array): Promise<Presented>
  /** Gives the header as the successor alone can read it. */
  receive(vault: string, handed: Handed): Promise<Uint8Array>
}

export interface Handed {
  /** SHA-384 of the evidence it is sealed for. */
  readonly evidence: Uint8Array
  readonly sealed: Uint8Array
}

const HANDOVER_INFO = new TextEncoder().encode('trellis/move/1')

const handover = z.strictObject({
  epoch: z.number().int().min(0),
  pepper: bytesOf(32),
  salt: bytesOf(16).nullable(),
  unlockers: z.array(bytesOf(32)).max(UNLOCKERS_MAX),
  state: z.strictObject({ sequence: z.number(), chain: bytesOf(32), epoch: z.number() }).nullable(),
  seq: z.number(),
  serial: z.number(),
  approval: bytesUpTo(MOVE_APPROVAL_BYTES_MAX),
  device: bytesOf(VERIFY_KEY_BYTES),
})
/** What is handed over, and the evidence of whoever does. */
const witnessed = z.tuple([bytesUpTo(PROTECTED_BYTES_MAX), bytesUpTo(PRESENTED_EVIDENCE_BYTES_MAX)])

/**
 * A's side: judges what the successor shows, and gives it the header.
 *
 * @returns the header as the successor keeps it
 * @throws Refusal `move-refused` when it is not what was approved, or went away
 */
export async function giveTo(
  successor: Successor,
  {
    vault,
    header,
    move,
    enclave,
    random,
  }: { vault: string; header: Header; move: Move; enclave: Enclave; random: (length: number) => Uint8Array },
): Promise<Uint8Array> {
  const nonce = random(CHALLENGE_NONCE_BYTES)
  const { descriptor, evidence } = await successor.present(vault, nonce)
  const to = enclave.recognize(evidence, { nonce, userData: boundDescriptor(nativeCrypto, descriptor) })
  if (!equalBytes(to, move.to)) throw refused('what waits beside this image is not what was approved')
  const { epoch, pepper, salt, unlockers, state, seq, serial } = header
  const { approval, device } = move
  const inner = encodeCbor({ epoch, pepper, salt, unlockers, state, seq, serial, approval, device })
  const named = sha384(evidence)
  const mine = await enclave.attest({ nonce: named, userData: boundHandover(inner) })
  const plain = encodeCbor([inner, mine])
  const context = { to: decodeDescriptor(descriptor).key, info: HANDOVER_INFO, aad: named }
  const { bytes: sealed, answerKey } = sealHpke(nativeCrypto, context, plain)
  for (const secret of [inner, plain, answerKey]) secret.fill(0)
  return successor.receive(vault, { evidence: named, sealed })
}

/** B's side, until it has a folder: it takes headers over, and opens no vault. */
export function openSuccessor(options: {
  readonly enclave: Enclave
  readonly now: () => number
  readonly random: (length: number) => Uint8Array
}): Pick<Successor, 'present' | 'receive'> {
  const { enclave } = options
  const presenter = openPresenter(options)
  return {
    present: (vault, nonce) => presenter.present(vault, nonce, { state: 'moved', pin: false, offer: null }),
    async receive(vault, handed) {
      const { plaintext, answerKey } = presenter.open(vault, { ...handed, info: HANDOVER_INFO })
      const [inner, evidence] = check(witnessed, decodeCbor(plaintext), 'move-refused', 'what is handed over')
      const question = { nonce: handed.evidence, userData: boundHandover(inner) }
      const from = enclave.recognize(evidence, question)
      const { approval, device, ...kept } = check(handover, decodeCbor(inner), 'move-refused', 'a handed-over header')
      for (const secret of [plaintext, inner, answerKey]) secret.fill(0)
      const isUnlocker = (key: Uint8Array): boolean => kept.unlockers.some((one) => equalBytes(one, digest(key)))
      arrive({ approval, device }, { vault, from, serial: kept.serial, enclave, isUnlocker })
      const fresh = { failures: 0, notBefore: 0, renew: true, move: null, from }
      return sealHeader(enclave, vault, { ...kept, ...fresh, seq: kept.seq + 1 })
    },
  }
}

/** What A's evidence carries for what it hands over: SHA-384, domain-separated. */
function boundHandover(inner: Uint8Array): Uint8Array {
  return sha384(new TextEncoder().encode('trellis/handover/1'), inner)
}
