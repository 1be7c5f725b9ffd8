import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { unpack } from '#host/wire/pack.ts'
import { WRITER_KEPT_BYTES } from './limits.ts'
import { packWriter } from './pack-writer.ts'

test('everything it writes is read back as it was, at every size of head', () => {
  const sizes = fc.constantFrom(0, 15, 16, 31, 32, 255, 256, 65_535, 65_536, 70_000)
  const writer = packWriter()
  fc.assert(
    fc.property(
      fc.oneof(fc.nat(), fc.double({ noNaN: true }), fc.constantFrom(127, 128, 2 ** 32 - 1, 2 ** 32, Date.now(), -1)),
      fc.oneof(
        fc.string({ unit: 'binary' }),
        sizes.map((size) => 'ä'.repeat(size)),
        sizes.map((size) => 'a'.repeat(size)),
      ),
      fc.oneof(
        fc.uint8Array(),
        sizes.map((size) => new Uint8Array(size).fill(7)),
      ),
      sizes,
      (number, text, bytes, length) => {
        writer.reserve(600_000)
        writer.list(5 + length)
        writer.number(number)
        writer.text(text)
        writer.bytes(bytes)
        writer.none()
        const head = writer.take().slice()
        writer.bytesHead(bytes.length)
        const between = writer.take().slice()
        for (let at = 0; at < length; at++) writer.number(1)
        const all = unpack(Buffer.concat([head, between, bytes, writer.take()]))
        expect(all).toEqual([number, text, bytes, null, bytes, ...Array.from({ length }, () => 1)])
      },
    ),
    { numRuns: 25 },
  )
})

test.each([
  ['text', (writer: ReturnType<typeof packWriter>, size: number) => writer.text('a'.repeat(size))],
  [
    'small things',
    (writer: ReturnType<typeof packWriter>, size: number) => {
      for (let at = 0; at < size; at++) writer.none()
    },
  ],
])('%s beyond what was reserved is an error, not a frame', (_what, write) => {
  const writer = packWriter()
  writer.reserve(10)
  expect(() => {
    write(writer, WRITER_KEPT_BYTES + 1)
    writer.take()
  }).toThrow(/reserved|out of range/)
})

test('room for one large frame is let go of with the next small one', () => {
  const writer = packWriter()
  writer.reserve(WRITER_KEPT_BYTES * 4)
  expect(writer.take().buffer.byteLength).toBe(WRITER_KEPT_BYTES * 4)
  writer.reserve(10)
  expect(writer.take().buffer.byteLength).toBe(WRITER_KEPT_BYTES)
})
