/** Vaults in memory that send each other what their handlers send; time and what is lost on the way are the test's. */
import { createPrivateKey, createPublicKey, sign } from 'node:crypto'

import { beforeEach, expect, test } from 'vitest'

import { encodeBase64url } from '../sdk/base64url.ts'
import { grant, type Key, type MemoryItem } from '../sdk/memory/world.ts'
import { encodeUtf8 } from '../sdk/utf8.ts'
import { handle } from './handler.ts'
import type { Member, Proposal, Release } from './statement.ts'
import { releaseMistake } from './verify.ts'

const NOW = 1_800_000_000_000
const DAY_MS = 24 * 3_600_000
const EVENTS = ['transfer.ask', 'transfer.vote', 'transfer.propose', 'transfer.released']
const voters = ['ann', 'ben', 'cleo', 'dan', 'eva']

interface Sent {
  readonly to: string
  readonly type: string
  readonly body: unknown
}
interface Vault {
  readonly items: Map<string, MemoryItem>
  readonly key: Key
  readonly publicKey: string
  readonly notices: { readonly type: string; readonly body: unknown }[]
  /** What waits to be carried to other vaults. */
  readonly out: Sent[]
}
interface Status {
  readonly state: string
  readonly hash: string
  readonly proposal: Proposal
  readonly waiting: readonly string[]
  readonly approvals: number
  readonly missing: number
  readonly votes: readonly unknown[]
  readonly release: Release | null
}

let vaults: Map<string, Vault>
let now: number
let events: number
let unreachable: Set<string>

beforeEach(() => {
  now = NOW
  events = 0
  unreachable = new Set()
  vaults = new Map(['host', 'mallory', ...voters].map((name, index) => [name, vaultOf(index + 1)]))
})

function vaultOf(seed: number): Vault {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, seed)])
  const secret = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const raw = createPublicKey(secret).export({ format: 'der', type: 'spki' }).subarray(-32)
  const key = {
    publicKey: new Uint8Array(raw),
    sign: (message: Uint8Array) => new Uint8Array(sign(null, message, secret)),
  }
  return { items: new Map(), key, publicKey: encodeBase64url(key.publicKey), notices: [], out: [] }
}

function at(name: string): Vault {
  const vault = vaults.get(name)
  if (vault === undefined) throw new Error(`no vault ${name}`)
  return vault
}

/** Every vault is connected to every other: alias and connection id say whose. */
function run(vault: string, eventType: string, request: unknown, from?: string): unknown {
  const { items, key, notices, out } = at(vault)
  const reaches = [...vaults.keys()].filter((name) => !unreachable.has(name)).map((name) => [name, EVENTS] as const)
  const sent: Sent[] = []
  const session = from?.startsWith('owner')
    ? { kind: 'owner' as const, connection: 'phone', connectionId: from.slice('owner@'.length) }
    : { kind: 'peer' as const, connection: from ?? '', connectionId: `c-${from}` }
  const before = new Map(items)
  grant({
    session: { eventType, eventId: `event-${++events}`, ...session },
    namespaces: { handler: { items, writable: true } },
    keys: { identity: key },
    reaches: Object.fromEntries(reaches),
    sent,
    now,
  })
  try {
    const outcome = handle(encodeUtf8(JSON.stringify(request)))
    for (const each of sent) (each.to === 'owner' ? notices : out).push(each)
    return outcome.tag === 'reply' ? (JSON.parse(new TextDecoder().decode(outcome.val)) as unknown) : null
  } catch (error) {
    items.clear()
    for (const [name, item] of before) items.set(name, item)
    throw error
  }
}

/** Carries what waits, and what comes of it; refusals are given back. */
function carry(...names: string[]): unknown[] {
  const refusals: unknown[] = []
  for (const name of names.length > 0 ? names : vaults.keys()) {
    for (const { to, type, body } of at(name).out.splice(0)) {
      try {
        run(to, type, body, name)
      } catch (error) {
        refusals.push((error as { code?: string }).code)
      }
    }
  }
  return refusals
}

const code = (code: string): unknown => expect.objectContaining({ code })
const membersOf = (names: readonly string[]): { name: string; connection: string; key: string }[] =>
  names.map((name) => ({ name, connection: `c-${name}`, key: at(name).publicKey }))
const transfer = { amountMinor: 250_000, currency: 'EUR', payee: 'Builder GmbH', purpose: 'Second instalment' }
const setPolicy = (threshold = 3, names = voters): unknown =>
  run('host', 'transfer.policy', { threshold, members: membersOf(names) }, 'owner@')
const statusOf = (id: string): Status => run('host', 'transfer.status', { id }, 'owner@') as Status
const cast = (voter: string, id: string, choice = 'approve'): unknown =>
  run(voter, 'transfer.cast', { id, choice }, 'owner@c-host')

