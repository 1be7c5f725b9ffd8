import { readdirSync, readFileSync } from 'node:fs'

import { expect, test } from 'vitest'

import { EFFECT_BYTES_MAX, KEY_BYTES_MAX, OUTBOX_ITEMS_MAX, RANDOM_BYTES_MAX, VALUE_BYTES_MAX } from '#host/limits.ts'

import { HostError } from './component/trap.ts'
import { granting, memoryNamespace } from './fixtures/stage.ts'
import { guestImports } from './guest-imports.ts'
import { openDesk } from './imports.ts'
import type { Sources } from './port.ts'
import type { CellHandler, CellJob } from './report.ts'
import { cellSeat } from './visit.ts'

const handler: CellHandler = {
  name: 'test',
  labels: ['connection'],
  aliases: ['connection'],
  hostCallsMax: 50,
  outputBytesMax: 1_000,
  logBytesMax: 200,
}
const key = { publicKey: new Uint8Array(32).fill(1), sign: (message: Uint8Array) => new Uint8Array([...message, 9]) }

/** The world as one event sees it, with the host's desk on the other side of a plain call. */
function world(granted: Partial<Sources> = {}, asksMax = 100) {
  const sources: Sources = { fields: new Map(), namespaces: new Map(), keys: new Map(), outbox: new Set(), ...granted }
  const desk = openDesk(sources, { hostCallsMax: asksMax })
  const seat = cellSeat(handler, (call) => desk.answer(call))
  const imports = guestImports(seat)
  const session = {
    connection: 'acme',
    kind: 'service',
    contractVersion: 2,
    eventId: 'e',
    eventType: 'a.b',
    deadlineMs: 5,
    approved: true,
    connectionId: 'acme-1',
  } as const
  const job: CellJob = {
    sequence: 1,
    handler: 0,
    body: new Uint8Array(),
    answer: undefined,
    now: 1_800_000_000_000,
    session,
    namespaces: [...sources.namespaces].map(([label, { writable }]) => ({ label, writable })),
    fields: sources.fields,
    publicKeys: new Map([...sources.keys].map(([alias, { publicKey }]) => [alias, publicKey])),
    outbox: [...sources.outbox],
  }
  seat.begin(job)
  const call = (name: string, func: string, ...args: unknown[]): unknown =>
    Reflect.apply(imports[`trellis:handler/${name}@0.1.0`]?.[func] ?? missing, undefined, args)
  return { seat, job, desk, imports, call, open: () => call('store', 'open', 'connection') }
}

function missing(): never {
  throw new Error('the world has no such function')
}

const err = (payload: unknown): unknown => expect.objectContaining({ name: 'HostError', payload })

test('offers every function of wit/, and no other', () => {
  const folder = new URL('../../wit/', import.meta.url)
  const declared = readdirSync(folder)
    .filter((file) => file !== 'world.wit' && file !== 'types.wit')
    .flatMap((file) => {
      const text = readFileSync(new URL(file, folder), 'utf8')
      const [, name] = /interface ([a-z]+)/u.exec(text) ?? []
      const resource = /resource (\w+) \{([^}]*)\}/u.exec(text)
      const methods = functionsOf(resource?.[2] ?? '').map((method) => `[method]${resource?.[1] ?? ''}.${method}`)
      const plain = functionsOf(text.replace(resource?.[0] ?? '', ''))
      return [...plain, ...methods].map((func) => `trellis:handler/${name ?? ''}@0.1.0 ${func}`)
    })
  const offered = Object.entries(world().imports).flatMap(([name, functions]) =>
    Object.keys(functions).map((func) => `${name} ${func}`),
  )
  expect(offered.sort()).toEqual(declared.sort())
  expect(declared.length).toBeGreaterThan(14)
})

test('session and clock come from the host and stand still', () => {
  const { call, job } = world()
  expect(call('session', 'current')).toEqual(job.session)
  expect(call('clock', 'now')).toBe(1_800_000_000_000n)
})

test('random: bytes up to the limit, then the event ends', () => {
  const { call, seat } = world()
  expect(call('random', 'bytes', RANDOM_BYTES_MAX)).toHaveLength(RANDOM_BYTES_MAX)
  expect(call('random', 'bytes', 16)).not.toEqual(call('random', 'bytes', 16))
  expect(() => call('random', 'bytes', RANDOM_BYTES_MAX + 1)).toThrow()
  expect(seat.failure()).toMatchObject({ reason: 'trap' })
})

