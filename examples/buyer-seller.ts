/**
 * A seller hosts, a buyer is the guest: both write in the mutual area, and nobody's limit is ever seen.
 *
 *     node examples/buyer-seller.ts
 *
 * Exits with 0 only if all of it came out as it should.
 */
import { deepEqual, equal } from 'node:assert/strict'

import type { SandboxClauses } from '#host/contracts/sandbox.ts'
import { atTable, bytes, puts, refusalOf, says, type Table } from './table.ts'

const CLAUSES: SandboxClauses = {
  name: 'A piano, 1911',
  rights: { creator: 'write', guest: 'write' },
  takeBack: true,
  portability: 'none',
  purge: false,
  bytesMax: 100_000,
}

await atTable({ creator: 'Sam', guest: 'Bea' }, CLAUSES, play)

async function play({ id, creator, guest }: Table): Promise<void> {
  const [sam, bea] = [creator.at, guest.at]
  await puts(sam, 'mine', ['floor', 'not under 1,400'])
  await puts(bea, 'mine', ['ceiling', 'not over 1,600'])
  await puts(sam, 'mutual', ['price', '1,800'])
  const changed = guest.next('sandbox.changed')
  const { change } = await bea.watch(0)
  equal(await says(bea, 'theirs', 'floor'), null)
  equal(await says(sam, 'theirs', 'ceiling'), null)
  console.log('Sam asks 1,800; what each would settle for stays on their own side')

  const price = { place: 'mutual', key: 'price', expected: change } as const
  await bea.write(price, bytes('1,300'))
  await changed()
  equal(await refusalOf(sam.write(price, bytes('1,750'))), 'conflict')
  equal(await says(sam, 'mutual', 'price'), '1,300')
  await puts(sam, 'mutual', ['price', '1,500'])
  await changed()
  equal(await says(bea, 'mutual', 'price'), '1,500')
  console.log('Sam lowers his price over Bea’s offer: he is told to read it first, and answers with 1,500')

  await puts(bea, 'mine', ['message', 'Agreed. I fetch it on Saturday.'])
  await bea.move('message', 'mutual')
  await bea.move('message', 'mine')
  equal(await says(sam, 'mutual', 'message'), null)
  await bea.move('message', 'mutual')
  equal(await says(sam, 'mutual', 'message'), 'Agreed. I fetch it on Saturday.')
  const text = new TextDecoder()
  deepEqual(
    (await bea.history()).history.map(({ by, key, value }) => `${by} ${key} ${text.decode(value ?? undefined)}`.trim()),
    [
      'creator price 1,800',
      'guest price 1,300',
      'creator price 1,500',
      'guest message Agreed. I fetch it on Saturday.',
      'guest message',
      'guest message Agreed. I fetch it on Saturday.',
    ],
  )
  console.log('Bea agrees, takes it back, agrees again: the history has all of it, in one place')

  equal(await refusalOf(bea.export()), 'not-permitted')
  const ended = guest.next('sandbox.ended')
  await sam.end()
  equal(await refusalOf(bea.read('mutual', 'price')), 'connection-inactive')
  await ended()
  equal(await refusalOf(guest.sandboxes.copy(id)), 'command-invalid')
  equal(await says(sam, 'mutual', 'price'), '1,500')
  equal(await says(sam, 'theirs', 'ceiling'), null)
  console.log('sold: Sam keeps the table, Bea has no copy, and her limit is still sealed')
}
