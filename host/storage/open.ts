/** Opens a vault's store on a log: a new one, or one recovered from its snapshot and the frames after it. */
import type { KeyObject } from 'node:crypto'

import { Refusal } from '#host/errors.ts'
import { FRAME_BYTES_MAX } from '#host/limits.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import type { Lane, Log } from './group.ts'
import { frameBound, Journal, type Stretch } from './journal.ts'
import { vaultTag, wrapKey } from './keys.ts'
import { migration, STATE_FORMAT } from './migrate.ts'
import type { Anchor, BlobStore, Receipt, VaultKeys, VaultStore } from './port.ts'
import { openSnapshot, type Snapshot } from './snapshot.ts'
import { emptyState, type State } from './state.ts'
import { JournaledStore } from './store.ts'

/** Keys are zero when the call returns, also when it throws. */
export interface OpenOptions extends Omit<VaultKeys, 'epoch'> {
  readonly vault: string
  /** Of `kek`; 0 when it is not said. */
  readonly epoch?: number
  readonly random: (length: number) => Uint8Array
  /** Where snapshots are; without it there are none. */
  readonly snapshots?: BlobStore
}

/**
 * A new, empty vault. Frame 1 says so, and is durable when this resolves: a head starts at sequence 1.
 *
 * @throws Refusal `conflict` when the log has frames of it, under whichever key, or there is a snapshot of it
 */
export async function createVault(log: Log, options: OpenOptions): Promise<VaultStore> {
  const { vault, random } = options
  const entry = enter(log, options)
  const { lane, journal, tag } = entry
  try {
    const snapshot = await options.snapshots?.read(tag.toHex())
    if (lane.count > 0 || snapshot !== undefined) {
      throw new Refusal('conflict', `vault ${vault} is in this log already: open it or choose another name`)
    }
    const state = emptyState(STATE_FORMAT)
    await write({ lane, journal }, { stretches: [], format: STATE_FORMAT })
    const snapshots = options.snapshots && { store: options.snapshots, tag, bytes: 0 }
    return new JournaledStore({ vault, lane, journal, state, snapshots, random, renewing: false })
  } catch (error) {
    lane.release()
    throw error
  }
}

/**
 * Recovers a vault: its snapshot, if there is one, then every frame after it, each checked for its key, its place in
 * the order and the chain. A state of an older format is brought to this host's.
 *
 * `anchor` is a head that somebody else remembers (an owner's device). It alone detects frames missing at the end of
 * the log, or an older log and snapshot put in their place: without it these are a shorter log.
 *
 * @throws Refusal `vault-unknown` when the log has no frame of it, `key-missing` for another key than it was made with,
 *   `journal-gap` for a frame dropped, repeated or out of place, `journal-foreign` for another vault's frame,
 *   `journal-tampered` for a changed one, `journal-behind` when the log ends before the anchor or went another way
 */
export async function openVault(log: Log, options: OpenOptions & { readonly anchor?: Anchor }): Promise<VaultStore> {
  const { vault, random, anchor } = options
  const { lane, journal, tag, keks } = enter(log, options)
  try {
    const bytes = await options.snapshots?.read(tag.toHex())
    if (lane.count === 0 && bytes === undefined && anchor === undefined) {
      throw new Refusal('vault-unknown', `vault ${vault} is not in this log: create it or choose another folder`)
    }
    const epoch = journal.head.epoch
    const snapshot = bytes && openSnapshot(bytes, { vault, tag, keks })
    if (snapshot) journal.resume(snapshot.head)
    const state = await replay({ lane, journal, snapshot }, { vault, anchor })
    for (const stretches of inFrames(migration(vault, state))) {
      await write({ lane, journal, state }, { stretches, format: state.format })
    }
    if (state.format < STATE_FORMAT) await write({ lane, journal, state }, { stretches: [], format: STATE_FORMAT })
    if (snapshot) await lane.cover(snapshot.head.sequence)
    const snapshots = options.snapshots && { store: options.snapshots, tag, bytes: bytes?.length ?? 0 }
    const renewing = journal.head.epoch > epoch
    return new JournaledStore({ vault, lane, journal, state, snapshots, random, renewing })
  } catch (error) {
    lane.release()
    throw error
  }
}

interface Entry {
  readonly lane: Lane
  readonly journal: Journal
  readonly tag: Uint8Array
  readonly keks: readonly KeyObject[]
}

function enter(log: Log, { vault, kek: secret, next: successor, epoch = 0, random }: OpenOptions): Entry {
  const kek = wrapKey(secret)
  const next = successor && wrapKey(successor)
  const tag = vaultTag(vault)
  const journal = new Journal({ vault, tag, kek, epoch, next, random })
  return { lane: log.lane(tag), journal, tag, keks: next ? [kek, next] : [kek] }
}

/** The state at the end of the log. */
async function replay(
  { lane, journal, snapshot }: Pick<Entry, 'lane' | 'journal'> & { readonly snapshot: Snapshot | undefined },
  { vault, anchor }: { vault: string; anchor: Anchor | undefined },
): Promise<State> {
  const state = snapshot?.state ?? emptyState(0)
  const start = journal.head.sequence
  // What came before the snapshot was checked when it was made, under the same keys.
  let met = anchor === undefined || anchor.sequence < start
  const meet = (head: Receipt): void => {
    if (met || anchor === undefined || head.sequence < anchor.sequence) return
    // A frame that reaches over the anchor is another one than ended there.
    met = head.sequence === anchor.sequence && equalBytes(head.chain, anchor.chain)
    if (!met) throw behind(`the log of vault ${vault} differs from the anchor at frame ${anchor.sequence}`)
  }
  meet(journal.head)
  for await (const frame of lane.frames(start)) {
    const { stretches, format } = journal.open(frame)
    apply(state, { stretches, format })
    meet(journal.head)
  }
  const { sequence, epoch } = journal.head
  if (!met) throw behind(`the log of vault ${vault} ends at frame ${sequence}, the anchor knows ${anchor?.sequence}`)
  if (anchor !== undefined && epoch < anchor.epoch) {
    throw behind(`vault ${vault} is at key epoch ${epoch}, the anchor knows ${anchor.epoch}`)
  }
  return state
}

/** Stretches by frames that hold them. */
function inFrames(stretches: readonly Stretch[]): Stretch[][] {
  const frames: Stretch[][] = []
  let room = 0
  for (const stretch of stretches) {
    const bytes = frameBound([stretch])
    if (bytes > room) {
      frames.push([])
      room = FRAME_BYTES_MAX
    }
    frames.at(-1)?.push(stretch)
    room -= bytes
  }
  return frames
}

/** One frame of the vault's own, durable when this resolves. */
async function write(
  { lane, journal, state }: Pick<Entry, 'lane' | 'journal'> & { readonly state?: State },
  change: { readonly stretches: readonly Stretch[]; readonly format: number },
): Promise<void> {
  await lane.append({
    commits: 1,
    seal() {
      const sequence = journal.head.sequence + 1
      return { sequence, parts: journal.seal({ commits: 1, ...change }).parts }
    },
  })
  if (state) apply(state, change)
}

function apply(
  state: State,
  { stretches, format }: { readonly stretches: readonly Stretch[]; readonly format?: number | undefined },
): void {
  // A birth says its format before it writes; a migration writes before it says the new one.
  for (const { namespace, now, writes } of stretches) {
    for (const write of writes) state.apply(namespace, write, now)
  }
  if (format !== undefined) state.format = format
}

function behind(what: string): Refusal {
  return new Refusal('journal-behind', `${what}: an older or another copy was put in its place, restore the newest one`)
}
