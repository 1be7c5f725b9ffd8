/** Eight devices at one entry, and a host that dies in between: one winner each time, and nothing is lost. */
import { afterEach, beforeEach, expect, test } from 'vitest'

import { servedEntry, type WriteOutcome } from '#client/owner-entries.ts'
import { entries } from '#host/vault/read.ts'
import { attach, draft, type Rig, signUp, textOf } from './entries-rig.fixture.ts'
import { random, startWorld, type World } from './world.fixture.ts'

/** `npm run soak race` races a thousand rounds, and says how far it is. */
const ROUNDS = Number(process.env['SOAK_ROUNDS'] ?? 6)
const TOLD_ROUNDS = 50
const DEVICES = 8
/** Each leaves two statements in a directory of a thousand, which is walked each time. */
const ENDS = Math.min(ROUNDS, 50)
const KILLS = Number(process.env['SOAK_KILLS'] ?? 4)
const TIMEOUT_MS = 90_000 + (ROUNDS + KILLS) * 5_000

let world: World
let phone: Rig

beforeEach(async () => {
  world = await startWorld({ handlers: [] })
  phone = await signUp(world)
})
afterEach(() => world[Symbol.asyncDispose]())

test(
  'eight devices race one entry: exactly one wins each round, and every loser is shown who',
  async () => {
    const rigs = [phone]
    while (rigs.length < DEVICES) rigs.push(await attach(world, phone, `device ${rigs.length}`))
    for (const rig of rigs) await rig.learn()
    const entry = await phone.create('contested')
    const wins = rigs.map(() => 0)
    for (let round = 0; round < ROUNDS; round++) {
      const current = await phone.read(entry)
      const sent = rigs.map((rig, index) => {
        const write = rig.book.update(current, draft('contested', `${round} by ${index}`))
        return { rig, write }
      })
      const outcomes = await Promise.all(
        sent.map(async ({ rig, write }) => {
          await someTurns()
          return rig.send('update', write)
        }),
      )
      const won = outcomes.flatMap(({ conflict }, index) => (conflict === null ? [index] : []))
      expect(won).toHaveLength(1)
      const after = await phone.read(entry)
      expect(after.version.header.seq).toBe(round + 2)
      expect(textOf(after.content())).toBe(`${round} by ${won[0]}`)
      for (const { conflict } of outcomes) {
        if (conflict) expect(conflict.versions[0]?.header).toEqual(sent[won[0] ?? 0]?.write.header)
      }
      for (const winner of won) wins[winner] = (wins[winner] ?? 0) + 1
      if ((round + 1) % TOLD_ROUNDS === 0) console.log(`race: ${round + 1} of ${ROUNDS} rounds`)
    }
    expect(await whole(entry)).toEqual({ versions: ROUNDS + 1, findings: [] })
    const told = `${ROUNDS} rounds of ${DEVICES} devices, ${ROUNDS * (DEVICES - 1)} conflicts, ${ROUNDS + 1} versions`
    console.log(`race: ${told}; wins ${wins.join(' ')}`)
  },
  TIMEOUT_MS,
)

/** A few turns of the event loop, so that another device is first each round. */
async function someTurns(): Promise<void> {
  for (let turns = (random(1)[0] ?? 0) % 4; turns > 0; turns--) await new Promise(setImmediate)
}

/** The chain from its first version, judged at once. */
async function whole(entry: Parameters<Rig['read']>[0]) {
  const pages = []
  let next: number | null = 0
  let stand = await phone.owner.entries.get(entry)
  while (next !== null) {
    const page: Awaited<ReturnType<typeof phone.owner.entries.history>> = await phone.owner.entries.history(entry, next)
    pages.push(...page.versions)
    stand = page
    next = page.next
  }
  const { versions, findings } = phone.book.read(phone.book.user, servedEntry(entry, { ...stand, versions: pages }))
  return { versions: versions.length, findings }
}

test(
  'a host that is killed while a version is written has it once, or not at all',
  async () => {
    const entry = await phone.create('through a crash')
    for (let kill = 0; kill < KILLS; kill++) {
      const current = await phone.read(entry)
      const write = phone.book.update(current, draft('through a crash', `after kill ${kill}`))
      const outcome: Promise<WriteOutcome> = phone.send('update', write)
      // Anywhere between the turns of the event loop in which it is opened, judged and written.
      for (let turns = kill * 5; turns > 0; turns--) await new Promise(setImmediate)
      await world.kill()
      await world.start()
      await phone.owner.conversation.resend()
      expect(await outcome).toMatchObject({ conflict: null, seq: kill + 2 })
      expect(textOf((await phone.read(entry)).content())).toBe(`after kill ${kill}`)
    }
    expect(await whole(entry)).toEqual({ versions: KILLS + 1, findings: [] })
    const { store } = await world.vault()
    expect(entries(store.namespace('shares'), '')).toHaveLength(KILLS + 1)
  },
  TIMEOUT_MS,
)

test(
  'a device that writes while it is revoked: its version is before the end and counts, or is not taken',
  async () => {
    const entry = await phone.create('contested')
    for (let round = 0; round < ENDS; round++) {
      const guest = await attach(world, phone, `guest ${round}`)
      await phone.learn()
      await phone.update(entry, `for guest ${round}`)
      const current = await guest.read(entry)
      await phone.read(entry)
      const sent = guest.book.update(current, draft('contested', `by guest ${round}`))
      const end = phone.book.revoke(guest.book.device, { lost: true }).statement
      const from = world.traces.length
      // Whoever is revoked first is not answered any more.
      void guest.owner.entries.update(sent).catch(() => {})
      const isEnded = await phone.owner.entries.revoke(end, true).then(
        () => true,
        () => false,
      )
      await world.traced('entry.update', from)
      const [last] = (await phone.owner.entries.get(entry)).versions
      // Never both: the heads that the end names would be without a version that came before it.
      expect(last?.header.toHex() === sent.header.toHex()).toBe(!isEnded)
      await phone.learn()
      await phone.read(entry)
    }
    expect((await whole(entry)).findings).toEqual([])
  },
  TIMEOUT_MS,
)
