/**
 * The epoch ratchet: a KEM step inside the session, after which a stolen older key opens nothing newer.
 *
 * One side offers an ephemeral X-Wing key, the other answers with a ciphertext; both mix its secret into the next root.
 * Whoever answered goes on sending in the old epoch until it hears the other side in the new one, so a lost answer or
 * offer stops nobody. When both offer at once, the initiator's offer wins. After each call that changed the session the
 * caller stores `exportSession`, and sends nothing before that is durable.
 */
import { Refusal } from '#host/errors.ts'
import {
  EPOCH_OVERLAP_MS,
  EPOCHS_MAX,
  REKEY_AGE_MS,
  REKEY_LEAD,
  REKEY_MESSAGES,
  REKEY_RETRY_MS,
  RETIRED_EPOCHS_MAX,
} from '#host/limits.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { type DataEnvelope, encodeEnvelope, KEM_CIPHERTEXT_BYTES } from '#host/wire/envelope.ts'

import { expand, extract } from './derive.ts'
import { deriveEpoch, type Epoch, heard } from './epoch.ts'
import { type Opened, sealMessage, sendingEpoch, type Session } from './session.ts'
import type { SessionState } from './session-state.ts'
import { KEM_PUBLIC_KEY_BYTES } from './sizes.ts'

/** Where and when a rekey message is sent: `bind` and `mid` as for `seal`. */
export interface RekeyContext {
  readonly bind: Uint8Array
  readonly mid: Uint8Array
  readonly now: number
}

/** A rekey message that `session.open` has opened. */
export interface Received {
  readonly envelope: DataEnvelope
  readonly opened: Opened
}

/** Whether to offer a step now, or to send an unanswered offer again. */
export function rekeyDue({ state }: Session, now: number): boolean {
  const [newest] = state.epochs
  if (sendingEpoch(state) !== newest) return false
  if (state.pending !== undefined) return now >= state.pending.at + REKEY_RETRY_MS
  const sent = newest.nextSeq[0] + newest.nextSeq[1]
  if (sent >= (state.role === 'initiator' ? REKEY_MESSAGES - REKEY_LEAD : REKEY_MESSAGES)) return true
  return now >= newest.startedAt + REKEY_AGE_MS && (sent > 0 || heard(newest))
}

/**
 * The offer to send: a new one, or the unanswered one unchanged. Undefined while the other side has not yet been heard
 * in the newest epoch, when a step is still under way.
 */
export function offerRekey({ state }: Session, { bind, mid, now }: RekeyContext): Uint8Array | undefined {
  if (sendingEpoch(state) !== state.epochs[0]) return undefined
  if (state.pending !== undefined) {
    state.pending.at = now
    return state.pending.offer
  }
  const key = state.crypto.openingKey()
  const offer = sealMessage(state, encodeCbor({ pk: key.publicKey }), { kind: 'rekey-offer', bind, lane: 0, mid })
  state.pending = { offer, key, at: now }
  return offer
}

/**
 * Answers an offer and marks it. The answer to send; the same one again for a repeated offer; undefined when our own
 * offer wins or the offer is about an epoch that was stepped from already.
 *
 * @throws Refusal `malformed` for a body that is no offer; nothing has changed then
 */
export function answerRekey(
  { state }: Session,
  { envelope, opened }: Received,
  { bind, mid, now }: RekeyContext,
): Uint8Array | undefined {
  if (opened.kind !== 'rekey-offer') throw new Error('rekey: not an offer')
  const offer = encodeEnvelope(envelope)
  const offerHash = state.crypto.digest(offer)
  if (opened.replay) {
    const repeated = state.answered !== undefined && equalBytes(state.answered.offerHash, offerHash)
    return repeated ? state.answered?.answer : undefined
  }
  const wanted = opened.epoch === state.epochs[0].number
  const outdone = state.pending !== undefined && state.role === 'initiator'
  if (!wanted || outdone) {
    opened.mark()
    return undefined
  }
  const publicKey = readField(opened.plaintext, 'pk', KEM_PUBLIC_KEY_BYTES)
  const { ciphertext, sharedSecret } = state.crypto.encapsulate(publicKey)
  opened.mark()
  const answer = sealMessage(state, encodeCbor({ ct: ciphertext }), { kind: 'rekey-answer', bind, lane: 0, mid })
  step(state, { sharedSecret, transcript: state.crypto.digest(offer, answer), now, answered: true })
  state.answered = { offerHash, answer }
  return answer
}

