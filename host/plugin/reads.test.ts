import { expect, test } from 'vitest'

import { CARRIED_BYTES_MAX, CARRIED_KEYS_MAX, LEARNT_READS_MAX } from '#host/plugin/limits.ts'

import { granting, jobFor, memoryNamespace, registryOf } from './fixtures/stage.ts'
import { type Kind, learnReads } from './reads.ts'

const registry = registryOf('notes')
const kind: Kind = { tenant: 'alice', type: 'notes.run', connection: 'acme' }
const sourcesOf = (namespace = memoryNamespace()) => jobFor(registry, 'notes', { sources: granting(namespace) }).sources
const read = (key: string, revision = 0, label = 'connection') => ({ label, key, revision })
const keysOf = (carried: readonly { readonly key: string }[]) => carried.map(({ key }) => key)

test('an event takes along what the last of its kind read, as it stands now, there or not', () => {
  const reads = learnReads()
  const namespace = memoryNamespace()
  expect(reads.begin(kind, sourcesOf(namespace))).toEqual([])
  reads.end(kind, [read('a'), read('b')], false)
  namespace.set('a', 'x', 4)
  expect(reads.begin(kind, sourcesOf(namespace))).toMatchObject([
    { label: 'connection', key: 'a', item: { value: new TextEncoder().encode('x'), revision: 4 } },
    { label: 'connection', key: 'b', item: undefined },
  ])
  reads.end(kind, [read('b')], false)
  expect(keysOf(reads.begin(kind, sourcesOf(namespace)))).toEqual(['b'])
})

test('no other tenant, connection or event type learns of it', () => {
  const reads = learnReads()
  reads.begin(kind, sourcesOf())
  reads.end(kind, [read('a')], false)
  for (const other of [{ tenant: 'bob' }, { connection: 'bolt' }, { type: 'other.run' }]) {
    expect(reads.begin({ ...kind, ...other }, sourcesOf())).toEqual([])
  }
  expect(keysOf(reads.begin(kind, sourcesOf()))).toEqual(['a'])
})

test('what is not granted any more is not carried; what the vault does not give neither', () => {
  const reads = learnReads()
  reads.begin(kind, sourcesOf())
  reads.end(kind, [read('a'), read('b', 0, 'handler')], false)
  expect(keysOf(reads.begin(kind, sourcesOf()))).toEqual(['a'])
  expect(reads.begin(kind, jobFor(registry, 'notes').sources)).toEqual([])
  const locked = {
    ...memoryNamespace(),
    get: () => {
      throw new Error('the vault is locked')
    },
  }
  expect(reads.begin(kind, { ...sourcesOf(), ...granting(locked) })).toEqual([])
})

test('who writes what it reads is too early while others are under way, or their write is', () => {
  const reads = learnReads()
  const namespace = memoryNamespace()
  namespace.set('n', '1', 1)
  reads.begin(kind, sourcesOf(namespace))
  expect(reads.isTooEarly(kind)).toBe(false)
  reads.end(kind, [read('n', 1)], true)
  // Its write is not committed: the key is as it was read.
  expect(reads.begin(kind, sourcesOf(namespace))).toEqual([])
  expect(reads.isTooEarly(kind)).toBe(true)
  namespace.set('n', '2', 2)
  expect(reads.begin(kind, sourcesOf(namespace))).toEqual([])
  reads.drop(kind)
  reads.drop(kind)
  expect(reads.isTooEarly(kind)).toBe(false)
  expect(keysOf(reads.begin(kind, sourcesOf(namespace)))).toEqual(['n'])
  // Ends come in any order: the highest revision told is what counts.
  reads.end(kind, [read('n', 2)], true)
  reads.end(kind, [read('n', 1)], true)
  expect(reads.begin(kind, sourcesOf(namespace))).toEqual([])
})

test('it is bounded: in keys, in bytes, in kinds', () => {
  const reads = learnReads()
  const namespace = memoryNamespace()
  reads.begin(kind, sourcesOf())
  reads.end(
    kind,
    Array.from({ length: CARRIED_KEYS_MAX + 1 }, (_, at) => read(`${at}`)),
    false,
  )
  expect(reads.begin(kind, sourcesOf(namespace))).toHaveLength(CARRIED_KEYS_MAX)
  namespace.set('0', new Uint8Array(CARRIED_BYTES_MAX - 1))
  expect(keysOf(reads.begin(kind, sourcesOf(namespace)))).toEqual(['0'])
  namespace.set('0', new Uint8Array(CARRIED_BYTES_MAX))
  expect(reads.begin(kind, sourcesOf(namespace))).toEqual([])
  for (let at = 0; at < LEARNT_READS_MAX; at++) reads.begin({ ...kind, connection: `other ${at}` }, sourcesOf())
  expect(reads.begin(kind, sourcesOf())).toEqual([])
})
