/**
 * A device and the enclave of its vault: asks for evidence, judges it, and only then seals the owner's secret to it.
 *
 * The device keeps the secret (32 random bytes) and how far the vault was; whoever has neither device nor secret opens
 * nothing, the vault's owner included: keep a copy of `exportSecret` where a recovery code belongs.
 */
import { type Approval, signApproval } from '#host/contracts/approval.ts'
import {
  boundDescriptor,
  CHALLENGE_NONCE_BYTES,
  decodeDescriptor,
  decodeOutcome,
  decodePresentation,
  decodeSealedOutcome,
  type Descriptor,
  encodeChallenge,
  encodeSealed,
  type MoveOffer,
  type Order,
  ORDER_INFO,
  OWNER_SECRET_BYTES,
  type Presentation,
  signOrder,
} from '#host/contracts/provisioning.ts'
import { sealHpke } from '#host/crypto/hpke.ts'
import type { SigningKey } from '#host/crypto/port.ts'
import { NONCE_BYTES } from '#host/crypto/sizes.ts'
import { isRefusalCode, Refusal } from '#host/errors.ts'
import { bytesOf, check, z } from '#host/schema.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { Rejection } from '#enclave/errors.ts'
import { type Accepted, judgeEvidence, type Policy, type Roots } from '#enclave/policy.ts'
import { decodeEvidence, verifyEvidence } from '#enclave/verify.ts'
import { anchorMemory } from './anchor.ts'
import { exchange } from './greeting.ts'
import { ownerLanes } from './lanes.ts'
import type { ClientStore, Surroundings, Transport } from './transport.ts'

export interface EnclaveClientOptions extends Surroundings {
  readonly vault: string
  readonly signing: SigningKey
  readonly transport: Transport
  /** Keeps the owner's secret, and how far the vault was: it must be the device's protected storage. */
  readonly store: ClientStore
  /** Whom to believe, and what code to accept. */
  readonly roots: Roots
  readonly policy: Policy
}

/** An enclave whose evidence was accepted, for one order. */
export interface Attested {
  readonly accepted: Accepted
  readonly descriptor: Descriptor
}

export interface EnclaveClient {
  /** Evidence of now, judged. @throws Rejection; Refusal `journal-behind` for a release older than one that ran */
  attest(): Promise<Attested>
  /** Draws the owner's secret, keeps it, and has the vault open with it alone from now on. */
  protect(pin?: string): Promise<void>
  /** @throws Refusal `secret-wrong`, whichever part of it; `journal-behind`, `move-refused`, `provision-invalid` */
  unlock(pin?: string): Promise<void>
  lock(): Promise<void>
  /** Says yes to the offer that was shown, and has the vault go there. */
  move(offer: MoveOffer, pin?: string): Promise<void>
  /** Back to the image that is left; only while the new one has not opened the vault. */
  abandon(pin?: string): Promise<void>
  /** A copy for the owner to keep. @throws Refusal `secret-wrong` when this device has none */
  exportSecret(): Uint8Array
  /** Takes the secret over from another device, or from what the owner kept. */
  importSecret(secret: Uint8Array): Promise<void>
}

const knownSchema = z.strictObject({ header: z.number().int().min(0), serial: z.number().int().min(0) })
type Known = z.infer<typeof knownSchema>
const ANSWER_NONCE = new Uint8Array(NONCE_BYTES)

/** What a device remembers for a vault that is protected. */
interface Memory {
  readonly known: Known
  /** @throws Refusal `secret-wrong` when this device has none */
  secret(): Uint8Array
  keep(secret: Uint8Array): Promise<void>
  /** The highest of both. */
  raise(seen: Known): Promise<void>
}

function memoryOf({ vault, store }: EnclaveClientOptions): Memory {
  const [secretKey, knownKey] = [`vine/${vault}/owner-secret`, `vine/${vault}/sealed`]
  const read = (): Known => {
    const bytes = store.get(knownKey)
    if (!bytes) return { header: 0, serial: 0 }
    return check(knownSchema, decodeCbor(bytes), 'malformed', 'what this device remembers')
  }
  return {
    get known() {
      return read()
    },
    secret() {
      const bytes = store.get(secretKey)
      if (bytes) return bytes
      throw new Refusal('secret-wrong', 'this device does not have the owner’s secret: take it over from one that has')
    },
    keep: (secret) => store.put(new Map([[secretKey, secret]])),
    raise(seen) {
      const { header, serial } = read()
      const next = { header: Math.max(header, seen.header), serial: Math.max(serial, seen.serial) }
      return store.put(new Map([[knownKey, encodeCbor(next)]]))
    },
  }
}

