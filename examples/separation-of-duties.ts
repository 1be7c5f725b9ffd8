/**
 * A company's vault and four of its people, each connected with what they work with: who submits an expense never
 * decides on it, whatever roles, devices and delegations they have.
 *
 *     node examples/separation-of-duties.ts
 *
 * Exits with 0 only if all of it came out as it should.
 */
import { deepEqual, equal, match } from 'node:assert/strict'
import { join } from 'node:path'

import { type Asker, connectAsker } from './asker.ts'
import { inFolder, type Person, startPerson, type Place } from './person.ts'

const SOON_MS = 3_000
const DAY_MS = 24 * 3_600_000
const events = ['expense.submit', 'expense.decide', 'expense.delegate', 'expense.status']
const devices = ['Ann’s phone', 'Ann’s laptop', 'Ben', 'Cleo', 'Eva', 'Stranger'] as const
type Device = (typeof devices)[number]

interface Answer {
  readonly expense: {
    readonly id: string
    readonly state: string
    readonly decisions: readonly { readonly rule: string; readonly times: number }[]
  }
  readonly decision: { readonly result: string; readonly rule: string; readonly why: string }
}

await inFolder('separation-of-duties', play)

async function play({ folder, image }: Place): Promise<void> {
  await using parts = new AsyncDisposableStack()
  const company = parts.use(await startPerson('company', { folder, image }))
  const askers = new Map<Device, Asker>()
  for (const [index, name] of devices.entries()) {
    const options = { name, folder: join(folder, `device-${index}`), events }
    askers.set(name, parts.use(await connectAsker(company, options)))
  }
  const at = (device: Device): Asker => {
    const asker = askers.get(device)
    if (!asker) throw new Error(`${device} is connected`)
    return asker
  }
  const id = (device: Device): string => at(device).connection
  const policy = {
    currency: 'EUR',
    fourEyesAboveMinor: 100_000,
    roles: [
      { role: 'lead', approvesUpToMinor: 50_000 },
      { role: 'director', approvesUpToMinor: 1_000_000 },
    ],
    persons: [
      { id: 'ann', name: 'Ann', connections: [id('Ann’s phone'), id('Ann’s laptop')], roles: ['lead', 'director'] },
      { id: 'ben', name: 'Ben', connections: [id('Ben')], roles: ['director'] },
      { id: 'cleo', name: 'Cleo', connections: [id('Cleo')], roles: ['director'] },
      { id: 'eva', name: 'Eva', connections: [id('Eva')], roles: [] },
    ],
  }
  await company.phone.run('expense.policy', { policy })
  const scene = sceneOf(company, at)
  await own(scene)
  await fourEyes(scene)
  await overForGood(scene)
}

interface Scene {
  readonly company: Person
  readonly at: (device: Device) => Asker
  readonly submit: (device: Device, amountMinor: number) => Promise<string>
  /** Which rule decided; the words are printed. */
  readonly approve: (device: Device, id: string) => Promise<string>
}

function sceneOf(company: Person, at: Scene['at']): Scene {
  return {
    company,
    at,
    async submit(device, amountMinor) {
      const expense = { amountMinor, currency: 'EUR', purpose: 'Travel' }
      const { expense: submitted } = (await at(device).ask('expense.submit', expense)) as Answer
      console.log(`${device} submits ${amountMinor}`)
      return submitted.id
    },
    async approve(device, id) {
      const { decision } = (await at(device).ask('expense.decide', { id, choice: 'approve' })) as Answer
      console.log(`  ${device}: ${decision.result} (${decision.rule}): ${decision.why}`)
      return decision.rule
    },
  }
}

/** Nobody approves their own, and the company's owner can read who tried. */
async function own({ company, at, submit, approve }: Scene): Promise<void> {
  const decided = company.notices('expense.decided')
  const id = await submit('Ann’s phone', 4_200)
  equal(await approve('Ann’s phone', id), 'own-expense')
  equal(await approve('Ann’s laptop', id), 'own-expense')
  await at('Ben').ask('expense.delegate', { to: 'ann', until: Date.now() + DAY_MS })
  equal(await approve('Ann’s laptop', id), 'own-expense')
  await at('Ann’s phone').ask('expense.delegate', { to: 'eva', until: Date.now() + DAY_MS })
  equal(await approve('Eva', id), 'own-expense-delegated')
  const stranger = at('Stranger').ask('expense.decide', { id, choice: 'approve' })
  match(await stranger.then(String, String), /not-in-policy/u)
  equal(await approve('Ben', id), 'own-authority')
  const notice = JSON.parse(new TextDecoder().decode(await decided.take())) as { id: string; state: string }
  deepEqual([notice.id, notice.state], [id, 'approved'])
  const { expense } = (await company.phone.run('expense.status', { id })) as Answer
  deepEqual(
    expense.decisions.map(({ rule, times }) => [rule, times]),
    [
      ['own-expense', 3],
      ['own-expense-delegated', 1],
      ['own-authority', 1],
    ],
  )
}

/** Over the limit it takes two, and whoever lends their authority is not the second. */
async function fourEyes({ at, submit, approve }: Scene): Promise<void> {
  await at('Ben').ask('expense.delegate', { to: 'eva', until: Date.now() + DAY_MS })
  const id = await submit('Ann’s laptop', 250_000)
  equal(await approve('Eva', id), 'four-eyes')
  equal(await approve('Eva', id), 'already-approved')
  equal(await approve('Ben', id), 'same-authority')
  equal(await approve('Cleo', id), 'second-approver')
  equal(await approve('Ben', id), 'already-decided')
}

/** A delegation ends by itself. */
async function overForGood({ at, submit, approve }: Scene): Promise<void> {
  await at('Ben').ask('expense.delegate', { to: 'eva', until: null })
  const until = Date.now() + SOON_MS
  await at('Cleo').ask('expense.delegate', { to: 'eva', until })
  await new Promise((resolve) => setTimeout(resolve, until - Date.now()))
  const id = await submit('Ben', 4_200)
  // What Ann delegated goes on.
  equal(await approve('Eva', id), 'delegated-authority')
  const other = await submit('Ann’s phone', 4_200)
  equal(await approve('Eva', other), 'own-expense-delegated')
  equal(await approve('Cleo', other), 'own-authority')
}
