import { crc32 } from 'node:zlib'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { FRAME_BYTES_MAX, LOG_WINDOW_BYTES } from '#host/limits.ts'
import { BATCH_BYTES } from './batch.ts'
import { decodeHeader, encodeHeader, type FrameHeader, HEADER_BYTES, indexFrames, SEAL_BYTES } from './frame.ts'
import { memoryLog } from './memory-log.fixture.ts'
import { concat } from './vault-store.fixture.ts'

const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const header: fc.Arbitrary<FrameHeader> = fc.record({
  length: fc.integer({ min: HEADER_BYTES + SEAL_BYTES, max: HEADER_BYTES + 300 }),
  tag: bytesOf(16),
  keyId: bytesOf(8),
  segment: bytesOf(8),
  sequence: fc.maxSafeNat(),
})

/** A frame with nothing sealed in it: indexing does not look. */
function frame(of: FrameHeader): Uint8Array {
  return concat([encodeHeader(of), new Uint8Array(of.length - HEADER_BYTES).fill(0xaa)])
}

/** Lengths of the frames found and where they end, or the code of the refusal. */
async function indexed(bytes: Uint8Array): Promise<{ lengths: number[]; whole: number } | string> {
  const lengths: number[] = []
  try {
    const { whole } = await indexFrames(memoryLog({ bytes }), ({ length }, offset) => {
      expect(offset).toBe(lengths.reduce((sum, each) => sum + each, 0))
      lengths.push(length)
    })
    return { lengths, whole }
  } catch (error) {
    expect(error).toMatchObject({ code: 'journal-tampered' })
    return 'journal-tampered'
  }
}

describe('a header', () => {
  it('reads back as it was written', () => {
    fc.assert(
      fc.property(header, (value) => {
        expect(decodeHeader(encodeHeader(value))).toEqual(value)
      }),
    )
  })

  it('is no header with any bit flipped', () => {
    fc.assert(
      fc.property(header, fc.nat({ max: HEADER_BYTES * 8 - 1 }), (value, bit) => {
        const bytes = encodeHeader(value)
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        expect(decodeHeader(bytes)).toBeUndefined()
      }),
      { numRuns: 500 },
    )
  })

  it('is no header of another kind, shorter than its seal, or over the limit', () => {
    const value = { tag: new Uint8Array(16), keyId: new Uint8Array(8), segment: new Uint8Array(8), sequence: 1 }
    expect(decodeHeader(encodeHeader({ ...value, length: FRAME_BYTES_MAX }))).toBeDefined()
    expect(decodeHeader(encodeHeader({ ...value, length: FRAME_BYTES_MAX + 1 }))).toBeUndefined()
    expect(decodeHeader(encodeHeader({ ...value, length: HEADER_BYTES + SEAL_BYTES - 1 }))).toBeUndefined()
    const bytes = encodeHeader({ ...value, length: 100 })
    bytes[4] = 2
    new DataView(bytes.buffer).setUint32(45, crc32(bytes.subarray(0, 45)))
    expect(decodeHeader(bytes)).toBeUndefined()
  })
})

describe('an index', () => {
  const frames = fc.array(header, { minLength: 1, maxLength: 8 })

  it('finds the whole frames of every first part of a log, and calls the rest torn', async () => {
    await fc.assert(
      fc.asyncProperty(frames, fc.double({ min: 0, max: 1, noNaN: true }), async (headers, part) => {
        const bytes = concat(headers.map(frame))
        const cut = Math.floor(bytes.length * part)
        let whole = 0
        const lengths: number[] = []
        for (const { length } of headers) {
          if (whole + length > cut) break
          lengths.push(length)
          whole += length
        }
        expect(await indexed(bytes.subarray(0, cut))).toEqual({ lengths, whole })
      }),
    )
  })

  it('takes zeros behind the last frame for room, and anything else for damage', async () => {
    await fc.assert(
      fc.asyncProperty(frames, fc.integer({ min: HEADER_BYTES, max: 2 * LOG_WINDOW_BYTES }), async (headers, count) => {
        const bytes = concat(headers.map(frame))
        const tail = new Uint8Array(count)
        const lengths = headers.map(({ length }) => length)
        expect(await indexed(concat([bytes, tail]))).toEqual({ lengths, whole: bytes.length })
        tail.fill(1, 0, 1_024)
        expect(await indexed(concat([bytes, tail]))).toBe('journal-tampered')
      }),
      { numRuns: 20 },
    )
  })

  it('ends on any bytes at all', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (bytes) => {
        const found = await indexed(bytes)
        // Bytes that start with zeros may be a torn batch.
        const open = bytes.length < HEADER_BYTES || !bytes.subarray(0, BATCH_BYTES).some((byte) => byte !== 0)
        expect(found).toEqual(open ? { lengths: [], whole: 0 } : 'journal-tampered')
      }),
    )
  })
})