/**
 * Takes the answer to our offer, marks it and steps. False for an answer to anything else.
 *
 * @throws Refusal `malformed` for a body that is no answer; nothing has changed then
 */
export function finishRekey({ state }: Session, { envelope, opened }: Received, now: number): boolean {
  if (opened.kind !== 'rekey-answer') throw new Error('rekey: not an answer')
  if (opened.replay) return false
  const { pending } = state
  if (pending === undefined || opened.epoch !== state.epochs[0].number) {
    opened.mark()
    return false
  }
  const sharedSecret = pending.key.decapsulate(readField(opened.plaintext, 'ct', KEM_CIPHERTEXT_BYTES))
  opened.mark()
  const transcript = state.crypto.digest(pending.offer, encodeEnvelope(envelope))
  step(state, { sharedSecret, transcript, now, answered: false })
  return true
}

/**
 * Lets go of what a finished step left: keys to send with in old epochs, the stored answer, and old epochs themselves
 * once their time is over. True when something changed and the session is to be stored.
 */
export function settleRekey({ state }: Session, now: number): boolean {
  const [newest, ...older] = state.epochs
  const sending = sendingEpoch(state)
  let changed = false
  let newerHeard = heard(newest)
  if (newerHeard && state.answered !== undefined) {
    state.answered = undefined
    changed = true
  }
  for (const epoch of older) {
    if (epoch !== sending && epoch.tx !== undefined) {
      epoch.tx = undefined
      changed = true
    }
    if (newerHeard && epoch.retireAt === undefined) {
      epoch.retireAt = now + EPOCH_OVERLAP_MS
      changed = true
    }
    newerHeard ||= heard(epoch)
  }
  return retire(state, (epoch) => epoch.retireAt !== undefined && epoch.retireAt <= now) || changed
}

interface Step {
  readonly sharedSecret: Uint8Array
  readonly transcript: Uint8Array
  readonly now: number
  readonly answered: boolean
}

/** Mixes the secret, which is wiped, into the next root and makes its epoch the newest. */
function step(state: SessionState, { sharedSecret, transcript, now, answered }: Step): void {
  const [before] = state.epochs
  if (before.root === undefined) throw new Error('rekey: the newest epoch has no root')
  const { crypto } = state
  const mixed = crypto.secret(extract(crypto, expand(before.root, 'step', transcript), sharedSecret))
  sharedSecret.fill(0)
  const next = deriveEpoch(crypto, expand(mixed, 'root', transcript), {
    role: state.role,
    number: before.number + 1,
    startedAt: now,
    answered,
  })
  before.root = undefined
  if (!answered) before.tx = undefined
  state.pending = undefined
  state.epochs = [next, ...state.epochs]
  const kept = new Set(state.epochs.slice(0, EPOCHS_MAX))
  retire(state, (epoch) => !kept.has(epoch))
}

function retire(state: SessionState, over: (epoch: Epoch) => boolean): boolean {
  const [newest, ...older] = state.epochs
  const gone = older.filter(over)
  if (gone.length === 0) return false
  state.epochs = [newest, ...older.filter((epoch) => !gone.includes(epoch))]
  state.retired = [...gone.map(({ rxCid }) => rxCid), ...state.retired].slice(0, RETIRED_EPOCHS_MAX)
  return true
}

function readField(plaintext: Uint8Array, name: 'pk' | 'ct', length: number): Uint8Array {
  const body = decodeCbor(plaintext, { depthMax: 1, itemsMax: 5 })
  if (typeof body === 'object' && body !== null && Object.keys(body).length === 1) {
    const value: unknown = Reflect.get(body, name)
    if (value instanceof Uint8Array && value.length === length) return value
  }
  throw new Refusal('malformed', `rekey: must be a map of ${name}, ${length} bytes`)
}
