/** Transfers on a whole host: votes of services with keys of their own, two of them at the same moment. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { createPool, type Pool } from '#host/plugin/pool.ts'
import { type Release, voteMessage } from '../plugins/multi-signature/statement.ts'
import { releaseMistake } from '../plugins/multi-signature/verify.ts'
import { type Asker, connectService, told } from './service.fixture.ts'
import { gatedPool, startWorld, until, type World } from './world.fixture.ts'

interface Voter {
  readonly asker: Asker
  readonly key: string
  readonly secret: KeyObject
}

interface Status {
  readonly state: string
  readonly hash: string
  readonly approvals: number
  readonly proposal: { readonly id: string }
  readonly release: Release | null
}

const names = ['Ann', 'Ben', 'Cleo', 'Dan', 'Eva'] as const
const transfer = { amountMinor: 250_000, currency: 'EUR', payee: 'Builder GmbH', purpose: 'Second instalment' }
let world: World
let pool: Pool
let voters: ReadonlyMap<string, Voter>

beforeAll(async () => {
  world = await startWorld({ handlers: ['multi-signature'] })
  pool = await createPool({ registry: world.host.registry, cells: 2, spares: 0 })
  const joined = new Map<string, Voter>()
  for (const name of names) {
    const { publicKey, privateKey: secret } = generateKeyPairSync('ed25519')
    const key = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64url')
    joined.set(name, { asker: await connectService(world, name), key, secret })
  }
  voters = joined
  const members = [...joined].map(([name, { asker, key }]) => ({ name, key, connection: asker.invitation.connection }))
  await world.alice.run('transfer.policy', { threshold: 3, members })
})
afterAll(async () => {
  await pool[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

function voterOf(name: (typeof names)[number]): Voter {
  const voter = voters.get(name)
  if (!voter) throw new Error(`${name} does not vote`)
  return voter
}

function ballot({ secret }: Voter, { proposal: { id }, hash }: Status): object {
  const vote = { id, hash, choice: 'approve', at: world.clock.now } as const
  return { ...vote, signature: sign(null, voteMessage(vote), secret).toString('base64url') }
}

async function vote(name: (typeof names)[number], on: Status): Promise<unknown> {
  const voter = voterOf(name)
  return voter.asker.ask('transfer.vote', ballot(voter, on))
}

const propose = async () => (await world.alice.run('transfer.propose', transfer)) as Status
const statusOf = async ({ proposal: { id } }: Status) => (await world.alice.run('transfer.status', { id })) as Status
const closed = expect.objectContaining({ status: 'refused', code: 'transfer-closed' })

/** Every release that leaves from now on. */
async function releases(): Promise<() => number> {
  const heard = await world.listen('MessageSpace.alice.forService.>')
  return () => heard.filter(({ subject }) => subject.endsWith('.transfer.released')).length
}

test('of two votes that would each make the quorum, one does, and it is released once', async () => {
  const proposed = await propose()
  const sent = await releases()
  await vote('Ann', proposed)
  await vote('Ben', proposed)
  const cleo = voterOf('Cleo')
  const held = await cleo.asker.hold('transfer.vote', ballot(cleo, proposed))
  const gated = gatedPool(pool)
  const slow = world.hand(held.message, { pool: gated })
  // Her vote is counted, and the release signed: nothing of it is committed yet.
  await gated.entered
  expect(await vote('Dan', proposed)).toMatchObject({ status: 'replied', body: { state: 'released' } })
  gated.release()
  expect((await slow).outcome).toBe('handler-refused')
  expect(told(await held.answer)).toEqual(closed)
  await until('the release is sent', () => sent() >= names.length)
  expect(sent()).toBe(names.length)
  const { release } = await statusOf(proposed)
  expect(release && releaseMistake(release)).toBeUndefined()
  expect(release?.votes.map(({ key }) => key)).toEqual(
    (['Ann', 'Ben', 'Dan'] as const).map((name) => voterOf(name).key),
  )
})

test('however many vote at once, three make the quorum', async () => {
  const proposed = await propose()
  const sent = await releases()
  const answers = await Promise.all(names.map((name) => vote(name, proposed)))
  expect(answers.filter((answer) => closed.asymmetricMatch(answer))).toHaveLength(2)
  expect(await statusOf(proposed)).toMatchObject({ state: 'released', approvals: 3 })
  await until('the release is sent', () => sent() >= names.length)
  expect(sent()).toBe(names.length)
})

test('a vote under another key is none, whoever sends it', async () => {
  const proposed = await propose()
  const forged = ballot(voterOf('Ben'), proposed)
  expect(await voterOf('Ann').asker.ask('transfer.vote', forged)).toMatchObject({ code: 'vote-invalid' })
  expect(await statusOf(proposed)).toMatchObject({ state: 'open', approvals: 0 })
})
