/**
 * An employer hosts, an employee is the guest who may read the mutual area and takes a copy along at the end.
 *
 *     node examples/employer-employee.ts
 *
 * Exits with 0 only if all of it came out as it should.
 */
import { deepEqual, equal } from 'node:assert/strict'

import type { SandboxClauses } from '#host/contracts/sandbox.ts'
import { atTable, bytes, puts, refusalOf, says, type Table } from './table.ts'

const CLAUSES: SandboxClauses = {
  name: 'Employment at Mill & Sons',
  rights: { creator: 'write', guest: 'read' },
  takeBack: false,
  portability: 'mutual-and-own',
  purge: true,
  bytesMax: 500_000,
}

await atTable({ creator: 'Mill', guest: 'Erin' }, CLAUSES, play)

async function play({ id, creator, guest }: Table): Promise<void> {
  const [mill, erin] = [creator.at, guest.at]
  await puts(mill, 'mutual', ['payslip/march', '3,200 gross'])
  await puts(mill, 'mine', ['assessment', 'promote in autumn'])
  await puts(erin, 'mine', ['search', 'interview on Friday, 9:00'])
  equal(await says(erin, 'mutual', 'payslip/march'), '3,200 gross')
  equal(await says(erin, 'theirs', 'assessment'), null)
  equal(await says(mill, 'theirs', 'search'), null)
  console.log('Erin reads what is on the table; neither sees the other’s side')

  const rise = { place: 'mutual', key: 'payslip/march', expected: 1 } as const
  equal(await refusalOf(erin.write(rise, bytes('9,900 gross'))), 'not-permitted')
  await puts(erin, 'mine', ['leave', 'two weeks in July'])
  equal(await refusalOf(erin.move('leave', 'mutual')), 'not-permitted')
  console.log('the terms let her read there and not write')

  await erin.share('leave', 'writable')
  equal(await says(mill, 'theirs', 'leave'), 'two weeks in July')
  await puts(mill, 'theirs', ['leave', 'two weeks in July: granted'])
  equal(await says(erin, 'mine', 'leave'), 'two weeks in July: granted')
  await erin.share('leave', 'none')
  equal(await says(mill, 'theirs', 'leave'), null)
  equal(await says(erin, 'mine', 'leave'), 'two weeks in July: granted')
  console.log('one item of hers the employer may write in, for as long as she lets it')

  const ended = guest.next('sandbox.ended')
  await mill.end()
  equal(await refusalOf(erin.read('mutual', 'payslip/march')), 'connection-inactive')
  await ended()
  const copy = await guest.sandboxes.copy(id)
  const text = new TextDecoder()
  deepEqual(
    copy.map(({ area, key, value }) => [area, key, text.decode(value)]),
    [
      ['mutual', 'payslip/march', '3,200 gross'],
      ['guest', 'leave', 'two weeks in July: granted'],
      ['guest', 'search', 'interview on Friday, 9:00'],
    ],
  )
  equal(await says(mill, 'mutual', 'payslip/march'), '3,200 gross')
  deepEqual((await mill.list('theirs')).items, [])
  console.log(
    'it ends: she takes a signed copy of the table and of her own side, which is gone from the employer’s vault',
  )
}
