/** One epoch of a session: its keys, its sequence numbers and what was received in it. */
import { CID_BYTES, type Lane } from '#host/wire/envelope.ts'

import { expand } from './derive.ts'
import type { SecretKey, Suite } from './port.ts'
import { AEAD_KEY_BYTES, NONCE_BYTES } from './sizes.ts'
import { createWindow, type Window } from './window.ts'

/** Who sent the hello. */
export type Role = 'initiator' | 'responder'

export interface Epoch {
  readonly number: number
  /** Secret the next epoch grows from; gone once it did. */
  root: SecretKey | undefined
  /** Gone once a later epoch is sent in. */
  tx: SecretKey | undefined
  readonly rx: SecretKey
  readonly txCid: Uint8Array
  readonly rxCid: Uint8Array
  readonly startedAt: number
  /** This side made the answer: it sends here only after it heard the other side here. */
  readonly answered: boolean
  /** Next sequence number to send, by lane. */
  readonly nextSeq: [number, number]
  readonly windows: readonly [Window, Window]
  /** Opened and not yet committed or dropped, by lane. */
  readonly inFlight: readonly [Set<number>, Set<number>]
  /** Readable until then; undefined while no later epoch was heard. */
  retireAt: number | undefined
}

/** What is stored of an epoch apart from its secrets' live parts. */
export type EpochKeys = Pick<
  Epoch,
  'number' | 'root' | 'tx' | 'rx' | 'txCid' | 'rxCid' | 'startedAt' | 'answered' | 'retireAt'
>

/** An epoch in which nothing was sent or received. */
export function createEpoch(keys: EpochKeys): Epoch {
  return {
    ...keys,
    nextSeq: [0, 0],
    windows: [createWindow(), createWindow()],
    inFlight: [new Set(), new Set()],
  }
}

/** Derives an epoch from its root, whose bytes are wiped. */
export function deriveEpoch(
  crypto: Suite,
  bytes: Uint8Array,
  { role, number, startedAt, answered }: { role: Role } & Pick<Epoch, 'number' | 'startedAt' | 'answered'>,
): Epoch {
  const root = crypto.secret(bytes)
  const number32 = new Uint8Array(4)
  new DataView(number32.buffer).setUint32(0, number)
  const directions = { initiator: Uint8Array.of(0x69), responder: Uint8Array.of(0x72) }
  const mine = directions[role]
  const theirs = directions[role === 'initiator' ? 'responder' : 'initiator']
  const cid = (direction: Uint8Array) => expand(root, 'cid', direction, number32).slice(0, CID_BYTES)
  return createEpoch({
    number,
    tx: crypto.secret(expand(root, 'msg', mine, number32)),
    rx: crypto.secret(expand(root, 'msg', theirs, number32)),
    txCid: cid(mine),
    rxCid: cid(theirs),
    startedAt,
    answered,
    retireAt: undefined,
    root,
  })
}

/** The other side has sent something in this epoch that was committed. */
export function heard(epoch: Epoch): boolean {
  return epoch.windows[0].top >= 0 || epoch.windows[1].top >= 0
}

/** Taken, or being worked on. */
export function taken(epoch: Epoch, { lane, seq }: { lane: Lane; seq: number }): boolean {
  return epoch.windows[lane].seen(seq) || epoch.inFlight[lane].has(seq)
}

/**
 * Gives key and nonce of one message to `use`, for that message alone: derived from the whole header, so from its
 * random id, and from the place, which each side derives for itself. They are zero afterwards: a key used once is not
 * worth a `SecretKey`.
 */
export function withMessageKey<T>(
  direction: SecretKey,
  { header, bind }: { header: Uint8Array; bind: Uint8Array },
  use: (key: Uint8Array, nonce: Uint8Array) => T,
): T {
  const output = direction.hmac('sha512', 'vine/1 mk\0', header, bind)
  try {
    return use(output.subarray(0, AEAD_KEY_BYTES), output.subarray(AEAD_KEY_BYTES, AEAD_KEY_BYTES + NONCE_BYTES))
  } finally {
    output.fill(0)
  }
}