const kept = (prefix: string, name = 'host'): number =>
  [...at(name).items.keys()].filter((key) => key.startsWith(prefix)).length

function propose(changes: object = {}): string {
  const { proposal } = run('host', 'transfer.propose', { ...transfer, ...changes }, 'owner@') as Status
  carry('host')
  return proposal.id
}

test('three of five approve, and it is released once: to every member, and so that anybody can check it', () => {
  setPolicy()
  const id = propose()
  expect(at('ann').notices).toMatchObject([
    { type: 'transfer.asked', body: { id, from: 'host', amountMinor: 250_000 } },
  ])
  for (const voter of ['ann', 'ben']) cast(voter, id)
  carry()
  expect(statusOf(id)).toMatchObject({ state: 'open', approvals: 2, missing: 1, waiting: ['cleo', 'dan', 'eva'] })
  cast('dan', id)
  const [decisive] = at('dan').out
  carry('dan')
  const { state, release, missing } = statusOf(id)
  expect([state, missing]).toEqual(['released', 0])
  if (release === null) throw new Error('no release')
  expect(releaseMistake(release)).toBeUndefined()
  expect(release.votes.map(({ key }) => key)).toEqual(['ann', 'ben', 'dan'].map((name) => at(name).publicKey))
  expect(at('host').out.map(({ to, type }) => `${type} ${to}`)).toEqual(
    voters.map((name) => `transfer.released ${name}`),
  )
  expect(carry('host')).toEqual([])
  const told = at('eva').notices.filter(({ type }) => type === 'transfer.released')
  expect(told).toEqual([expect.objectContaining({ body: { from: 'host', connection: 'c-host', release } })])
  cast('eva', id)
  expect(carry('eva')).toEqual(['transfer-closed'])
  run('host', 'transfer.vote', decisive?.body, 'dan')
  expect(at('host').out).toEqual([])
  run('eva', 'transfer.released', { release }, 'host')
  expect(at('eva').notices).toHaveLength(2)
  expect(run('eva', 'transfer.asked', {}, 'owner@c-host')).toMatchObject({
    asked: [{ hash: statusOf(id).hash, release }],
  })
})

test('one member is one vote, and the last one: however often it comes, and in whatever order', () => {
  setPolicy()
  const id = propose()
  cast('ann', id)
  cast('ann', id)
  const [first, second] = at('ann').out.splice(0)
  cast('ann', id, 'reject')
  const third = at('ann').out.splice(0)[0]
  for (const vote of [second, second, third]) run('host', 'transfer.vote', vote?.body, 'ann')
  expect(statusOf(id)).toMatchObject({ approvals: 0, votes: [{ name: 'ann', choice: 'reject' }] })
  expect(() => run('host', 'transfer.vote', first?.body, 'ann')).toThrow(code('vote-outdated'))
  expect(run('host', 'transfer.vote', third?.body, 'ann')).toMatchObject({ votes: [{ name: 'ann', choice: 'reject' }] })
})

test('a vote counts for the connection it came over, under that member’s key alone', () => {
  setPolicy()
  const id = propose()
  cast('ann', id)
  const body = at('ann').out.splice(0)[0]?.body as object
  expect(() => run('host', 'transfer.vote', body, 'ben')).toThrow(code('vote-invalid'))
  expect(() => run('host', 'transfer.vote', body, 'mallory')).toThrow(code('transfer-unknown'))
  expect(() => run('host', 'transfer.vote', { ...body, choice: 'reject' }, 'ann')).toThrow(code('vote-invalid'))
  expect(() => run('host', 'transfer.vote', { ...body, id: 'another' }, 'ann')).toThrow(code('transfer-unknown'))
  const other = propose({ amountMinor: 1 })
  expect(() => run('host', 'transfer.vote', { ...body, id: other }, 'ann')).toThrow(code('vote-invalid'))
  const { hash } = statusOf(other)
  expect(() => run('host', 'transfer.vote', { ...body, id: other, hash }, 'ann')).toThrow(code('vote-invalid'))
  expect(statusOf(id).votes).toEqual([])
  run('host', 'transfer.vote', body, 'ann')
  expect(statusOf(id).approvals).toBe(1)
})

test('when too few are left to approve it is rejected, and nothing is released', () => {
  setPolicy()
  const id = propose()
  for (const voter of ['ann', 'ben', 'cleo']) cast(voter, id, 'reject')
  carry('ann', 'ben', 'cleo')
  expect(statusOf(id)).toMatchObject({ state: 'rejected', release: null })
  expect(at('host').notices.at(-1)).toMatchObject({ type: 'transfer.closed', body: { id, state: 'rejected' } })
  cast('dan', id)
  expect(carry('dan')).toEqual(['transfer-closed'])
})

