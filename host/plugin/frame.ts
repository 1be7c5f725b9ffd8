/** Small binary frames in shared memory: one host call, and its answer. Little-endian, lengths first. */

export interface FrameWriter {
  /** Starts again at the first byte. */
  reset(): void
  /** Bytes written since `reset`. */
  length(): number
  u8(value: number): void
  u32(value: number): void
  /** An integer up to 2^53 - 1. */
  u53(value: number): void
  text(value: string): void
  bytes(value: Uint8Array): void
}

/** Writes into `memory` from `offset` on, `length` bytes or all. @throws RangeError when it is full */
export function frameWriter(memory: SharedArrayBuffer, offset: number, length?: number): FrameWriter {
  const view = new DataView(memory, offset, length)
  const target = Buffer.from(memory, offset, length)
  let at = 0
  const u32 = (value: number): void => {
    view.setUint32(at, value, true)
    at += 4
  }
  return {
    reset: () => void (at = 0),
    length: () => at,
    u8: (value) => view.setUint8(at++, value),
    u32,
    u53(value) {
      view.setFloat64(at, value, true)
      at += 8
    },
    text(value) {
      const size = Buffer.byteLength(value)
      if (at + 4 + size > target.length) throw new RangeError('frame is full')
      u32(size)
      at += target.write(value, at, 'utf8')
    },
    bytes(value) {
      if (at + 4 + value.length > target.length) throw new RangeError('frame is full')
      u32(value.length)
      target.set(value, at)
      at += value.length
    },
  }
}

export interface FrameReader {
  u8(): number
  u32(): number
  u53(): number
  text(): string
  bytes(): Uint8Array
}

/**
 * Reads a private copy of a frame: the other side may still write to the shared one.
 *
 * @throws RangeError past its end
 */
export function frameReader(frame: Uint8Array): FrameReader {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const source = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength)
  let at = 0
  const take = (): number => {
    const size = view.getUint32(at, true)
    at += 4
    if (size > frame.length - at) throw new RangeError('frame ends early')
    return size
  }
  return {
    u8: () => view.getUint8(at++),
    u32() {
      const value = view.getUint32(at, true)
      at += 4
      return value
    },
    u53() {
      const value = view.getFloat64(at, true)
      at += 8
      return value
    },
    text() {
      const size = take()
      at += size
      return source.toString('utf8', at - size, at)
    },
    bytes() {
      const size = take()
      at += size
      return frame.slice(at - size, at)
    },
  }
}
