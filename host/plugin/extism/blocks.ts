/**
 * The memory a plug-in shares with its host in blocks, as Extism's kernel has it. It is ours: one buffer of bounded
 * size per instance, emptied after every event. Sizes are rounded up to powers of two, so that what is freed fits what
 * is asked for next.
 */
import { EXTISM_BLOCKS_MAX, EXTISM_IDLE_BYTES } from '#host/plugin/limits.ts'

import { lied, Trap } from '../component/trap.ts'

/** Addresses are plain numbers; 0 is never one of a block. */
export interface Blocks {
  /** @throws Trap `memory` past the bytes or the number of blocks one event may hold */
  alloc(size: number): number
  /** What is no block is let be, as in Extism. */
  free(at: number): void
  /** Bytes of the block that starts here; 0 when none does. */
  length(at: number): number
  /** The block that starts here, not copied: valid until the next call. @throws Trap `lied` when none does */
  bytes(at: number): Uint8Array
  /** A new block with these bytes. */
  put(bytes: Uint8Array): number
  loadU8(at: number): number
  loadU64(at: number): bigint
  storeU8(at: number, value: number): void
  storeU64(at: number, value: bigint): void
  /** Forgets every block and its bytes. */
  reset(): void
}

/** The first block starts here; what lies before is never handed out. */
const FIRST = 16

export function openBlocks(bytesMax: number): Blocks {
  const buffer = new ArrayBuffer(Math.min(EXTISM_IDLE_BYTES, bytesMax), { maxByteLength: bytesMax })
  const bytes = new Uint8Array(buffer)
  const view = new DataView(buffer)
  const sizes = new Map<number, number>()
  const freed = new Map<number, number[]>()
  let top = FIRST

  /** @throws Trap `lied` when these bytes are not all of memory that was handed out */
  const vet = (at: number, size: number): number => {
    if (!(at >= FIRST && at + size <= top)) throw lied(`an address outside of its blocks: ${at}`)
    return at
  }
  const take = (room: number): number => {
    const known = freed.get(room)?.pop()
    if (known !== undefined) {
      bytes.fill(0, known, known + room)
      return known
    }
    const at = top
    if (at + room > bytesMax) throw new Trap('memory', `holds more than ${bytesMax} bytes of blocks`)
    if (at + room > buffer.byteLength) buffer.resize(Math.min(bytesMax, Math.max(at + room, 2 * buffer.byteLength)))
    top += room
    return at
  }
  const alloc = (size: number): number => {
    if (!(size >= 0 && size <= bytesMax)) throw new Trap('memory', `asked for a block of ${size} bytes`)
    if (sizes.size >= EXTISM_BLOCKS_MAX) throw new Trap('memory', `holds more than ${EXTISM_BLOCKS_MAX} blocks`)
    const at = take(roomFor(size))
    sizes.set(at, size)
    return at
  }
  return {
    alloc,
    free(at) {
      const size = sizes.get(at)
      if (size === undefined) return
      sizes.delete(at)
      const room = roomFor(size)
      const list = freed.get(room)
      if (list === undefined) freed.set(room, [at])
      else list.push(at)
    },
    length: (at) => sizes.get(at) ?? 0,
    bytes(at) {
      const size = sizes.get(at)
      if (size === undefined) throw lied(`no block starts at ${at}`)
      return bytes.subarray(at, at + size)
    },
    put(content) {
      const at = alloc(content.length)
      bytes.set(content, at)
      return at
    },
    loadU8: (at) => view.getUint8(vet(at, 1)),
    loadU64: (at) => view.getBigUint64(vet(at, 8), true),
    storeU8: (at, value) => view.setUint8(vet(at, 1), value),
    storeU64: (at, value) => view.setBigUint64(vet(at, 8), value, true),
    reset() {
      bytes.fill(0, 0, top)
      if (buffer.byteLength > EXTISM_IDLE_BYTES) buffer.resize(EXTISM_IDLE_BYTES)
      sizes.clear()
      freed.clear()
      top = FIRST
    },
  }
}

/** The power of two, 16 at least, that holds this many bytes. */
function roomFor(size: number): number {
  return size <= 16 ? 16 : 2 ** (32 - Math.clz32(size - 1))
}
