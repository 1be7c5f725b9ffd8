import { expect, test } from 'vitest'

import { manifestOf, memoryNamespace, registryOf } from './fixtures/stage.ts'
import { type ContractPermits, grantFor } from './grant.ts'
import type { Manifest } from './manifest.ts'
import type { Registered } from './registry.ts'

const all: ContractPermits = { store: true, messages: true, authentication: true }
const key = { publicKey: new Uint8Array(32), sign: () => new Uint8Array(64) }
const base = registryOf('data-access').lookup('data.request')!

const grant = (needs: Partial<Manifest['needs']>, permits: Partial<ContractPermits> = {}) => {
  const none = { ...manifestOf('traps').needs, ...needs }
  const registered: Registered = { ...base, manifest: { ...base.manifest, needs: none } }
  return grantFor({
    registered,
    permits: { ...all, ...permits },
    fields: new Map([['email', 'a@b.c']]),
    connection: memoryNamespace(),
    handler: memoryNamespace('handler/test'),
    keys: new Map([
      ['connection', key],
      ['vault', key],
    ]),
    reaches: () => true,
  })
}

test('a handler that needs nothing gets nothing', () => {
  const sources = grant({})
  expect([sources.fields.size, sources.namespaces.size, sources.keys.size, sources.outbox.size]).toEqual([0, 0, 0, 0])
})

test('fields: granted when needed', () => {
  expect(grant({ fields: true }).fields.get('email')).toBe('a@b.c')
})

test('the connection’s namespace: writable when the manifest and the contract both say so', () => {
  expect(writable('rw', true)).toBe(true)
  expect(writable('rw', false)).toBe(false)
  expect(writable('r', true)).toBe(false)
})

test('the handler’s own namespace: as the manifest says, whatever the contract says of storing', () => {
  const { namespaces } = grant({ namespaces: { handler: 'rw' } }, { store: false })
  expect([...namespaces.keys()]).toEqual(['handler'])
  expect(namespaces.get('handler')).toMatchObject({ writable: true, namespace: { name: 'handler/test' } })
  expect(grant({ namespaces: { handler: 'r' } }).namespaces.get('handler')?.writable).toBe(false)
})

test('keys: those of the manifest, if the contract permits authentication', () => {
  const keys = [{ alias: 'connection', uses: ['sign'] }] as const
  expect([...grant({ keys }).keys.keys()]).toEqual(['connection'])
  expect(grant({ keys }, { authentication: false }).keys.size).toBe(0)
})

test('outgoing targets: the connection only if the contract permits messages', () => {
  const outbox = ['owner', 'connection'] as const
  expect([...grant({ outbox }).outbox]).toEqual(['owner', 'connection'])
  expect([...grant({ outbox }, { messages: false }).outbox]).toEqual(['owner'])
  const others = ['connections'] as const
  expect([...grant({ outbox: others }, { messages: false }).outbox]).toEqual(['connections'])
  expect(grant({ outbox: others }).reaches?.('bob', 'a.b')).toBe(true)
  expect(grant({ outbox }).reaches).toBeUndefined()
})

function writable(right: 'r' | 'rw', store: boolean): boolean | undefined {
  return grant({ namespaces: { connection: right } }, { store }).namespaces.get('connection')?.writable
}
