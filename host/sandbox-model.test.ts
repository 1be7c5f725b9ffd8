/** Random sequences on two real vaults, held against the same oracle as the rules alone. */
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { act, laid, sight } from '#host/contracts/sandbox-oracle.fixture.ts'
import { areaOf } from '#host/contracts/sandbox-rules.ts'
import { clausesArbitrary, deedOf, linesOf, stepArbitrary } from '#host/contracts/sandbox-steps.fixture.ts'
import type { SandboxClauses, Side } from '#host/contracts/sandbox.ts'
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
  let table = laid(terms)
  const open: number[] = []
  for (const step of steps) {
    const deed = deedOf(step, table, open)
    const { conversation } = step.by === 'creator' ? all.peers.alice.alice : all.peers.bob.alice
    const { kind, ...body } = deed
    const request = await conversation.request(`sandbox.${kind}`, encodeCbor({ sandbox: id, ...body }), {
      lifeMs: 60_000,
    })
    const reply = await request.answer
    const told = reply.status === 'replied' ? (decodeCbor(reply.body) as { proposal: number | null }) : undefined
    if (typeof told?.proposal === 'number') open.push(told.proposal)
    const said = reply.status === 'refused' ? reply.code : typeof told?.proposal === 'number' ? 'asked' : 'done'
    table = act(table, deed, step.by)
    expect([step, said]).toEqual([step, table.says])
    if (said === 'done' && deed.kind === 'decide') open.splice(open.indexOf(deed.proposal), 1)
    if (table.isOver) break
  }
  expect(await seenBy('creator', hers)).toEqual(linesOf(sight(table, 'creator')))
  if (table.isOver) return
  expect(await seenBy('guest', his)).toEqual(linesOf(sight(table, 'guest')))
  await hers.end()
}

async function seenBy(side: Side, sandbox: Shared['hers']): Promise<string[]> {
  const list = async (place: 'mine' | 'theirs' | 'mutual') => {
    const page = await sandbox.list(place).catch(() => ({ items: [] }))
    const notes = page.items.map(async ({ key }) => {
      const item = await sandbox.read(place, key)
      return item ? [{ ...item, area: areaOf(place, side), key, text: text(item.value) }] : []
    })
    return (await Promise.all(notes)).flat()
  }
  const past = await sandbox.history().catch(() => ({ history: [] }))
  return linesOf({
    notes: (await Promise.all([list('mine'), list('theirs'), list('mutual')])).flat(),
    history: past.history.map(({ by, kind, key }) => `${by} ${kind} ${key}`),
  })
}
