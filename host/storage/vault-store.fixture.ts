/** What the tests of this room share: seeded randomness, vaults on logs, and whole states to compare. */
import { createHash } from 'node:crypto'

import { BATCH_BYTES, decodeBatch } from './batch.ts'
import { type Log, openLog } from './group.ts'
import type { MemoryLog } from './memory-log.fixture.ts'
import { createVault, openVault } from './open.ts'
import type { LogStore, NamespaceName, Receipt, VaultStore } from './port.ts'

/** Random bytes that a seed determines, never the same twice. */
export function seededRandom(seed: string): (length: number) => Uint8Array {
  let calls = 0
  return (length) => {
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length; at += 32) {
      const block = createHash('sha256').update(`${seed} ${calls++}`).digest()
      bytes.set(block.subarray(0, Math.min(32, length - at)), at)
    }
    return bytes
  }
}

/** The key of a vault in these tests: a fresh copy each time, since opening zeroes it. */
export function kekOf(vault: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(`kek ${vault}`).digest())
}

let opened = 0

export function optionsOf(vault: string): { vault: string; kek: Uint8Array; random: (length: number) => Uint8Array } {
  return { vault, kek: kekOf(vault), random: seededRandom(`${vault} ${opened++}`) }
}

export function makeVault(log: Log, vault = 'alice'): Promise<VaultStore> {
  return createVault(log, optionsOf(vault))
}

/** Opens a log and one vault of it, as a start after a crash does. */
export async function recover(
  store: LogStore,
  { vault = 'alice', anchor }: { vault?: string; anchor?: Receipt } = {},
): Promise<{ log: Log; store: VaultStore }> {
  const log = await openLog(store)
  return { log, store: await openVault(log, { ...optionsOf(vault), ...(anchor && { anchor }) }) }
}

/** Everything a store shows, to compare. */
export function dump(store: VaultStore): unknown {
  const names: readonly NamespaceName[] = store.namespaces()
  return names.map((name) => {
    const items: unknown[] = []
    let after: string | undefined
    do {
      const page = store.namespace(name).scan({ prefix: '', limit: 7, ...(after !== undefined && { after }) })
      for (const [key, item] of page.items) items.push([key, { ...item, value: item.value.toHex() }])
      after = page.next
    } while (after !== undefined)
    return [name, items]
  })
}

/** The frames of a log without the records of their batches, as an older log has them. */
export async function framesIn(log: MemoryLog): Promise<Uint8Array[]> {
  const bytes = await log.read()
  const frames: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    if (decodeBatch(bytes.subarray(at)) !== undefined) at += BATCH_BYTES
    const length = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0)
    frames.push(bytes.subarray(at, at + length))
    at += length
  }
  return frames
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
