import { expect, test } from 'vitest'

import { parseManifest } from '#host/plugin/manifest.ts'

import { changesOf, grantsOf } from './changes.ts'

const event = {
  type: 'data.access',
  delivery: 'critical',
  from: ['connection'],
  permission: 'data',
  approval: 'by-tier',
  fields: '/fields',
  request: { type: 'object' },
  reply: { type: 'object' },
}
const base = {
  handler: 'one',
  version: '1.0.0',
  summary: 'A handler.',
  author: 'somebody',
  runtime: 'component',
  events: [event],
  needs: { fields: true, namespaces: { connection: 'r' }, keys: [{ alias: 'connection', uses: ['sign'] }] },
  limits: { deadline_ms: 100 },
}

const manifest = (value: unknown) => parseManifest(new TextEncoder().encode(JSON.stringify(value)), 'one.json')
const of = (after: object, before: object = base) =>
  changesOf(manifest(before), manifest(after)).map(({ effect, text }) => `${effect}: ${text}`)
const withEvent = (changes: object) => ({ ...base, events: [{ ...event, ...changes }] })
const withNeeds = (changes: object) => ({ ...base, needs: { ...base.needs, ...changes } })

test('of two equal manifests nothing changes, whatever their version', () => {
  expect(of({ ...base, version: '2.0.0', summary: 'Said otherwise.' })).toEqual([])
})

// Each is read both ways round: what widens one way narrows the other.
test.each<[object, string, string]>([
  [{ ...base, events: [event, { ...event, type: 'data.put' }] }, 'answers data.put', 'answers data.put no more'],
  [
    withEvent({ from: ['connection', 'owner'] }),
    'data.access: may be sent by owner',
    'data.access: may be sent by owner no more',
  ],
  [
    withEvent({ permission: null }),
    'data.access: the contract must permit nothing more (was: data)',
    'data.access: the contract must permit data (was: nothing more)',
  ],
  [
    withEvent({ approval: 'never' }),
    'data.access: the owner is asked never (was: by-tier)',
    'data.access: the owner is asked by-tier (was: never)',
  ],
  [withNeeds({ clock: true }), 'uses clock', 'uses clock no more'],
  [
    withNeeds({ namespaces: { connection: 'rw' } }),
    'store of the connection: rw (was: r)',
    'store of the connection: r (was: rw)',
  ],
  [
    withNeeds({ namespaces: { connection: 'r', handler: 'r' } }),
    'store of the handler: r (was: nothing)',
    'store of the handler: nothing (was: r)',
  ],
  [
    withNeeds({ namespaces: { connection: 'r', 'sandbox/mutual': 'rw' } }),
    'store of the sandbox/mutual: rw (was: nothing)',
    'store of the sandbox/mutual: nothing (was: rw)',
  ],
  [withNeeds({ kinds: ['allergy'] }), 'reads entries of kind allergy', 'reads entries of kind allergy no more'],
  [
    withNeeds({ keys: [...base.needs.keys, { alias: 'mine', uses: ['sign'], algorithm: 'bip340' }] }),
    'signs with key mine (bip340)',
    'signs with key mine (bip340) no more',
  ],
  [withNeeds({ credentials: 'list' }), 'credentials: list (was: nothing)', 'credentials: nothing (was: list)'],
  [withNeeds({ outbox: ['connections'] }), 'sends to connections', 'sends to connections no more'],
  [
    { ...base, limits: { deadline_ms: 200 } },
    'limit: 200 ms of one event (was: 100)',
    'limit: 100 ms of one event (was: 200)',
  ],
])('%j widens, and its opposite narrows', (wider, widened, narrowed) => {
  expect(of(wider)).toEqual([`widened: ${widened}`])
  expect(of(base, wider)).toEqual([`narrowed: ${narrowed}`])
})

test('an approval that is asked for more often narrows', () => {
  expect(of(withEvent({ approval: 'always' }))).toEqual([
    'narrowed: data.access: the owner is asked always (was: by-tier)',
  ])
})

test('personal fields are asked for, no more, or named elsewhere', () => {
  const without = withEvent({ fields: null, approval: 'never' })
  expect(of(without)).toContain('narrowed: data.access: asks for no personal fields any more')
  expect(of(base, without)).toContain('widened: data.access: asks for personal fields')
  expect(of(withEvent({ fields: '/others' }))).toEqual([
    'changed: data.access: names the personal fields elsewhere in its request',
  ])
})

test('what is neither more nor less is said to have changed', () => {
  expect(of({ ...base, author: 'another' })).toEqual(['changed: author: another (was: somebody)'])
  expect(of(withEvent({ permission: 'store' }))).toEqual([
    'changed: data.access: the contract must permit store (was: data)',
  ])
  expect(of(withEvent({ delivery: 'best-effort', request: {}, reply: {} }))).toEqual([
    'changed: data.access: is now best-effort',
    'changed: data.access: has another request',
    'changed: data.access: has another reply',
  ])
})

test('a new handler is told with all it may do', () => {
  expect(grantsOf(manifest(base)).map(({ effect, text }) => `${effect}: ${text}`)).toEqual([
    'widened: answers data.access',
    'widened: uses fields',
    'widened: store of the connection: r (was: nothing)',
    'widened: signs with key connection',
  ])
})
