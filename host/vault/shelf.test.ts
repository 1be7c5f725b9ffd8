import { expect, test } from 'vitest'

import { EVICT_LOOKS } from '#host/storage/limits.ts'
import { Shelf } from './shelf.ts'
import type { Vault } from './vault.ts'

test('to make room so many vaults are looked at, and by the next round those behind them', async () => {
  const looked: string[] = []
  /** With work in hand: whether there is any is what is asked first. */
  const busy = (id: string) => ({
    id,
    store: { size: { bytes: 1, items: 1 } },
    get working() {
      looked.push(id)
      return { size: 1 }
    },
  })
  const shelf = new Shelf({
    load: () => Promise.resolve(undefined),
    relieve: () => Promise.resolve(),
    openBytesMax: 0,
    random: (length) => new Uint8Array(length),
  })
  const names = Array.from({ length: EVICT_LOOKS + 1 }, (_, at) => `vault-${at}`)
  for (const name of names) shelf.keep(busy(name) as unknown as Vault)
  await shelf.makeRoom(0)
  expect(looked).toEqual(names.slice(0, EVICT_LOOKS))
  await shelf.makeRoom(0)
  expect(looked.slice(EVICT_LOOKS, EVICT_LOOKS + 2)).toEqual([names.at(-1), names[0]])
})
