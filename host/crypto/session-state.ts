/** What a session knows, and its stored forms: all of it (secret) and its progress (not). */
import { bytesOf, bytesUpTo, check, timestamp, z } from '#host/schema.ts'
import { MESSAGE_BYTES_MAX, SEQUENCE_MAX } from '#host/limits.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { CID_BYTES } from '#host/wire/envelope.ts'

import { createEpoch, type Epoch, type Role } from './epoch.ts'
import type { OpeningKey, SecretKey, Seeded, Suite } from './port.ts'
import { DIGEST_BYTES, KEM_SEED_BYTES } from './sizes.ts'

/** An offered KEM step that has no answer yet. */
interface PendingOffer {
  /** The envelope, to be sent again unchanged. */
  readonly offer: Uint8Array
  readonly key: OpeningKey & Seeded
  /** Last sent. */
  at: number
}

/** An answered KEM step, until the other side is heard in the new epoch. */
interface GivenAnswer {
  /** SHA-256 of the offer's envelope. */
  readonly offerHash: Uint8Array
  /** The envelope, for when the offer comes again. */
  readonly answer: Uint8Array
}

export interface SessionState {
  readonly crypto: Suite
  readonly role: Role
  /** Newest first; never empty. */
  epochs: [Epoch, ...Epoch[]]
  /** Cids of epochs that are over, newest first. */
  retired: Uint8Array[]
  pending: PendingOffer | undefined
  answered: GivenAnswer | undefined
}

const secret = bytesOf(DIGEST_BYTES)
const cid = bytesOf(CID_BYTES)
const message = bytesUpTo(MESSAGE_BYTES_MAX)
const sequence = z
  .number()
  .int()
  .min(0)
  .max(SEQUENCE_MAX + 1)
const progressSchema = z.array(
  z.tuple([z.number(), sequence, sequence, z.instanceof(Uint8Array), z.instanceof(Uint8Array)]),
)
const epochSchema = z.tuple([
  z.number().int().min(0),
  secret.nullable(),
  secret.nullable(),
  secret,
  cid,
  cid,
  timestamp,
  z.boolean(),
  timestamp.nullable(),
])
const stateSchema = z.strictObject({
  v: z.literal(1),
  role: z.enum(['initiator', 'responder']),
  epochs: z.tuple([epochSchema], epochSchema),
  retired: z.array(cid),
  pending: z.tuple([message, bytesOf(KEM_SEED_BYTES), timestamp]).nullable(),
  answered: z.tuple([bytesOf(DIGEST_BYTES), message]).nullable(),
  progress: z.instanceof(Uint8Array),
})

/** Secret: holds the epochs' keys. */
export function encodeState(state: SessionState): Uint8Array {
  const secrets: Uint8Array[] = []
  const expose = (bytes: Uint8Array) => {
    secrets.push(bytes)
    return bytes
  }
  const exposeKey = (key: SecretKey | undefined) => (key === undefined ? null : expose(key.export()))
  const { pending, answered } = state
  const encoded = encodeCbor({
    v: 1,
    role: state.role,
    epochs: state.epochs.map((epoch) => [
      epoch.number,
      exposeKey(epoch.root),
      exposeKey(epoch.tx),
      exposeKey(epoch.rx),
      epoch.txCid,
      epoch.rxCid,
      epoch.startedAt,
      epoch.answered,
      epoch.retireAt ?? null,
    ]),
    retired: state.retired,
    pending: pending === undefined ? null : [pending.offer, expose(pending.key.seed.export()), pending.at],
    answered: answered === undefined ? null : [answered.offerHash, answered.answer],
    progress: encodeProgress(state),
  })
  for (const bytes of secrets) bytes.fill(0)
  return encoded
}

/** The inverse of `encodeState`. */
export function decodeState(crypto: Suite, bytes: Uint8Array): SessionState {
  const stored = check(stateSchema, decodeCbor(bytes), 'malformed', 'stored session')
  const [first, ...rest] = stored.epochs
  const state: SessionState = {
    crypto,
    role: stored.role,
    epochs: [readEpoch(crypto, first), ...rest.map((epoch) => readEpoch(crypto, epoch))],
    retired: stored.retired,
    pending: stored.pending === null ? undefined : readPending(crypto, stored.pending),
    answered: stored.answered === null ? undefined : { offerHash: stored.answered[0], answer: stored.answered[1] },
  }
  applyProgress(state, stored.progress)
  return state
}

/** `[[epoch, next sequence numbers by lane, windows by lane], …]` */
export function encodeProgress({ epochs }: SessionState): Uint8Array {
  return encodeCbor(
    epochs.map(({ number, nextSeq, windows }) => [number, ...nextSeq, windows[0].encode(), windows[1].encode()]),
  )
}

/** Only ever forward: the greater sequence number, the union of the windows. Epochs that are gone are passed over. */
export function applyProgress({ epochs }: SessionState, bytes: Uint8Array): void {
  const rows = check(progressSchema, decodeCbor(bytes), 'malformed', 'stored progress')
  for (const [number, durable, bestEffort, ...windows] of rows) {
    const epoch = epochs.find((candidate) => candidate.number === number)
    if (epoch === undefined) continue
    epoch.nextSeq[0] = Math.max(epoch.nextSeq[0], durable)
    epoch.nextSeq[1] = Math.max(epoch.nextSeq[1], bestEffort)
    epoch.windows[0].merge(windows[0])
    epoch.windows[1].merge(windows[1])
  }
}

function readEpoch(crypto: Suite, stored: z.infer<typeof epochSchema>): Epoch {
  const [number, root, tx, rx, txCid, rxCid, startedAt, answered, retireAt] = stored
  return createEpoch({
    number,
    root: root === null ? undefined : crypto.secret(root),
    tx: tx === null ? undefined : crypto.secret(tx),
    rx: crypto.secret(rx),
    txCid,
    rxCid,
    startedAt,
    answered,
    retireAt: retireAt ?? undefined,
  })
}

function readPending(crypto: Suite, [offer, seed, at]: [Uint8Array, Uint8Array, number]): PendingOffer {
  const key = crypto.openingKey(seed)
  seed.fill(0)
  return { offer, key, at }
}
