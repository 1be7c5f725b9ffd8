import { expect, test } from 'vitest'

import { type KeyAlgorithm, keyAlgorithms } from '#host/crypto/key-algorithm.ts'
import type { Signer } from '#host/crypto/signer.ts'

import { manifestOf, memoryNamespace, registryOf } from './fixtures/stage.ts'
import { type ContractPermits, grantFor, type HeldCredential, labelGrant } from './grant.ts'
import type { Manifest } from './manifest.ts'
import type { Registered } from './registry.ts'

const cap = { categories: ['notes'], bytesMax: 10 }
const all: ContractPermits = { store: cap, messages: true, authentication: true }
const ed25519 = keyOf('ed25519')
const base = registryOf('data-access').lookup('data.request')!

const held = (...claims: string[]): HeldCredential => ({
  metadata: { alias: 'a', kind: 'licence', issuer: 'i', label: 'l', claims, expires: null },
  prove: ({ disclose }) => Promise.resolve(new TextEncoder().encode(disclose.join())),
})
const shared = (writable: boolean) => ({ namespace: memoryNamespace(), writable, cap })
const nonce = new Uint8Array(16)

const grant = (
  needs: Partial<Manifest['needs']>,
  permits: Partial<ContractPermits> = {},
  fields: string | null = '/fields',
) => {
  const none = { ...manifestOf('traps').needs, ...needs }
  const event = { ...base.event, fields }
  const registered: Registered = { ...base, event, manifest: { ...base.manifest, needs: none } }
  return grantFor({
    registered,
    permits: { ...all, ...permits },
    fields: new Map([['email', 'a@b.c']]),
    connection: memoryNamespace(),
    handler: memoryNamespace('handler/test'),
    sandboxes: [
      { id: 's-1', areas: { mutual: shared(true), own: shared(true) } },
      { id: 's-2', areas: { mutual: shared(false) } },
    ],
    keys: new Map([
      ['connection', ed25519],
      ['identity', ed25519],
      ['coins', keyOf('ecdsa-secp256k1')],
      ['taproot', keyOf('bip340')],
    ]),
    credentials: new Map([
      ['car', held('over_21', 'birth_date')],
      ['gym', held('member')],
    ]),
    admitted: ['over_21', 'email'],
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
  expect(grant({ namespaces: { connection: 'rw' } }).namespaces.get('connection')?.cap).toBe(cap)
})

const rights = (needs: Manifest['needs']['namespaces']) =>
  [...grant({ namespaces: needs }).namespaces].map(([label, { writable }]) => [label, writable])

test('shared sandboxes: the areas it needs, writable when the manifest and the terms both say so', () => {
  expect(rights({ 'sandbox/mutual': 'rw', 'sandbox/own': 'r' })).toEqual([
    ['sandbox/s-1/mutual', true],
    ['sandbox/s-1/own', false],
    ['sandbox/s-2/mutual', false],
  ])
  expect(rights({ 'sandbox/mutual': 'r' })).toEqual([
    ['sandbox/s-1/mutual', false],
    ['sandbox/s-2/mutual', false],
  ])
  expect(rights({ connection: 'rw' })).toEqual([['connection', true]])
})

test('the handler’s own namespace: as the manifest says, whatever the contract says of storing', () => {
  const { namespaces } = grant({ namespaces: { handler: 'rw' } }, { store: null })
  expect([...namespaces.keys()]).toEqual(['handler'])
  expect(namespaces.get('handler')).toMatchObject({ writable: true, namespace: { name: 'handler/test' } })
  expect(grant({ namespaces: { handler: 'r' } }).namespaces.get('handler')?.writable).toBe(false)
})

test('a cell is told what a namespace may hold and what it holds', () => {
  const namespace = memoryNamespace()
  namespace.set('é', 'abc')
  expect(labelGrant(['connection', { namespace, writable: true, cap }])).toEqual({
    label: 'connection',
    writable: true,
    cap: { ...cap, bytesUsed: 5 },
  })
})

test('keys: those of the manifest; the connection’s own if the contract permits authentication', () => {
  const [connection, identity, coins, absent] = ['connection', 'identity', 'coins', 'absent'].map((alias) =>
    signing(alias),
  )
  const keys = [connection!, identity!, coins!, absent!]
  expect([...grant({ keys }).keys.keys()]).toEqual(['connection', 'identity', 'coins'])
  expect([...grant({ keys }, { authentication: false }).keys.keys()]).toEqual(['identity', 'coins'])
  expect([...grant({ keys: [coins!] }).keys.keys()]).toEqual(['coins'])
  expect(grant({ keys: [coins!] }).keys.get('coins')).toMatchObject({ algorithm: 'ecdsa-secp256k1' })
})

test.each(keyAlgorithms)('keys: one that is to be %s is that, or as absent as any other', (algorithm) => {
  const keys = ['identity', 'coins', 'taproot'].map((alias) => signing(alias, algorithm))
  expect([...grant({ keys }).keys.keys()]).toEqual([ofAlgorithm[algorithm]])
})

test('credentials: those with an admitted claim, and of these the admitted claims alone', async () => {
  const { credentials } = grant({ credentials: 'prove' })
  expect([...credentials.keys()]).toEqual(['car'])
  const car = credentials.get('car')
  expect(car?.metadata.claims).toEqual(['over_21'])
  expect(await car?.prove({ disclose: ['over_21', 'over_21'], nonce })).toEqual(new TextEncoder().encode('over_21'))
  for (const disclose of [[], ['birth_date'], ['over_21', 'birth_date'], ['email'], ['nothing']]) {
    expect(car?.prove({ disclose, nonce }), disclose.join()).toBeUndefined()
  }
})

test('credentials: none unless needed, and no proof for who may only list them', () => {
  expect(grant({}).credentials.size).toBe(0)
  const car = grant({ credentials: 'list' }).credentials.get('car')
  expect(car?.metadata.claims).toEqual(['over_21'])
  expect(car?.prove({ disclose: ['over_21'], nonce })).toBeUndefined()
})

test('credentials: an event that asks for no fields sees all of them and proves nothing', () => {
  const { credentials } = grant({ credentials: 'prove' }, {}, null)
  expect([...credentials.values()].map(({ metadata }) => metadata.claims)).toEqual([
    ['over_21', 'birth_date'],
    ['member'],
  ])
  expect(credentials.get('car')?.prove({ disclose: ['over_21'], nonce })).toBeUndefined()
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

const ofAlgorithm = { ed25519: 'identity', 'ecdsa-secp256k1': 'coins', bip340: 'taproot' } as const

function signing(alias: string, algorithm?: KeyAlgorithm): Manifest['needs']['keys'][number] {
  return { alias, uses: ['sign'], algorithm }
}

function keyOf(algorithm: KeyAlgorithm): Signer {
  return { algorithm, publicKey: new Uint8Array(32), sign: () => new Uint8Array(64) }
}

function writable(right: 'r' | 'rw', store: boolean): boolean | undefined {
  return grant({ namespaces: { connection: right } }, { store: store ? cap : null }).namespaces.get('connection')
    ?.writable
}
