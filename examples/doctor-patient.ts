/**
 * A patient hosts, a doctor is the guest: what the doctor writes in the mutual area needs the patient's yes.
 *
 *     node examples/doctor-patient.ts
 *
 * Exits with 0 only if all of it came out as it should.
 */
import { deepEqual, equal } from 'node:assert/strict'

import type { SandboxClauses } from '#host/contracts/sandbox.ts'
import { atTable, puts, refusalOf, says, type Table } from './table.ts'

const CLAUSES: SandboxClauses = {
  name: 'Knee, left',
  rights: { creator: 'write', guest: 'approval' },
  takeBack: true,
  // The doctor must be able to show what was agreed.
  portability: 'mutual',
  purge: true,
  bytesMax: 500_000,
}

await atTable({ creator: 'Paula', guest: 'Dan' }, CLAUSES, play)

async function play({ id, creator, guest }: Table): Promise<void> {
  const [paula, dan] = [creator.at, guest.at]
  await puts(paula, 'mine', ['diary/monday', 'could not climb the stairs'])
  await puts(paula, 'mine', ['diary/tuesday', 'quarrelled with my sister'])
  await puts(paula, 'mine', ['photo', 'a swollen knee'])
  await puts(dan, 'mine', ['suspicion', 'meniscus; do not alarm her yet'])
  deepEqual((await dan.list('mutual')).items, [])
  equal(await says(dan, 'theirs', 'diary/monday'), null)
  equal(await says(paula, 'theirs', 'suspicion'), null)
  console.log('each writes on a side of their own; nothing is on the table unasked')

  await paula.move('diary/monday', 'mutual')
  await paula.share('photo', 'visible')
  deepEqual(
    (await dan.list('mutual')).items.map(({ key }) => key),
    ['diary/monday'],
  )
  equal(await says(dan, 'theirs', 'photo'), 'a swollen knee')
  equal(await says(dan, 'theirs', 'diary/tuesday'), null)
  console.log('Paula puts Monday on the table and lets Dan see one photo; Tuesday stays hers')

  const asked = creator.next('sandbox.asked')
  const settled = guest.next('sandbox.settled')
  const plan = await puts(dan, 'mutual', ['plan', 'six weeks of physiotherapy'])
  equal((await asked())['proposal'], plan.proposal)
  equal(await says(paula, 'mutual', 'plan'), null)
  await creator.person.leave()
  await creator.person.comeBack()
  const [waiting] = await paula.proposals()
  equal(new TextDecoder().decode(waiting?.value ?? undefined), 'six weeks of physiotherapy')
  await paula.decide(waiting?.proposal ?? 0, true)
  equal((await settled())['refused'], null)
  equal(await says(dan, 'mutual', 'plan'), 'six weeks of physiotherapy')
  console.log('Dan’s plan waits for Paula, over a restart of her host, and is there once she agrees')

  await puts(dan, 'mutual', ['plan', 'an operation next week'])
  const operation = await asked()
  await paula.decide(Number(operation['proposal']), false)
  equal((await settled())['refused'], 'consent-denied')
  equal(await says(dan, 'mutual', 'plan'), 'six weeks of physiotherapy')
  console.log('she says no to the operation: the plan is as it was')

  const { history } = await dan.history()
  deepEqual(
    history.map(({ by, kind, key, approved }) => [by, kind, key, approved]),
    [
      ['creator', 'move-in', 'diary/monday', false],
      ['guest', 'write', 'plan', true],
    ],
  )
  deepEqual(await paula.history(), await dan.history())
  console.log('both read the same history: who did what, and what was agreed')

  const ended = guest.next('connection.ended')
  await creator.person.phone.sever(creator.connection)
  await ended()
  equal(await refusalOf(dan.read('mutual', 'plan')), 'connection-inactive')
  equal(await says(paula, 'mutual', 'plan'), 'six weeks of physiotherapy')
  const copy = await guest.sandboxes.copy(id)
  deepEqual(
    copy.map(({ area, key }) => [area, key]),
    [
      ['mutual', 'diary/monday'],
      ['mutual', 'plan'],
    ],
  )
  console.log('Paula changes doctors: she keeps it all, Dan a signed copy of what was on the table and no way back in')
}
