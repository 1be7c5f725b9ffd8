import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { CHANNEL_BYTES, CREDENTIAL_CLAIMS_MAX, NONCE_BYTES_MAX, NONCE_BYTES_MIN } from '#host/limits.ts'

import { type Answer, type Call, decodeAnswer, decodeCall, encodeAnswer, encodeCall } from './calls.ts'
import { cellEnd, hostEnd, newChannel } from './channel.ts'
import { frameReader, frameWriter } from './frame.ts'

const memory = new SharedArrayBuffer(CHANNEL_BYTES)
const writer = frameWriter(memory, 0)
const written = (): Uint8Array => new Uint8Array(memory).slice(0, writer.length())
const text = fc.string({ unit: 'binary', maxLength: 50 }).map((value) => value.toWellFormed())
const bytes = fc.uint8Array({ maxLength: 100 })
const nonce = fc.uint8Array({ minLength: NONCE_BYTES_MIN, maxLength: NONCE_BYTES_MAX })

const call: fc.Arbitrary<Call> = fc.oneof(
  fc.record({ op: fc.constant('get'), label: text, key: text }),
  fc.record({
    op: fc.constant('scan'),
    label: text,
    prefix: text,
    after: fc.option(text, { nil: undefined }),
    limit: fc.nat(),
  }),
  fc.record({ op: fc.constant('sign'), alias: text, message: bytes }),
  fc.record({ op: fc.constant('prove'), alias: text, disclose: fc.array(text, { maxLength: 32 }), nonce }),
  fc.record({ op: fc.constant('reach'), alias: text, type: text }),
)
const item = fc.record({
  key: text,
  value: bytes,
  revision: fc.maxSafeNat(),
  visibility: fc.constantFrom('transparent', 'opaque'),
  category: fc.option(text, { nil: undefined }),
})
const answer: fc.Arbitrary<Answer> = fc.oneof(
  fc.record({ kind: fc.constantFrom('unavailable', 'over') }),
  fc.record({ kind: fc.constant('bytes'), bytes }),
  fc.record({ kind: fc.constant('item'), item: fc.option(item, { nil: undefined }) }),
  fc.record({
    kind: fc.constant('page'),
    items: fc.array(item, { maxLength: 5 }),
    next: fc.option(text, { nil: undefined }),
  }),
)

test('calls and answers come back as they went', () => {
  fc.assert(
    fc.property(call, answer, (call, answer) => {
      writer.reset()
      encodeCall(call, writer)
      expect(decodeCall(frameReader(written()))).toEqual(call)
      writer.reset()
      encodeAnswer(answer, writer)
      expect(decodeAnswer(frameReader(written()))).toEqual(answer)
    }),
  )
})

test('a call names no more claims than a credential has', () => {
  const disclose = Array.from({ length: CREDENTIAL_CLAIMS_MAX + 1 }, () => 'a')
  writer.reset()
  encodeCall({ op: 'prove', alias: 'a', disclose, nonce: new Uint8Array() }, writer)
  expect(() => decodeCall(frameReader(written()))).toThrow('more claims')
})

test.each([NONCE_BYTES_MIN - 1, NONCE_BYTES_MAX + 1])('a call asks for no proof bound to %i bytes', (length) => {
  writer.reset()
  encodeCall({ op: 'prove', alias: 'id', disclose: [], nonce: new Uint8Array(length) }, writer)
  expect(() => decodeCall(frameReader(written()))).toThrow('a nonce out of bounds')
})

test('any bytes are a call or a RangeError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        decodeCall(frameReader(bytes))
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError)
      }
    }),
  )
})

test('a frame holds no more than its memory', () => {
  const small = frameWriter(new SharedArrayBuffer(8), 0)
  expect(() => small.text('12345')).toThrow(RangeError)
  expect(() => small.bytes(new Uint8Array(5))).toThrow(RangeError)
  small.text('1234')
  expect(small.length()).toBe(8)
})

test('the host answers only a call that waits, and none of an impossible length', () => {
  const channel = newChannel()
  const host = hostEnd(channel)
  expect(() => host.read()).toThrow('no call waits')
  const words = new Int32Array(channel)
  for (const length of [-1, CHANNEL_BYTES + 1, 2 ** 30]) {
    words[0] = 1
    words[1] = length
    expect(() => host.read()).toThrow('impossible length')
  }
})

test('counters can be read while the cell is silent', () => {
  const channel = newChannel()
  const [cell, host] = [cellEnd(channel, () => undefined), hostEnd(channel)]
  cell.countCreated()
  cell.countCreated()
  cell.countReplaced()
  expect(host.counts()).toEqual({ created: 2, replaced: 1 })
  expect(host.finished(7)).toBe(false)
  cell.finish(7)
  expect(host.finished(7)).toBe(true)
})
