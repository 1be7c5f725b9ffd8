import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { Refusal } from '#host/errors.ts'
import { BODY_DEPTH_MAX } from '#host/limits.ts'

import { atPointer, parseBody, replaceAtPointer } from './body.ts'

const parse = (bytes: Uint8Array): unknown => parseBody(bytes, { code: 'malformed-request', what: 'the body' })
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

test('reads every JSON value', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), (text) => {
      expect(parse(bytesOf(text))).toEqual(JSON.parse(text))
    }),
  )
})

test('any bytes are read or refused, and the refusal quotes none of them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        parse(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(Refusal)
        expect(String(error)).toBe('Refusal: the body is not JSON in UTF-8')
      }
    }),
  )
})

test.each([
  ['bytes that are not UTF-8', new Uint8Array([0x22, 0xff, 0x22])],
  ['a byte order mark', new Uint8Array([0xef, 0xbb, 0xbf, 0x31])],
  ['two values', bytesOf('1 2')],
  ['nothing', bytesOf('')],
])('refuses %s', (_name, bytes) => {
  expect(() => parse(bytes)).toThrow(expect.objectContaining({ code: 'malformed-request' }))
})

test('depth is bounded before anything is parsed; brackets in text do not count', () => {
  const nested = (depth: number): Uint8Array => bytesOf('['.repeat(depth) + ']'.repeat(depth))
  expect(() => parse(nested(BODY_DEPTH_MAX))).not.toThrow()
  expect(() => parse(nested(BODY_DEPTH_MAX + 1))).toThrow(/nests deeper/u)
  expect(() => parse(bytesOf('['.repeat(1_000_000)))).toThrow(/nests deeper/u)
  expect(parse(bytesOf(JSON.stringify(`"${'['.repeat(100)}\\`)))).toBe(`"${'['.repeat(100)}\\`)
})

test('a pointer names own properties and nothing else', () => {
  const value = { 'a/b': { '~': [10, { x: 1 }] } }
  expect(atPointer(value, '/a~1b/~0/1/x')).toBe(1)
  for (const pointer of ['/constructor', '/a~1b/~0/length/x', '/a~1b/~0/2', '/a~1b/~0/0/x', '/missing/x']) {
    expect(atPointer(value, pointer)).toBeUndefined()
  }
})

test('what is at a pointer is replaced, and nothing is put where nothing is', () => {
  const value = { 'a/b': { '~': 1 }, list: [1, 2] }
  replaceAtPointer(value, '/a~1b/~0', ['x'])
  replaceAtPointer(value, '/list/1', 3)
  for (const pointer of ['/missing', '/missing/x', '/list/2', '/__proto__', '/constructor']) {
    replaceAtPointer(value, pointer, 'y')
  }
  expect(value).toEqual({ 'a/b': { '~': ['x'] }, list: [1, 3] })
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
})