test('what has expired is voted on no more, on either side', () => {
  setPolicy()
  const id = propose({ expires: NOW + DAY_MS })
  for (const voter of ['ann', 'ben', 'cleo']) cast(voter, id)
  carry('ann', 'ben')
  now = NOW + DAY_MS
  expect(carry('cleo')).toEqual(['transfer-expired'])
  expect(() => cast('dan', id)).toThrow(code('transfer-expired'))
  expect(statusOf(id)).toMatchObject({ state: 'expired', approvals: 2, release: null })
  for (const expires of [now, now + 30 * DAY_MS + 1]) expect(() => propose({ expires })).toThrow(code('expiry-invalid'))
})

test('another policy is for what is proposed after it', () => {
  setPolicy()
  const id = propose()
  setPolicy(1, ['mallory'])
  for (const voter of ['ann', 'ben', 'cleo']) cast(voter, id)
  expect(carry('ann', 'ben', 'cleo')).toEqual([])
  expect(statusOf(id)).toMatchObject({ state: 'released', proposal: { threshold: 3 } })
  expect(statusOf(propose()).proposal.members.map(({ name }) => name)).toEqual(['mallory'])
  expect(run('host', 'transfer.policy', {}, 'owner@')).toMatchObject({ policy: { version: 2, threshold: 1 } })
})

test('the vault that holds a transfer may be one of those who vote', () => {
  const members = [{ name: 'me' }, ...membersOf(['ann', 'ben'])]
  run('host', 'transfer.policy', { threshold: 2, members }, 'owner@')
  const id = propose()
  run('host', 'transfer.cast', { id, choice: 'approve' }, 'owner@')
  expect(statusOf(id)).toMatchObject({ approvals: 1, waiting: ['ann', 'ben'] })
  run('host', 'transfer.cast', { id, choice: 'approve' }, 'owner@')
  expect(statusOf(id).state).toBe('open')
  cast('ben', id)
  carry('ben')
  const { release } = statusOf(id)
  expect(release && releaseMistake(release)).toBeUndefined()
  expect(() => run('host', 'transfer.cast', { id: 'none', choice: 'approve' }, 'owner@')).toThrow(
    code('transfer-unknown'),
  )
})

test('whoever cannot be reached keeps nobody from anything', () => {
  setPolicy()
  unreachable = new Set(['eva'])
  const id = propose()
  expect(at('host').notices.at(-1)).toMatchObject({ type: 'transfer.proposed', body: { unreached: ['eva'] } })
  expect(() => cast('eva', id)).toThrow(code('transfer-unknown'))
  for (const voter of ['ann', 'ben', 'cleo']) cast(voter, id)
  carry('ann', 'ben', 'cleo')
  expect(statusOf(id).state).toBe('released')
  unreachable = new Set(['host'])
  expect(() => cast('dan', id)).toThrow(expect.objectContaining({ code: 'peer-unavailable', retry: true }))
})

test('a peer proposes, may ask how it stands, and is sent the release', () => {
  setPolicy(1, ['ann'])
  run('mallory', 'transfer.propose', { ...transfer, to: 'host' }, 'owner@')
  expect(carry('mallory')).toEqual([])
  const [{ body } = { body: {} }] = at('host').notices
  const { id } = body as { id: string }
  carry('host')
  expect(run('host', 'transfer.status', { id }, 'mallory')).toMatchObject({
    state: 'open',
    proposal: { proposer: 'mallory' },
  })
  expect(() => run('host', 'transfer.status', { id }, 'ben')).toThrow(code('transfer-unknown'))
  cast('ann', id)
  carry('ann', 'host')
  expect(at('mallory').notices).toMatchObject([{ type: 'transfer.released', body: { release: { proposal: { id } } } }])
  expect(() => run('host', 'transfer.propose', { ...transfer, to: 'ann' }, 'mallory')).toThrow(code('owner-only'))
  expect(() => run('ann', 'transfer.propose', { ...transfer, to: 'nobody' }, 'owner@')).toThrow(
    code('peer-unavailable'),
  )
})

test('nobody is shown one proposal and made to vote on another', () => {
  setPolicy()
  const { proposal } = statusOf(propose())
  const changed = { ...proposal, amountMinor: 1 }
  expect(() => run('ann', 'transfer.ask', { proposal: changed }, 'host')).toThrow(code('proposal-changed'))
  expect(run('ann', 'transfer.ask', { proposal }, 'host')).toMatchObject({ id: proposal.id })
  expect(at('ann').notices).toHaveLength(1)
  expect(() => run('mallory', 'transfer.ask', { proposal }, 'host')).toThrow(code('not-a-member'))
  now = proposal.expires
  expect(() => run('ann', 'transfer.ask', { proposal }, 'ben')).toThrow(code('transfer-expired'))
})

