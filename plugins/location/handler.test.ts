import * as fc from 'fast-check'
import { beforeEach, expect, test } from 'vitest'

import { type Grant, grant, type MemoryItem } from '../sdk/memory/world.ts'
import { encodeUtf8 } from '../sdk/utf8.ts'
import { handle } from './handler.ts'
import { coarse } from './position.ts'

const NOW = 1_800_000_000_000
const until = NOW + 60_000
const here = { latitude: 47.376_887, longitude: 8.541_694, accuracy: 3, at: NOW - 10 }
let own: Map<string, MemoryItem>
let theirs: Map<string, MemoryItem>
let sent: { to: string; type: string; body: unknown }[]

beforeEach(() => {
  own = new Map()
  theirs = new Map()
  sent = []
})

function run(eventType: string, request: unknown, granted: Grant = {}): unknown {
  grant({
    session: { eventType, connection: 'Bob', connectionId: 'c-bob' },
    namespaces: {
      handler: { items: own, writable: true },
      connection: { items: theirs, writable: true, categories: ['location'] },
    },
    reaches: { Bob: ['location.update'] },
    sent,
    now: NOW,
    ...granted,
  })
  const outcome = handle(encodeUtf8(JSON.stringify(request)))
  if (outcome.tag !== 'reply') throw new Error('no reply')
  return JSON.parse(new TextDecoder().decode(outcome.val)) as unknown
}
const code = (code: string): unknown => expect.objectContaining({ code })
const share = (request: object, granted?: Grant) => run('location.share', { to: 'Bob', ...request }, granted)
const on = (at: number, more: object = {}) => ({ state: 'on', ...here, at, until, ...more })

test('nothing is told before sharing starts, after it stops, or when its time is over', () => {
  expect(() => share({ action: 'update', position: here })).toThrow(code('not-sharing'))
  share({ action: 'start', precision: 5, until })
  expect(share({ action: 'update', position: here })).toEqual({ state: 'on', precision: 5, until })
  expect(() => share({ action: 'update', position: here }, { now: until })).toThrow(code('not-sharing'))
  expect(share({ action: 'stop' })).toEqual({ state: 'off' })
  expect(() => share({ action: 'update', position: here })).toThrow(code('not-sharing'))
  expect(sent.map(({ type, body }) => [type, (body as { state: string }).state])).toEqual([
    ['location.update', 'on'],
    ['location.update', 'off'],
  ])
})

test('a position is as precise as the owner allowed, or less when the update says so, never more', () => {
  share({ action: 'start', precision: 2, until, position: here })
  share({ action: 'update', position: here, precision: 5 })
  share({ action: 'update', position: here, precision: 0 })
  expect(sent.map(({ body }) => body)).toEqual([
    { state: 'on', latitude: 47.38, longitude: 8.54, accuracy: 788, at: here.at, until },
    { state: 'on', latitude: 47.38, longitude: 8.54, accuracy: 788, at: here.at, until },
    { state: 'on', latitude: 47, longitude: 9, accuracy: 78_716, at: here.at, until },
  ])
})

test('two places of one cell cannot be told apart', () => {
  const degrees = fc.double({ min: -90, max: 90, noNaN: true })
  fc.assert(
    fc.property(degrees, degrees, fc.integer({ min: 0, max: 5 }), (latitude, longitude, decimals) => {
      const said = coarse({ latitude, longitude, at: 0 }, decimals)
      expect(coarse({ ...said, at: 0 }, decimals)).toEqual(said)
      expect(Math.abs(said.latitude - latitude)).toBeLessThanOrEqual(0.500_001 / 10 ** decimals)
      expect(Object.is(said.latitude, -0) || Object.is(said.longitude, -0)).toBe(false)
    }),
  )
})

test.each([
  ['without terms', { action: 'start' }, 'terms-missing'],
  ['that is over', { action: 'start', precision: 1, until: NOW }, 'until-passed'],
  ['for more than a week', { action: 'start', precision: 1, until: NOW + 604_800_001 }, 'until-too-far'],
])('sharing %s does not start', (_name, request, reason) => {
  expect(() => share(request)).toThrow(code(reason))
  expect(own.size).toBe(0)
})

test('an update without a position, or for nobody, is refused', () => {
  share({ action: 'start', precision: 1, until })
  expect(() => share({ action: 'update' })).toThrow(code('position-missing'))
  expect(() => share({ action: 'update', position: here }, { reaches: {} })).toThrow(code('peer-unavailable'))
})

test('of a peer’s positions the last one is kept, whatever overtakes what', () => {
  expect(run('location.where', {})).toEqual({ state: 'off' })
  expect(run('location.update', on(NOW + 2))).toEqual({ at: NOW + 2 })
  expect(run('location.update', on(NOW + 1, { latitude: 1 }))).toEqual({ at: NOW + 2 })
  expect(run('location.where', {})).toEqual(on(NOW + 2))
  expect(theirs.size).toBe(1)
  expect(run('location.where', {}, { now: until })).toEqual({ state: 'off' })
  run('location.update', { state: 'off', at: NOW + 3 })
  run('location.update', on(NOW + 2, { latitude: 1 }))
  expect(run('location.where', {})).toEqual({ state: 'off' })
  expect(new TextDecoder().decode(theirs.get('last')?.value)).not.toContain('latitude')
})

test('a position whose time is over is not kept, nor one that may not be', () => {
  expect(() => run('location.update', on(NOW), { now: until })).toThrow(code('until-passed'))
  expect(() => run('location.update', on(NOW), { namespaces: {} })).toThrow(code('not-kept'))
  expect(theirs.size).toBe(0)
})
