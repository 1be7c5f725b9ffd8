/**
 * What events read, so that the next of their kind takes it along: one vault, one connection, one event type. A key's
 * name goes to no other kind, and so to nobody who could not read it.
 */
import { CARRIED_BYTES_MAX, CARRIED_KEYS_MAX, LEARNT_READS_MAX } from '#host/plugin/limits.ts'

import { type Carried, type KeyRead, storedItem } from './calls.ts'
import type { Sources } from './port.ts'

export interface Kind {
  readonly tenant: string
  /** The event type, and the connection it came by. */
  readonly type: string
  readonly connection: string
}

export interface Reads {
  /** Whether others of it are under way that may write what it would read: too early, and it would read in vain. */
  isTooEarly(kind: Kind): boolean
  /** What an event of this kind takes along: nothing when it is too early for that. */
  begin(kind: Kind, sources: Sources): readonly Carried[]
  /** It is over: what it read, and whether it wrote any of it. */
  end(kind: Kind, read: readonly KeyRead[], wrote: boolean): void
  /** It came to nothing: it was taken back, or its cell ended. */
  drop(kind: Kind): void
}

interface Learnt {
  keys: readonly KeyRead[]
  writes: boolean
  underWay: number
}

export function learnReads(): Reads {
  /** The one longest not seen is first. */
  const kinds = new Map<string, Learnt>()
  const left = (kind: Kind): Learnt | undefined => {
    const learnt = kinds.get(nameOf(kind))
    if (learnt !== undefined) learnt.underWay = Math.max(learnt.underWay - 1, 0)
    return learnt
  }
  return {
    isTooEarly(kind) {
      const learnt = kinds.get(nameOf(kind))
      return learnt !== undefined && learnt.writes && learnt.underWay > 0
    },
    begin(kind, sources) {
      const name = nameOf(kind)
      const learnt = kinds.get(name) ?? { keys: [], writes: false, underWay: 0 }
      if (!kinds.has(name)) {
        if (kinds.size >= LEARNT_READS_MAX) forget(kinds)
        kinds.set(name, learnt)
      }
      learnt.underWay += 1
      if (learnt.keys.length === 0 || (learnt.writes && learnt.underWay > 1)) return []
      return carry(learnt, sources)
    },
    drop: (kind) => void left(kind),
    end(kind, read, wrote) {
      const learnt = left(kind)
      if (learnt === undefined) return
      learnt.keys = read.slice(0, CARRIED_KEYS_MAX).map((one) => newest(one, learnt.keys))
      learnt.writes = wrote
    },
  }
}

/** With the highest revision any event was told: those that ran side by side end in any order. */
function newest(read: KeyRead, before: readonly KeyRead[]): KeyRead {
  const known = before.find(({ label, key }) => key === read.key && label === read.label)
  return known !== undefined && known.revision > read.revision ? known : read
}

export function nameOf({ tenant, type, connection }: Kind): string {
  return `${type} ${tenant} ${connection}`
}

function forget(kinds: Map<string, Learnt>): void {
  for (const name of kinds.keys()) {
    kinds.delete(name)
    return
  }
}

/**
 * What the vault has of these now. What it does not give is not carried: the handler asks, and is told why. Nor is what
 * the last event wrote and the vault does not have yet: once the handler asks for it, it may.
 */
function carry({ keys, writes }: Learnt, { namespaces }: Sources): readonly Carried[] {
  const carried: Carried[] = []
  let room = CARRIED_BYTES_MAX
  for (const { label, key, revision } of keys) {
    const granted = namespaces.get(label)
    if (granted === undefined || granted.isGuarded?.(key) === true) continue
    try {
      const item = granted.namespace.get(key)
      if (writes && (item?.revision ?? 0) <= revision) continue
      room -= key.length + (item?.value.length ?? 0)
      if (room < 0) return carried
      carried.push({ label, key, item: item === undefined ? undefined : storedItem(key, item) })
    } catch {
      return carried
    }
  }
  return carried
}