test('a release with anything changed is none', () => {
  setPolicy(2)
  const id = propose()
  for (const voter of ['ann', 'ben']) cast(voter, id)
  carry('ann', 'ben')
  const { release } = statusOf(id)
  if (release === null) throw new Error('no release')
  const { proposal, votes } = release
  const [first] = votes
  const strangers: Member[] = [{ name: 'x', key: at('mallory').publicKey }]
  const other = { ...release, proposal: { ...proposal, payee: 'Mallory' } }
  const changes: Record<string, Release> = {
    'a vote is not signed': other,
    'not signed by the vault': { ...release, releasedAt: release.releasedAt + 1 },
    'too few': { ...release, votes: votes.slice(1) },
    'a member is in it twice': { ...release, votes: first ? [first, first] : [] },
    'not a member’s yes': { ...release, proposal: { ...proposal, members: strangers, threshold: 1 } },
    'policy is none': { ...release, proposal: { ...proposal, threshold: 0 } },
    'had expired': { ...release, releasedAt: proposal.expires },
  }
  for (const [reason, changed] of Object.entries(changes)) {
    expect(releaseMistake(changed)).toContain(reason)
    expect(() => run('eva', 'transfer.released', { release: changed }, 'host')).toThrow(code('release-invalid'))
  }
  expect(at('eva').notices.map(({ type }) => type)).toEqual(['transfer.asked'])
})

test('a true release of another proposal is not the one that was voted on', () => {
  setPolicy(1, ['ann'])
  const id = propose()
  cast('ann', id)
  carry('ann')
  const { release } = statusOf(id)
  const proposal = { ...release?.proposal, amountMinor: 7 }
  run('ann', 'transfer.ask', { proposal }, 'ben')
  expect(() => run('ann', 'transfer.released', { release }, 'ben')).toThrow(code('proposal-changed'))
})

test.each([
  ['a threshold nobody reaches', 6, {}],
  ['one key twice', 3, { key: () => at('ben').publicKey }],
  ['one connection twice', 3, { connection: () => 'c-ben' }],
  ['one name twice', 3, { name: () => 'ben' }],
  ['a key that is none', 3, { key: () => encodeBase64url(new Uint8Array(32)) }],
  ['this vault’s key for another', 3, { key: () => at('host').publicKey }],
])('no policy: %s', (_name, threshold, change: Record<string, () => string>) => {
  const changed = Object.fromEntries(Object.entries(change).map(([name, value]) => [name, value()]))
  const [first, ...rest] = membersOf(voters)
  const members = [{ ...first, ...changed }, ...rest]
  expect(() => run('host', 'transfer.policy', { threshold, members }, 'owner@')).toThrow(code('policy-invalid'))
  expect(() => propose()).toThrow(code('no-policy'))
})

test('a proposer has so many open at once, and old ones are forgotten', () => {
  setPolicy(1, ['ann'])
  const [first = ''] = Array.from({ length: 32 }, () => propose())
  expect(() => propose()).toThrow(code('too-many-open'))
  cast('ann', first)
  carry('ann')
  propose()
  expect(() => propose()).toThrow(code('too-many-open'))
  for (let week = 1; week <= 3; week++) {
    now = NOW + week * 8 * DAY_MS
    for (let count = 0; count < 20; count++) propose()
  }
  expect([kept('transfer/'), kept('made/'), statusOf(first).state]).toEqual([53, 53, 'released'])
  now = NOW + 400 * DAY_MS
  for (let count = 0; count < 28; count++) propose()
  expect(() => statusOf(first)).toThrow(code('transfer-unknown'))
  expect([kept('transfer/'), kept('made/'), kept('ask/', 'ann')]).toEqual([28, 28, 121])
  for (let count = 0; count < 4; count++) propose()
  now += 8 * DAY_MS
  for (let count = 0; count < 8; count++) propose()
  expect(kept('ask/', 'ann')).toBe(128)
})

test('a vault that asks has so many open at once', () => {
  setPolicy()
  const { proposal } = statusOf(propose())
  for (let count = 1; count < 32; count++)
    run('ann', 'transfer.ask', { proposal: { ...proposal, id: `${count}` } }, 'host')
  const more = { proposal: { ...proposal, id: 'more' } }
  expect(() => run('ann', 'transfer.ask', more, 'host')).toThrow(code('too-many-open'))
  expect(run('ann', 'transfer.ask', more, 'ben')).toMatchObject({ id: 'more' })
  const page = run('ann', 'transfer.asked', {}, 'owner@c-host') as { asked: unknown[]; next: string }
  const rest = run('ann', 'transfer.asked', { after: page.next }, 'owner@c-host') as typeof page
  expect([page.asked.length, rest.asked.length, rest.next]).toEqual([16, 16, null])
})