test('fields: the admitted ones, and no others', () => {
  const { call, seat } = world({ fields: new Map([['email', 'a@b.c']]) })
  expect(call('fields', 'get', 'email')).toBe('a@b.c')
  for (const name of ['name', '', 'toString']) expect(() => call('fields', 'get', name)).toThrow(err('unavailable'))
  expect(seat.failure()).toBeUndefined()
})

test('keys: the granted ones sign; another alias is refused and ends the event', () => {
  const { call, seat } = world({ keys: new Map([['connection', key]]) })
  expect(call('keys', 'list')).toEqual(['connection'])
  expect(call('keys', 'public-key', 'connection')).toEqual(key.publicKey)
  expect(call('keys', 'sign', 'connection', new Uint8Array([5]))).toEqual(new Uint8Array([5, 9]))
  expect(seat.failure()).toBeUndefined()
  expect(() => call('keys', 'sign', 'vault', new Uint8Array([5]))).toThrow(err('unavailable'))
  expect(seat.failure()).toMatchObject({ reason: 'not-granted' })
})

test('a key the manifest needs but the contract withholds is unavailable, and no offence', () => {
  const { call, seat } = world()
  expect(call('keys', 'list')).toEqual([])
  expect(() => call('keys', 'public-key', 'connection')).toThrow(err('unavailable'))
  expect(seat.failure()).toBeUndefined()
})

test('store: a granted namespace opens; any other label is refused alike and ends the event', () => {
  const { call, seat, open } = world(granting(memoryNamespace()))
  expect(open()).toBeDefined()
  expect(seat.failure()).toBeUndefined()
  for (const label of ['personal', 'connection/other', 'nowhere']) {
    expect(() => call('store', 'open', label)).toThrow(err({ tag: 'unavailable' }))
  }
  expect(seat.failure()).toEqual({
    reason: 'not-granted',
    message: 'namespace "personal" is not among its manifest\'s needs',
  })
})

test('store: writes are kept back and read back', () => {
  const namespace = memoryNamespace()
  namespace.set('a', 'old', 3)
  const { call, seat, open } = world(granting(namespace))
  const space = open()
  const value = new TextEncoder().encode('new')
  expect(call('store', '[method]namespace.get', space, 'a')).toMatchObject({ revision: 3n })
  call('store', '[method]namespace.put', space, 'a', value, 3n)
  expect(() => call('store', '[method]namespace.put', space, 'a', value, 3n)).toThrow(err({ tag: 'conflict' }))
  expect(call('store', '[method]namespace.get', space, 'a')).toEqual({ key: 'a', value, revision: 4n })
  call('store', '[method]namespace.delete', space, 'b')
  expect(call('store', '[method]namespace.scan', space, '', undefined, 10)).toEqual({
    items: [{ key: 'a', value, revision: 4n }],
    next: undefined,
  })
  expect(namespace.get('a')?.revision).toBe(3)
  expect(seat.end().writes).toEqual([
    { label: 'connection', key: 'a', value },
    { label: 'connection', key: 'b', value: null },
  ])
})

test('store: reading does not give the right to write', () => {
  const { call, open } = world(granting(memoryNamespace(), false))
  const space = open()
  expect(call('store', '[method]namespace.get', space, 'a')).toBeUndefined()
  for (const func of ['put', 'delete']) {
    expect(() => call('store', `[method]namespace.${func}`, space, 'a', new Uint8Array())).toThrow(
      err({ tag: 'unavailable' }),
    )
  }
})

test('store: keys and values over the limit are told so', () => {
  const { call, open } = world(granting(memoryNamespace()))
  const space = open()
  const long = 'é'.repeat(KEY_BYTES_MAX / 2 + 1)
  for (const [func, ...args] of [
    ['get', long],
    ['put', long, new Uint8Array()],
    ['delete', long],
    ['scan', long, undefined, 1],
    ['scan', '', long, 1],
  ] as const) {
    expect(() => call('store', `[method]namespace.${func}`, space, ...args)).toThrow(
      err({ tag: 'too-large', val: KEY_BYTES_MAX }),
    )
  }
  expect(() => call('store', '[method]namespace.put', space, 'a', new Uint8Array(VALUE_BYTES_MAX + 1))).toThrow(
    err({ tag: 'too-large', val: VALUE_BYTES_MAX }),
  )
})

