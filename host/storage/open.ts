/** Opens a vault's store on a log: a new one, or one recovered from its frames. */
import { Refusal } from '#host/errors.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { Journal } from './journal.ts'
import { vaultTag, wrapKey } from './keys.ts'
import type { Lane, Log } from './group.ts'
import type { Receipt, VaultStore } from './port.ts'
import { emptyState, type State } from './state.ts'
import { JournaledStore } from './store.ts'

export interface OpenOptions {
  readonly vault: string
  /** 32 bytes. They are zero when the call returns, also when it throws. */
  readonly kek: Uint8Array
  readonly random: (length: number) => Uint8Array
}

/**
 * A new, empty vault. Frame 1 says so, and is durable when this resolves: a head starts at sequence 1.
 *
 * @throws Refusal `conflict` when the log has frames of it, under whichever key
 */
export async function createVault(log: Log, options: OpenOptions): Promise<VaultStore> {
  const { lane, journal } = enter(log, options)
  try {
    if (lane.count > 0) {
      throw new Refusal('conflict', `vault ${options.vault} is in this log already: open it or choose another name`)
    }
    await lane.append({ commits: 1, seal: () => journal.seal({ commits: 1, stretches: [] }) })
    return new JournaledStore({ vault: options.vault, lane, journal, state: emptyState() })
  } catch (error) {
    lane.release()
    throw error
  }
}

/**
 * Recovers a vault: every frame is checked for its key, its place in the order and the chain, and replayed.
 *
 * `anchor` is a head that somebody else remembers (an owner's device). It alone detects frames missing at the end of
 * the log: without it a truncated log is a shorter log.
 *
 * @throws Refusal `vault-unknown` when the log has no frame of it, `key-missing` for another key than it was made with,
 *   `journal-gap` for a frame dropped, repeated or out of place, `journal-foreign` for another vault's frame,
 *   `journal-tampered` for a changed one, `journal-behind` when the log ends before the anchor or went another way
 */
export async function openVault(log: Log, options: OpenOptions & { readonly anchor?: Receipt }): Promise<VaultStore> {
  const { vault, anchor } = options
  const { lane, journal } = enter(log, options)
  try {
    if (lane.count === 0 && anchor === undefined) {
      throw new Refusal('vault-unknown', `vault ${vault} is not in this log: create it or choose another folder`)
    }
    const state = emptyState()
    let met = anchor === undefined
    for await (const frame of lane.frames()) {
      replay(journal, frame, state)
      if (met || anchor === undefined || journal.head.sequence < anchor.sequence) continue
      // A frame that reaches over the anchor is another one than ended there.
      met = journal.head.sequence === anchor.sequence && equalBytes(journal.head.chain, anchor.chain)
      if (!met) throw behind(`the log of vault ${vault} differs from the anchor at frame ${anchor.sequence}`)
    }
    if (!met) {
      throw behind(
        `the log of vault ${vault} ends at frame ${journal.head.sequence}, the anchor knows ${anchor?.sequence}`,
      )
    }
    return new JournaledStore({ vault, lane, journal, state })
  } catch (error) {
    lane.release()
    throw error
  }
}

function enter(log: Log, { vault, kek: secret, random }: OpenOptions): { lane: Lane; journal: Journal } {
  const kek = wrapKey(secret)
  const tag = vaultTag(vault)
  const journal = new Journal({ vault, tag, kek, random })
  return { lane: log.lane(tag), journal }
}

function replay(journal: Journal, frame: Uint8Array, state: State): void {
  for (const { namespace, now, writes } of journal.open(frame).stretches) {
    for (const write of writes) state.apply(namespace, write, now)
  }
}

function behind(what: string): Refusal {
  return new Refusal('journal-behind', `${what}: an older or another copy was put in its place, restore the newest one`)
}
