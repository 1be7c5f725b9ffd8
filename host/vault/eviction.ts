/**
 * Which vault may be closed, and what a closed one must not forget.
 *
 * What has a time of its own and survives in the store (a question that runs out) becomes the time to wake it. What
 * lives in memory alone, or is sent again until it is answered (letters, posts, a hello, counted refusals), keeps the
 * vault open. What guards against floods is kept beside the closed vault, or keeps it open for the hour.
 */
import { GREETINGS_PER_HOUR, RATE_WINDOW_MS } from '#host/limits.ts'
import { ITEM_OPEN_BYTES, VAULT_OPEN_BYTES } from '#host/storage/limits.ts'
import { commit, standing } from './commit.ts'
import { dialing } from './dial.ts'
import { erasureDue } from './erasure.ts'
import { questions } from './pending.ts'
import { retention } from './retention.ts'
import type { Vault } from './vault.ts'

/** Whether nothing is lost or late when this vault is closed now. */
export function isIdle(vault: Vault, now: number): boolean {
  return (
    vault.working.size === 0 &&
    vault.outbox.standing !== 'waits' &&
    vault.posts.size === 0 &&
    !vault.writer.stalled &&
    !vault.writer.owes &&
    !erasureDue(vault) &&
    !vault.store.renewing &&
    vault.refusals.standing !== 'counts' &&
    dialing(vault).length === 0 &&
    !isPestered(vault, now)
  )
}

/** Unsealed greetings are counted in memory alone: whoever sends many must not get a fresh count. */
function isPestered(vault: Vault, now: number): boolean {
  return vault.connections
    .values()
    .some(({ greetings }) => greetings.left < GREETINGS_PER_HOUR / 2 && greetings.since + RATE_WINDOW_MS > now)
}

/** When an idle vault has something to do by itself, milliseconds since the epoch; `undefined` for never. */
export function wakeAt(vault: Vault): number | undefined {
  const prune = retention(vault)?.next
  const times = [...questions(vault).map(({ record }) => record.expires), ...(prune === undefined ? [] : [prune])]
  return times.length === 0 ? undefined : Math.min(...times)
}

/** Writes what an idle vault has only in memory: where its sessions stand, and which letters have left. */
export async function settle(
  vault: Vault,
  { now, random }: { now: number; random: (length: number) => Uint8Array },
): Promise<void> {
  const parties = [...vault.connections.values(), ...vault.devices.values()].filter(({ unstored }) => unstored)
  if (parties.length === 0 && vault.outbox.standing === 'empty') return
  await commit({ vault, now, random, changes: parties.flatMap(standing), rows: [] })
}

/** What an open vault takes in memory, about: reading it costs nothing. */
export function openBytes({ store: { size } }: Vault): number {
  return VAULT_OPEN_BYTES + size.bytes + size.items * ITEM_OPEN_BYTES
}

/** The least recently used first. Sizes are estimates, kept up to date by `weigh`. */
export interface Recency {
  /** Of all vaults, in bytes. */
  readonly bytes: number
  /** Puts it last, where it was used now. */
  touch(vault: Vault): void
  /** Takes its size as it is now. */
  weigh(vault: Vault): void
  remove(vault: Vault): void
  /** The first `count`, in order. */
  oldest(count: number): readonly Vault[]
}

/** `sizeOf` is asked often: it costs nothing. */
export function recency(sizeOf: (vault: Vault) => number): Recency {
  const sizes = new Map<Vault, number>()
  let bytes = 0

  function weigh(vault: Vault): void {
    const size = sizeOf(vault)
    bytes += size - (sizes.get(vault) ?? 0)
    sizes.set(vault, size)
  }
  function remove(vault: Vault): void {
    bytes -= sizes.get(vault) ?? 0
    sizes.delete(vault)
  }
  return {
    get bytes() {
      return bytes
    },
    touch(vault) {
      remove(vault)
      weigh(vault)
    },
    weigh(vault) {
      if (sizes.has(vault)) weigh(vault)
    },
    remove,
    oldest: (count) => [...sizes.keys().take(count)],
  }
}
