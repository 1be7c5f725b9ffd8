/** Random sequences on two real vaults, held against the same oracle as the rules alone. */
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { line, oracle, type Sight } from '#host/contracts/sandbox-oracle.fixture.ts'
import { clausesArbitrary, deedOf, stepArbitrary } from '#host/contracts/sandbox-steps.fixture.ts'
import type { SandboxClauses } from '#host/contracts/sandbox.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { type SandboxPeers, type Shared, startSandboxes, text } from './sandbox.fixture.ts'

let all: SandboxPeers
beforeAll(async () => {
  all = await startSandboxes()
})
afterAll(() => all[Symbol.asyncDispose]())

test('the owner of the one copy takes away what the rules let them, and not its history', async () => {
  const { id, hers } = await all.share()
  const { change } = await hers.write({ place: 'mutual', key: 'a', expected: 0 }, new Uint8Array(1))
  const { conversation } = all.peers.alice.alice
  const body = { namespace: `sandbox/${id}-history`, key: String(change).padStart(15, '0'), confirm: true }
  const { answer } = await conversation.request('item.remove', encodeCbor(body), { lifeMs: 60_000 })
  expect(await answer).toMatchObject({ status: 'refused', code: 'command-invalid' })
  expect((await hers.history()).history).toHaveLength(1)
  await hers.end()
})

const MODEL_RUNS = 25
const MODEL_MS_MAX = 240_000

test(`${MODEL_RUNS} sequences on two real vaults come out as the oracle says`, { timeout: MODEL_MS_MAX }, async () => {
  const sequences = fc.array(stepArbitrary, { minLength: 6, maxLength: 14 })
  await fc.assert(
    fc.asyncProperty(clausesArbitrary, sequences, async (clauses, steps) => {
      // Sealed items are longer than what the oracle weighs.
      const terms = { ...clauses, bytesMax: 100_000 }
      const shared = await all.share(terms)
      await play(shared, terms, steps)
      all.peers.pass(3_600_000)
    }),
    { numRuns: MODEL_RUNS },
  )
})

async function play({ id, hers, his }: Shared, terms: SandboxClauses, steps: readonly Parameters<typeof deedOf>[0][]) {
  const model = oracle(terms)
  const open: number[] = []
  for (const step of steps) {
    const deed = deedOf(step, model, open)
    const { conversation } = step.by === 'creator' ? all.peers.alice.alice : all.peers.bob.alice
    const { kind, ...body } = deed
    const request = await conversation.request(`sandbox.${kind}`, encodeCbor({ sandbox: id, ...body }), {
      lifeMs: 60_000,
    })
    const reply = await request.answer
    const told = reply.status === 'replied' ? (decodeCbor(reply.body) as { proposal: number | null }) : undefined
    if (typeof told?.proposal === 'number') open.push(told.proposal)
    const said = reply.status === 'refused' ? reply.code : typeof told?.proposal === 'number' ? 'asked' : 'done'
    expect([step, said]).toEqual([step, model.act(deed, step.by)])
    if (said === 'done' && deed.kind === 'decide') open.splice(open.indexOf(deed.proposal), 1)
    if (model.isOver) break
  }
  expect(await sightOf(hers)).toEqual(model.sight('creator'))
  if (!model.isOver) {
    expect(await sightOf(his)).toEqual(model.sight('guest'))
    await hers.end()
  }
}

async function sightOf(sandbox: Shared['hers']): Promise<Sight> {
  const list = async (place: 'mine' | 'theirs' | 'mutual'): Promise<string[]> => {
    const page = await sandbox.list(place).catch(() => ({ items: [] }))
    const lines = page.items.map(async ({ key }) => {
      const item = await sandbox.read(place, key)
      return item ? line(key, { ...item, text: text(item.value) }) : ''
    })
    return (await Promise.all(lines)).sort()
  }
  const past = await sandbox.history().catch(() => ({ history: [] }))
  return {
    mine: await list('mine'),
    theirs: await list('theirs'),
    mutual: await list('mutual'),
    history: past.history.map(({ by, kind, key }) => `${by} ${kind} ${key}`),
  }
}
