/** One connection's sealed conversation: seal, open, and what must be stored to go on after a restart. */
import { Refusal } from '#host/errors.ts'
import { SEQUENCE_MAX } from '#host/limits.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { type DataEnvelope, dataHeader, type DataKind, encodeEnvelope, type Lane } from '#host/wire/envelope.ts'
import { pad, unpad } from '#host/wire/padding.ts'

import { deriveEpoch, type Epoch, heard, type Role, taken, withMessageKey } from './epoch.ts'
import type { Suite } from './port.ts'
import { applyProgress, decodeState, encodeProgress, encodeState, type SessionState } from './session-state.ts'

export interface SealOptions {
  /** `bindOf` the subject it is sent on. */
  readonly bind: Uint8Array
  readonly lane: Lane
  /** 16 fresh random bytes. */
  readonly mid: Uint8Array
}

/** An authentic message. Exactly one of `mark` and `release` is called, unless it is a replay. */
export interface Opened {
  readonly kind: DataKind
  readonly plaintext: Uint8Array
  readonly lane: Lane
  readonly epoch: number
  readonly seq: number
  /** Authentic, but taken before or being worked on now: answer from what is stored, run nothing. */
  readonly replay: boolean
  /** Takes the message for good: its window bit is in the progress that the commit of its effects stores. */
  mark(): void
  /** Gives the message back: it was dropped without a commit and may come again. */
  release(): void
}

export interface Session {
  /** For `crypto/` alone. */
  readonly state: SessionState
  /**
   * One envelope for the other side. The sequence number is used up: store the progress before the bytes leave.
   *
   * @throws Refusal `too-large` when the bus would not carry it
   */
  seal(plaintext: Uint8Array, options: SealOptions): Uint8Array
  /**
   * Opens an envelope for the place it came in at (`bind`: `bindOf` the subject it was received on).
   *
   * @throws Refusal `misrouted` (the envelope is another session's), `unopenable` (its epoch is over, or it was not
   *   sealed by the other side for this place), `malformed` (authentic, but badly padded)
   */
  open(envelope: DataEnvelope, options: { readonly bind: Uint8Array }): Opened
  /** Whether envelopes with this cid are for this session. */
  owns(cid: Uint8Array): boolean
  /** Sequence numbers and windows, no secret: stored with every commit that sealed or marked something. */
  exportProgress(): Uint8Array
  /**
   * Leaves a gap in the numbers sent next: what an earlier run sent without storing its progress is not repeated, which
   * the other side would take for a replay.
   */
  skipAhead(count: number): void
  /** Adds stored progress to an imported session. Older progress takes nothing back. */
  applyProgress(progress: Uint8Array): void
}

/** The session of a handshake's root secret, which is wiped. `now` starts the first epoch's age. */
export function createSession(
  crypto: Suite,
  root: Uint8Array,
  { role, now }: { readonly role: Role; readonly now: number },
): Session {
  const first = deriveEpoch(crypto, root, { role, number: 0, startedAt: now, answered: false })
  return sessionOf({ crypto, role, epochs: [first], retired: [], pending: undefined, answered: undefined })
}

/** All of the session, secrets included: the caller stores it sealed, and anew after every step of a rekey. */
export function exportSession(session: Session): Uint8Array {
  return encodeState(session.state)
}

/** @throws Refusal `malformed` for bytes that `exportSession` did not make */
export function importSession(crypto: Suite, bytes: Uint8Array): Session {
  return sessionOf(decodeState(crypto, bytes))
}

/** The cids of envelopes for this session, newest epoch first. They change when the session rekeys. */
export function sessionCid(session: Session): Uint8Array[] {
  return session.state.epochs.map((epoch) => epoch.rxCid)
}

/** The epoch to send in: the newest, but after an answer only once the other side was heard there. */
export function sendingEpoch({ epochs }: SessionState): Epoch {
  const [newest, previous] = epochs
  return newest.answered && !heard(newest) && previous !== undefined ? previous : newest
}

/** Seals a message of any kind. */
export function sealMessage(
  state: SessionState,
  plaintext: Uint8Array,
  { kind, bind, lane, mid }: SealOptions & { readonly kind: DataKind },
): Uint8Array {
  const epoch = sendingEpoch(state)
  const seq = epoch.nextSeq[lane]++
  if (seq > SEQUENCE_MAX || epoch.tx === undefined) throw new Error('session: this epoch cannot be sent in')
  const header = dataHeader({ kind, cid: epoch.txCid, epoch: epoch.number, lane, seq, mid })
  const ciphertext = withMessageKey(epoch.tx, { header, bind }, (key, nonce) =>
    state.crypto.seal({ key, nonce, aad: header }, pad(plaintext)),
  )
  return encodeEnvelope({ header, ciphertext })
}

function sessionOf(state: SessionState): Session {
  return {
    state,
    seal: (plaintext, options) => sealMessage(state, plaintext, { ...options, kind: 'data' }),
    open: (envelope, { bind }) => openMessage(state, envelope, bind),
    owns: (cid) => state.epochs.some((epoch) => equalBytes(epoch.rxCid, cid)),
    skipAhead(count) {
      for (const { nextSeq } of state.epochs) for (const lane of [0, 1] as const) nextSeq[lane] += count
    },
    exportProgress: () => encodeProgress(state),
    applyProgress: (progress) => applyProgress(state, progress),
  }
}

function openMessage(state: SessionState, envelope: DataEnvelope, bind: Uint8Array): Opened {
  const { kind, header, ciphertext, lane, seq } = envelope
  const epoch = epochOf(state, envelope)
  // Before the window: only what is authentic may be called a replay.
  const padded = withMessageKey(epoch.rx, { header, bind }, (key, nonce) =>
    state.crypto.open({ key, nonce, aad: header }, ciphertext),
  )
  const plaintext = unpad(padded)
  const replay = taken(epoch, envelope)
  const inFlight = epoch.inFlight[lane]
  if (!replay) inFlight.add(seq)
  return {
    kind,
    plaintext,
    lane,
    epoch: epoch.number,
    seq,
    replay,
    mark() {
      if (!replay && inFlight.delete(seq)) epoch.windows[lane].mark(seq)
    },
    release() {
      if (!replay) inFlight.delete(seq)
    },
  }
}

function epochOf(state: SessionState, { cid, epoch: number }: DataEnvelope): Epoch {
  const epoch = state.epochs.find(({ rxCid }) => equalBytes(rxCid, cid))
  if (epoch?.number === number) return epoch
  if (epoch !== undefined || state.retired.some((retired) => equalBytes(retired, cid))) {
    throw new Refusal('unopenable', 'session: this epoch is over; seal the message again')
  }
  throw new Refusal('misrouted', 'session: this envelope belongs to another connection')
}
