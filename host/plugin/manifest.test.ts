import { readdirSync, readFileSync } from 'node:fs'

import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { Refusal } from '#host/errors.ts'
import { MANIFEST_BYTES_MAX, MANIFEST_KEYS_MAX, MANIFEST_KINDS_MAX } from '#host/limits.ts'

import { parseManifest, publishedManifest } from './manifest.ts'

const folder = new URL('../../manifests/', import.meta.url)
const good = JSON.parse(readFileSync(new URL('data-access.json', folder), 'utf8')) as Record<string, unknown> & {
  events: Record<string, unknown>[]
}

test('every manifest we ship reads, under the name of its file', () => {
  const names = readdirSync(folder).filter((name) => name !== 'schema.json')
  expect(names.length).toBeGreaterThan(1)
  for (const name of names) {
    expect(`${parseManifest(readFileSync(new URL(name, folder)), name).handler}.json`).toBe(name)
  }
})

test('what is left out of needs is not needed, what is left out of limits has a default', () => {
  const manifest = parse({ ...good, needs: { fields: true }, limits: {} })
  expect(manifest.needs).toEqual({
    fields: true,
    kinds: [],
    namespaces: {},
    keys: [],
    outbox: [],
    approval: false,
    session: false,
    clock: false,
    random: false,
    log: false,
    audit: false,
  })
  expect(manifest.limits).toMatchObject({ deadlineMs: 1_000, hostCalls: 1_000, fuel: 250_000_000 })
})

const keyed = (...keys: unknown[]) => ({ ...good, needs: { fields: true, keys } })
const use = (alias: string, algorithm?: string) => ({ alias, uses: ['sign'], ...(algorithm && { algorithm }) })

test('keys: up to eight, each under its own name, of any algorithm', () => {
  const aliases = ['connection', 'identity', 'k3', 'k4', 'k5', 'k6', 'k7']
  const keys = [...aliases.map((alias) => use(alias)), use('coins', 'bip340')]
  expect(parse(keyed(...keys)).needs.keys).toEqual(keys)
  expect(parse(keyed(use('identity', 'ed25519'))).needs.keys).toEqual([use('identity', 'ed25519')])
})

test.each([
  ['nine keys', Array.from({ length: MANIFEST_KEYS_MAX + 1 }, (_, at) => use(`k${at}`)), 'needs.keys'],
  ['one name twice', [use('coins', 'bip340'), use('coins', 'ed25519')], 'names a key twice'],
  ['a vault’s own key of another algorithm', [use('identity', 'bip340')], 'are ed25519 keys'],
  ['a connection’s own key of another algorithm', [use('connection', 'bip340')], 'are ed25519 keys'],
  ['a name that is none', [use('My Key')], 'needs.keys.0.alias'],
  ['an unknown algorithm', [use('coins', 'rsa')], 'needs.keys.0.algorithm'],
])('keys: refuses %s', (_, keys, message) => {
  expect(() => parse(keyed(...keys))).toThrow(message)
})

const kinded = (kinds: readonly unknown[], fields = true) => ({ ...good, needs: { fields, kinds } })
const kindsOf = (count: number) => Array.from({ length: count }, (_, at) => `kind-${at}`)

test('kinds of entries: up to eight of its own', () => {
  expect(parse(kinded(kindsOf(MANIFEST_KINDS_MAX))).needs.kinds).toEqual(kindsOf(MANIFEST_KINDS_MAX))
})

test.each([
  ['nine', kinded(kindsOf(MANIFEST_KINDS_MAX + 1)), 'needs.kinds'],
  ['one twice', kinded(['allergy', 'allergy']), 'names a kind twice'],
  ['one that every device knows', kinded(['login']), 'is a common kind'],
  ['one that is none', kinded(['My Kind']), 'needs.kinds.0'],
  ['any without fields', { ...kinded(['allergy'], false), events: [] }, 'needs.kinds: needs.fields must be true'],
])('kinds of entries: refuses %s', (_, manifest, message) => {
  expect(messageOf(() => parse(manifest))).toContain(message)
})

test('lists all mistakes with file and path', () => {
  const event = { ...good.events[0], delivery: 'sometimes', request: { type: 'object', format: 'x', pattern: 'y' } }
  const bad = { ...good, handler: 'Data Access', events: [event], needs: { network: true }, limits: { deadline_ms: 0 } }
  const message = messageOf(() => parse(bad))
  for (const path of [
    'handler',
    'events.0.delivery',
    'events.0.request.format',
    'events.0.request.pattern',
    'needs',
    'limits.deadline_ms',
  ]) {
    expect(message).toContain(`m.json: ${path}: `)
  }
  expect(message).toContain('network')
})

test.each([
  ['an unknown key', { ...good, extra: 1 }, 'extra'],
  ['a type that is not noun.verb', { ...good, events: [{ ...good.events[0], type: 'data' }] }, 'events.0.type'],
  ['one type twice', { ...good, events: [good.events[0], good.events[0]] }, 'events.1.type'],
  ['by-tier without fields', { ...good, events: [{ ...good.events[0], fields: null }] }, 'events.0.approval'],
  ['fields that needs leave out', { ...good, needs: {} }, 'events.0.fields'],
  ['a pointer that is none', { ...good, events: [{ ...good.events[0], fields: 'fields' }] }, 'events.0.fields'],
  ['more memory than there is', { ...good, limits: { memory_bytes: 2 ** 40 } }, 'limits.memory_bytes'],
  ['the network', { ...good, needs: { fields: true, network: 'all' } }, 'network'],
  ['a version that is none', { ...good, version: '1.0' }, 'version'],
  ['a runtime that is none', { ...good, runtime: 'native' }, 'runtime'],
])('refuses %s', (_name, manifest, path) => {
  expect(messageOf(() => parse(manifest))).toContain(path)
})

test('refuses a key that stands twice: a reviewer reads the first, a parser keeps the last', () => {
  const text = JSON.stringify(good).replace('{', '{"handler":"other",')
  expect(messageOf(() => parseManifest(new TextEncoder().encode(text), 'm.json'))).toContain('write every key once')
})

test('refuses a file that is too large before it is parsed', () => {
  const bytes = new Uint8Array(MANIFEST_BYTES_MAX + 1).fill(0x20)
  expect(messageOf(() => parseManifest(bytes, 'm.json'))).toContain('larger than')
})

test('any bytes and any JSON are read or refused', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), attempt), { numRuns: 200 })
  const change = fc.tuple(fc.constantFrom(...Object.keys(good), 'extra'), fc.jsonValue())
  fc.assert(
    fc.property(fc.array(change, { maxLength: 3 }), (changes) => {
      attempt(new TextEncoder().encode(JSON.stringify({ ...good, ...Object.fromEntries(changes) })))
    }),
    { numRuns: 200 },
  )
})

test('what is published tells what it answers, and nothing of how', () => {
  const published = publishedManifest(parse(good))
  expect(Object.keys(published).sort()).toEqual(['author', 'events', 'handler', 'summary', 'version'])
})

function parse(manifest: unknown) {
  return parseManifest(new TextEncoder().encode(JSON.stringify(manifest)), 'm.json')
}

function messageOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof Refusal && error.code === 'manifest-invalid') return error.message
    throw error
  }
  throw new Error('nothing was refused')
}

function attempt(bytes: Uint8Array): void {
  try {
    parseManifest(bytes, 'm.json')
  } catch (error) {
    expect(error).toMatchObject({ code: 'manifest-invalid' })
  }
}
