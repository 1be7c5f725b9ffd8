/**
 * Asking a vault which code has it, and judging the answer offline: evidence over a nonce of one's own, bound to the
 * vault's profile, the release it is, and the proof of one handler.
 */
import {
  boundToProfile,
  decodeEvidenceAnswer,
  encodeEvidenceQuestion,
  type EvidenceAnswer,
  EVIDENCE_NONCE_BYTES,
  PROFILE_EVIDENCE,
} from '#host/contracts/evidence.ts'
import type { Profile } from '#host/contracts/profile.ts'
import { isRefusalCode, Refusal } from '#host/errors.ts'
import { bytesOf, check, z } from '#host/schema.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { judgeShown, type Shown, type Trust } from '#enclave/shown.ts'
import { exchange, fetchProfile } from './greeting.ts'
import { type Lanes, ownerLanes } from './lanes.ts'
import type { ClientStore, Surroundings, Transport } from './transport.ts'

export interface EvidenceAsked {
  /** The vault's profile, verified: the code must have its keys. */
  readonly profile: Profile
  /** Whom to believe, and what code to accept. */
  readonly trust: Trust
  /** The handler to have proved; its manifest is the one whose SHA-384 the answer names. */
  readonly handler?: string
}

interface Asking extends Surroundings {
  /** Names what is remembered of the release log. */
  readonly name: string
  readonly store: ClientStore
}

/** The release log as it was last shown. */
type Tree = NonNullable<Shown['log']>

const treeSchema = z.strictObject({ size: z.int().min(1), root: bytesOf(48) })

/** A question with a nonce of its own, and what judges the answer to it. */
export function prepareEvidence({
  profile,
  trust,
  handler,
  name,
  store,
  crypto,
  now,
  random,
}: EvidenceAsked & Asking): {
  readonly nonce: Uint8Array
  readonly question: Uint8Array
  /** Remembers the release log that was shown. @throws Rejection; Refusal */
  readonly judge: (answer: Uint8Array) => Promise<Shown>
} {
  const nonce = random(EVIDENCE_NONCE_BYTES)
  const key = `${name}/release-log`
  const kept = store.get(key)
  const known: Tree | undefined = kept && check(treeSchema, decodeCbor(kept), 'malformed', 'the remembered release log')
  const question = encodeEvidenceQuestion({ nonce, handler: handler ?? null, logSize: known?.size ?? 0 })
  return {
    nonce,
    question,
    async judge(bytes) {
      const shown = shownIn(decodeEvidenceAnswer(bytes), nonce)
      const asked = { nowMs: now(), nonce, userData: boundToProfile(crypto, profile) }
      const judged = judgeShown(shown, { ...trust, crypto: crypto.evidence, question: asked, handler, known })
      if (judged.log) await store.put(new Map([[key, encodeCbor({ ...judged.log })]]))
      return judged
    },
  }
}

/** Unsealed, before there is a session. */
export async function askForEvidence(
  lanes: Lanes,
  asked: EvidenceAsked,
  options: Asking & { readonly transport: Transport },
): Promise<Shown> {
  const { nonce, question, judge } = prepareEvidence({ ...asked, ...options })
  const between = { outward: lanes.outward(PROFILE_EVIDENCE), inward: lanes.inward(PROFILE_EVIDENCE) }
  const answer = await exchange(options.transport, { ...between, data: question, durable: false }, (data) => {
    if (equalBytes(decodeEvidenceAnswer(data).nonce, nonce)) return data
    throw new Refusal('challenge-stale', 'an answer to another question')
  })
  return judge(answer)
}

export interface DeviceAsking extends Surroundings {
  readonly vault: string
  /** 32 bytes: the vault's fingerprint. */
  readonly identity: Uint8Array
  readonly transport: Transport
  readonly store: ClientStore
}

/** The same for an owner's device, which reads the profile first. */
export async function evidenceForDevice(
  device: DeviceAsking,
  asked: Omit<EvidenceAsked, 'profile'>,
): Promise<Shown & { readonly profile: Profile }> {
  const { vault, identity } = device
  const lanes = ownerLanes(vault)
  const profile = await fetchProfile(lanes, identity, device)
  const shown = await askForEvidence(lanes, { ...asked, profile }, { ...device, name: `vine/${vault}` })
  return { ...shown, profile }
}

function shownIn(answer: EvidenceAnswer, nonce: Uint8Array): Uint8Array {
  if (!equalBytes(answer.nonce, nonce)) throw new Refusal('challenge-stale', 'an answer to another question')
  if ('shown' in answer) return answer.shown
  const { refused, message } = answer
  throw new Refusal(isRefusalCode(refused) ? refused : 'not-attested', `there is no evidence: ${message}`)
}