test('store: a namespace dies with its event', () => {
  const { call, seat, open, job } = world(granting(memoryNamespace()))
  const space = open()
  seat.end()
  expect(() => call('store', '[method]namespace.get', space, 'a')).toThrow('no event is being handled')
  seat.begin(job)
  expect(() => call('store', '[method]namespace.get', space, 'a')).toThrow()
  expect(seat.failure()).toMatchObject({ reason: 'lied' })
})

test('effects are bounded together', () => {
  const { call, seat, open } = world(granting(memoryNamespace()))
  const space = open()
  const value = new Uint8Array(VALUE_BYTES_MAX)
  const put = (key: string): unknown => call('store', '[method]namespace.put', space, key, value)
  for (let at = 0; at < EFFECT_BYTES_MAX / VALUE_BYTES_MAX - 1; at++) put(`${at}`)
  expect(seat.failure()).toBeUndefined()
  expect(() => put('last')).toThrow()
  expect(seat.failure()).toMatchObject({ reason: 'output' })
})

const reaches = (to: string, type: string): boolean => to === 'bob' && type === 'a.b'

test('outbox: another connection by its alias, when it takes the event', () => {
  const body = new Uint8Array(2)
  const { call, seat } = world({ outbox: new Set(['connections']), reaches })
  for (const [to, type] of [
    ['eve', 'a.b'],
    ['bob', 'a.c'],
    ['bob', 'A b'],
    ['b'.repeat(100_000), 'a.b'],
  ]) {
    expect(() => call('outbox', 'send', to, type, body)).toThrow(err('unavailable'))
  }
  expect(() => call('outbox', 'send', 'bob', 'a.b', new Uint8Array(1_001))).toThrow(err('limit'))
  call('outbox', 'send', 'bob', 'a.b', body)
  expect(seat.end().outgoing).toEqual([{ to: 'connections', alias: 'bob', type: 'a.b', body }])
  const without = world({ outbox: new Set(['connection']), reaches })
  expect(() => without.call('outbox', 'send', 'bob', 'a.b', body)).toThrow(err('unavailable'))
})

test('outbox: the granted targets, so many and so large', () => {
  const { call, seat } = world({ outbox: new Set(['owner']) })
  const body = new Uint8Array(1_000)
  expect(() => call('outbox', 'emit', 'a.b', body)).toThrow(err('unavailable'))
  expect(() => call('outbox', 'notify-owner', 'a.b', new Uint8Array(1_001))).toThrow(err('limit'))
  expect(() => call('outbox', 'notify-owner', 'A b', body)).toThrow(err('limit'))
  for (let at = 0; at < OUTBOX_ITEMS_MAX; at++) call('outbox', 'notify-owner', 'a.b', body)
  expect(() => call('outbox', 'notify-owner', 'a.b', body)).toThrow(err('limit'))
  expect(seat.end().outgoing).toHaveLength(OUTBOX_ITEMS_MAX)
})

test('log: lines until the log is full, empty ones too', () => {
  const { call, seat } = world()
  for (let at = 0; at < 40; at++) call('log', 'write', 'info', '')
  expect(seat.end()).toMatchObject({ logCut: true, log: { length: 12 } })
})

test('host calls are counted, and the one too many stays on record though the guest swallow it', () => {
  const { call, seat } = world()
  for (let at = 0; at < 50; at++) call('clock', 'now')
  expect(seat.failure()).toBeUndefined()
  expect(() => call('clock', 'now')).toThrow()
  expect(seat.failure()).toMatchObject({ reason: 'calls' })
  expect(seat.end().hostCalls).toBe(51)
})

test('when the host answers no more, the event ends', () => {
  const { call, seat, open } = world(granting(memoryNamespace()), 1)
  const space = open()
  call('store', '[method]namespace.get', space, 'a')
  expect(() => call('store', '[method]namespace.get', space, 'b')).toThrow('read more than one event may')
  expect(seat.failure()).toMatchObject({ reason: 'calls' })
})

test('a HostError is what the component loader knows', () => {
  expect(new HostError('unavailable')).toMatchObject({ name: 'HostError', payload: 'unavailable' })
})

/** Names of the functions a piece of WIT declares. */
function functionsOf(wit: string): string[] {
  return [...wit.matchAll(/^ +%?([a-z-]+): func\(/gmu)].map(([, func]) => func ?? '')
}
