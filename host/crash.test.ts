import { expect, test } from 'vitest'

import { Refusal } from './errors.ts'
import { connectService, type Asker, told } from './service.fixture.ts'
import { startWorld, type World } from './world.fixture.ts'

/** `npm run soak` kills a thousand times. */
const KILLS = Number(process.env['SOAK_KILLS'] ?? 8)
const EVENTS = KILLS * 25
/** A kill and a start take under a second where the machine is not shared; a slow one is waited for. */
const TIMEOUT_MS = 60_000 + KILLS * 60_000
/** What is late is no failure here: a host's own limits are tested where they are. */
const PATIENCE = { cellStartMs: TIMEOUT_MS, commitDeadlineMs: TIMEOUT_MS }
const IN_FLIGHT = 16

/** Asks for all of it, so many at a time; what was answered is in `replies`, in the order of the answers. */
async function askAll(service: Asker, replies: unknown[]): Promise<void> {
  let asked = 0
  async function next(): Promise<void> {
    while (asked < EVENTS) {
      asked += 1
      const { answer } = await service.request('counts.run')
      replies.push(told(await answer))
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, next))
}

/** mulberry32: the same moments for the same seed, as far as a machine repeats itself. */
function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

async function killOften(world: World, service: Asker, { roll, done }: { roll: () => number; done: () => number }) {
  for (let kill = 0; kill < KILLS; kill++) {
    const enough = Math.floor(((kill + roll()) / KILLS) * EVENTS * 0.95)
    while (done() < enough) await new Promise(setImmediate)
    // Anywhere between the turns of the event loop in which a commit group is written.
    for (let turns = Math.floor(roll() * 30); turns > 0; turns--) await new Promise(setImmediate)
    const kept = keep(world, roll())
    if (roll() < 0.5) await new Promise(setImmediate)
    await world.kill()
    await kept
    await world.start()
    await service.connected.conversation.resend()
  }
}

/** Has a snapshot or a new key under way, at some kills: these stop half way, too. */
async function keep(world: World, what: number): Promise<void> {
  const vault = await world.vault()
  const work = what < 0.4 ? vault.store.snapshot() : what < 0.7 ? world.host.vaults.renew(vault) : Promise.resolve()
  await work.catch((error: unknown) => {
    if (!(error instanceof Refusal) || error.code !== 'storage-failed') throw error
  })
}

test.each([1, 2])(
  'a host killed at random points does every acknowledged event exactly once (seed %i)',
  async (seed) => {
    await using world = await startWorld({ handlers: ['counts'], ...PATIENCE })
    const acme = await connectService(world, 'Acme')
    const replies: unknown[] = []
    await Promise.all([askAll(acme, replies), killOften(world, acme, { roll: dice(seed), done: () => replies.length })])

    // A refusal names its code here.
    expect(replies.filter((reply) => (reply as { status?: unknown }).status !== 'replied')).toEqual([])
    const numbers = replies.map((reply) => (reply as { body?: unknown }).body).toSorted((a, b) => Number(a) - Number(b))
    expect(numbers).toEqual(Array.from({ length: EVENTS }, (_, at) => at + 1))
    const vault = await world.vault()
    const stored = vault.store.namespace(`connection/${acme.invitation.connection}`).get('n')
    expect(new TextDecoder().decode(stored?.value)).toBe(String(EVENTS))
    const rows = (await world.rows()).filter(
      ({ eventType, result }) => eventType === 'counts.run' && result === 'replied',
    )
    expect(rows).toHaveLength(EVENTS)
    expect(new Set(rows.map(({ eventId }) => eventId)).size).toBe(EVENTS)
  },
  TIMEOUT_MS,
)