export function enclaveClient(options: EnclaveClientOptions): EnclaveClient {
  const { store, vault, random } = options
  const memory = memoryOf(options)
  const order = (about: Said) => give(options, memory, about)
  return {
    attest: async () => (await present(options, memory)).attested,
    async protect(pin) {
      // Kept before it is used: a vault must not be sealed with what nobody remembers.
      const isNew = store.get(`vine/${vault}/owner-secret`) === undefined
      if (isNew) await memory.keep(random(OWNER_SECRET_BYTES))
      await order({ act: 'protect', pin: pin ?? null })
    },
    unlock: (pin) => order({ act: 'unlock', pin: pin ?? null }),
    lock: () => order({ act: 'lock', pin: null, secret: new Uint8Array(OWNER_SECRET_BYTES) }),
    move: (offer, pin) => order({ act: 'move', pin: pin ?? null, offer }),
    abandon: (pin) => order({ act: 'abandon', pin: pin ?? null }),
    exportSecret: () => memory.secret().slice(),
    importSecret: (bytes) => memory.keep(check(bytesOf(OWNER_SECRET_BYTES), bytes, 'malformed', 'the owner’s secret')),
  }
}

/** One question, and evidence that answers it. */
async function present(
  options: EnclaveClientOptions,
  { known }: Memory,
): Promise<{ shown: Presentation; attested: Attested }> {
  const { vault, transport, random } = options
  const lanes = ownerLanes(vault)
  const nonce = random(CHALLENGE_NONCE_BYTES)
  const message = { outward: lanes.outward('enclave.challenge'), inward: lanes.inward('enclave.descriptor') }
  const shown = await exchange(transport, { ...message, data: encodeChallenge({ nonce }), durable: true }, (data) => {
    const presented = decodePresentation(data)
    if (!equalBytes(presented.nonce, nonce)) throw new Refusal('challenge-stale', 'an answer to another question')
    return presented
  })
  const attested = judge(shown, options)
  if (attested.descriptor.serial < known.serial) {
    throw new Refusal('journal-behind', 'an older release runs than has run this vault: do not unlock it there')
  }
  return { shown, attested }
}

interface Said extends Pick<Order, 'act' | 'pin'> {
  readonly secret?: Uint8Array
  /** What the owner says yes to. */
  readonly offer?: MoveOffer
}

/** One order, for evidence of its own. */
async function give(options: EnclaveClientOptions, memory: Memory, { offer, ...said }: Said): Promise<void> {
  const { vault, signing, transport, store, crypto } = options
  const { shown, attested } = await present(options, memory)
  const evidence = crypto.evidence.sha384(shown.evidence)
  const anchors = anchorMemory(store, vault)
  const about = { vault, evidence, header: memory.known.header, anchor: anchors.newest ?? null }
  const approval = offer ? signApproval(approvalOf(vault, attested, offer), signing) : null
  const plain = signOrder({ secret: said.secret ?? memory.secret(), ...said, ...about, approval }, signing)
  const context = { to: attested.descriptor.key, info: ORDER_INFO, aad: evidence }
  const { bytes, answerKey } = sealHpke(crypto, context, plain)
  plain.fill(0)
  const lanes = ownerLanes(vault)
  const message = { outward: lanes.outward('enclave.provision'), inward: lanes.inward('enclave.provisioned') }
  const data = encodeSealed({ evidence, sealed: bytes })
  const outcome = await exchange(transport, { ...message, data, durable: true }, (answer) => {
    const { evidence: named, sealed } = decodeSealedOutcome(answer)
    if (!equalBytes(named, evidence)) throw new Refusal('challenge-stale', 'an answer to another order')
    return decodeOutcome(crypto.open({ key: answerKey, nonce: ANSWER_NONCE, aad: evidence }, sealed))
  })
  answerKey.fill(0)
  if ('refused' in outcome) {
    throw new Refusal(isRefusalCode(outcome.refused) ? outcome.refused : 'provision-invalid', outcome.message)
  }
  await anchors.take(outcome.anchor ?? undefined, undefined)
  await memory.raise({ header: outcome.header, serial: outcome.serial })
}

/** Decode, verify, judge: the evidence, and the descriptor it binds. */
function judge(
  { descriptor: bytes, evidence, nonce }: Presentation,
  { vault, roots, policy, crypto, now }: EnclaveClientOptions,
): Attested {
  const question = { nowMs: now(), nonce, userData: boundDescriptor(crypto, bytes) }
  const accepted = judgeEvidence(verifyEvidence(crypto.evidence, decodeEvidence(evidence), roots), policy, question)
  const descriptor = decodeDescriptor(bytes)
  if (descriptor.vault !== vault) throw new Rejection('user-data-mismatch', 'evidence: is about another vault')
  if (descriptor.notAfter <= now()) throw new Rejection('too-old', 'evidence: its key is not to be used any more')
  return { accepted, descriptor }
}

function approvalOf(vault: string, { accepted }: Attested, { request, to, release, serial }: MoveOffer): Approval {
  return { vault, request, from: accepted.measurement, to, release, serial }
}
