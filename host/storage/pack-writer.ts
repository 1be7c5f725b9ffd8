/**
 * Writes msgpack (github.com/msgpack/msgpack/blob/master/spec.md) of the few kinds of things a frame holds, into one
 * buffer that is used again: a frame is written once and then sealed, and copies would cost more than the seals.
 */
import { WRITER_KEPT_BYTES } from './limits.ts'

export interface PackWriter {
  /** Makes room for so many bytes and begins anew: what was taken before is overwritten. Call it first. */
  reserve(bytes: number): void
  list(length: number): void
  /** A whole number of 32 bits as such, any other as a double. */
  number(value: number): void
  text(value: string): void
  bytes(value: Uint8Array): void
  /** Only the head of so many bytes, which stand somewhere else. */
  bytesHead(length: number): void
  none(): void
  /**
   * What was written since `reserve` or the last `take`: a view, good until the next `reserve`.
   *
   * @throws Error when there was no room for all of it
   */
  take(): Uint8Array
}

export function packWriter(): PackWriter {
  let buffer = Buffer.alloc(0)
  let view = new DataView(buffer.buffer)
  let at = 0
  let taken = 0

  function head(length: number, { fix, fixed, tags }: Head): void {
    if (length <= fixed) buffer[at++] = fix | length
    else if (tags[0] !== undefined && length < 2 ** 8) {
      buffer[at++] = tags[0]
      buffer[at++] = length
    } else if (length < 2 ** 16) {
      buffer[at++] = tags[1]
      view.setUint16(at, length)
      at += 2
    } else {
      buffer[at++] = tags[2]
      view.setUint32(at, length)
      at += 4
    }
  }

  return {
    reserve(bytes) {
      at = taken = 0
      // One large frame does not keep its room for ever.
      if (buffer.length >= bytes && (buffer.length === WRITER_KEPT_BYTES || bytes > WRITER_KEPT_BYTES)) return
      buffer = Buffer.allocUnsafeSlow(Math.max(bytes, WRITER_KEPT_BYTES))
      view = new DataView(buffer.buffer)
    },
    list: (length) => head(length, LIST),
    number(value) {
      if (Number.isInteger(value) && value >= 0 && value < 2 ** 32 && !Object.is(value, -0)) {
        if (value < 128) buffer[at++] = value
        else {
          buffer[at++] = 0xce
          view.setUint32(at, value)
          at += 4
        }
        return
      }
      buffer[at++] = 0xcb
      view.setFloat64(at, value)
      at += 8
    },
    text(value) {
      const length = Buffer.byteLength(value)
      head(length, TEXT)
      at += buffer.write(value, at, length)
    },
    bytes(value) {
      head(value.length, BYTES)
      buffer.set(value, at)
      at += value.length
    },
    bytesHead: (length) => head(length, BYTES),
    none: () => void (buffer[at++] = 0xc0),
    take() {
      if (at > buffer.length) throw new Error(`${at} bytes were written where ${buffer.length} were reserved`)
      const written = buffer.subarray(taken, at)
      taken = at
      return written
    },
  }
}

/** A length of up to `fixed` is in the byte `fix`, else behind a tag, in 8, 16 or 32 bits; lists have no 8. */
interface Head {
  readonly fix: number
  readonly fixed: number
  readonly tags: readonly [of8: number | undefined, of16: number, of32: number]
}

const LIST: Head = { fix: 0x90, fixed: 15, tags: [undefined, 0xdc, 0xdd] }
const TEXT: Head = { fix: 0xa0, fixed: 31, tags: [0xd9, 0xda, 0xdb] }
const BYTES: Head = { fix: 0, fixed: -1, tags: [0xc4, 0xc5, 0xc6] }
