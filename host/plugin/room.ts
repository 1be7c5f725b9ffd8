/** What a namespace lets a handler keep, as a cell sees it: an early answer, which the commit gives again. */
import type { StoredItem } from './calls.ts'
import { isCategory, type Room } from './report.ts'

/** Whether an item may be said to be of this category. */
export function allows(room: Room | undefined, category: string): boolean {
  return isCategory(category) && (!room?.categories || room.categories.includes(category))
}

/** What a namespace would hold after this call's writes: what the vault said it held, and what is known of the rest. */
interface Figure {
  /** What the vault has at a key, told once per key. */
  learned(key: string, item: StoredItem | undefined): void
  wrote(key: string, value: Uint8Array | null): void
  /** Also when it is over already and the write does not add to it. */
  fits(key: string, value: Uint8Array): boolean
  left(): number
}

export function roomLeft(room: Room | undefined): Figure {
  if (room === undefined) return { learned() {}, wrote() {}, fits: () => true, left: () => 0 }
  const before = new Map<string, number>()
  const after = new Map<string, number>()
  let used = room.bytesUsed
  const stands = (key: string): number => after.get(key) ?? before.get(key) ?? 0
  return {
    learned(key, item) {
      const bytes = item === undefined ? 0 : bytesOf(key, item.value)
      before.set(key, bytes)
      if (after.has(key)) used -= bytes
    },
    wrote(key, value) {
      const bytes = value === null ? 0 : bytesOf(key, value)
      used += bytes - stands(key)
      after.set(key, bytes)
    },
    fits(key, value) {
      const added = bytesOf(key, value) - stands(key)
      return added <= 0 || used + added <= room.bytesMax
    },
    left: () => Math.max(room.bytesMax - used, 0),
  }
}

/** As the vault counts an item: key and value. */
function bytesOf(key: string, value: Uint8Array): number {
  return Buffer.byteLength(key) + value.length
}
