import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { nativeCrypto as crypto } from '#host/crypto/native.ts'
import { parseDeviceKeys } from '#host/entries/device.ts'
import { refusalOf } from '#host/wire/refusal.fixture.ts'

import { encodeFrames, encodeKeyFrames, readFrames } from './frames.ts'
import { newSecrets, random } from './host.fixture.ts'

function readAll(frames: readonly string[]): Uint8Array | undefined {
  const reader = readFrames(crypto, 'KEYS')
  return frames.map((frame) => reader.take(frame)).findLast((bytes) => bytes !== undefined)
}

test('a device’s keys are a few codes, read in any order, some of them twice', () => {
  const { keys } = newSecrets()
  const frames = encodeKeyFrames(crypto, keys)
  expect(frames).toHaveLength(6)
  for (const frame of frames) expect(frame).toMatch(/^[0-9A-Z $%*+\-./:]{1,1000}$/)
  const reader = readFrames(crypto, 'KEYS')
  expect(reader.missing).toBeNull()
  const [first = '', ...rest] = frames.toReversed()
  expect(reader.take(first)).toBeUndefined()
  expect(reader.take(first)).toBeUndefined()
  expect(reader.missing).toBe(5)
  const bytes = rest.map((frame) => reader.take(frame)).at(-1)
  expect(bytes && parseDeviceKeys(bytes)).toEqual(keys)
  expect(refusalOf(() => parseDeviceKeys(random(3_199)))).toBe('malformed')
})

test('frames give back any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 3_000 }), (bytes) => {
      expect(readAll(encodeFrames(crypto, 'KEYS', bytes))).toEqual(bytes)
    }),
  )
  expect(refusalOf(() => encodeFrames(crypto, 'KEYS', random(40_000)))).toBe('too-large')
})

test('frames of two messages or kinds do not mix, and a misread one is found', () => {
  const [one, two] = [encodeFrames(crypto, 'KEYS', random(2_000)), encodeFrames(crypto, 'KEYS', random(2_000))]
  const reader = readFrames(crypto, 'KEYS')
  reader.take(one[0] as string)
  expect(refusalOf(() => reader.take(two[1] as string))).toBe('malformed')
  expect(refusalOf(() => reader.take(encodeFrames(crypto, 'VIEW', random(9))[0] as string))).toBe('malformed')
  const misread = (one[1] as string).replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')).replace(/.(?=.{9}$)/, 'Q')
  reader.take(misread)
  expect(() => one.slice(2).map((frame) => reader.take(frame))).toThrow('read wrong')
  expect(one.map((frame) => reader.take(frame)).at(-1)).toHaveLength(2_000)
})

test('what is no frame is refused', () => {
  const [frame = ''] = encodeFrames(crypto, 'KEYS', random(9))
  const bad = ['', 'TV1', frame.toLowerCase(), frame.replace('1/1', '2/1'), frame.replace('1/1', '0/1'), `${frame}!`]
  for (const text of [...bad, frame.replace('1/1', '1/65'), frame + 'A'.repeat(1_000)]) {
    expect(
      refusalOf(() => readFrames(crypto, 'KEYS').take(text)),
      text,
    ).toBe('malformed')
  }
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(refusalOf(() => readFrames(crypto, 'KEYS').take(text))).toBe('malformed')
    }),
  )
})
