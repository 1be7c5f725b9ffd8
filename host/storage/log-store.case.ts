/** What every log store must do. A store is proved by running this suite on it. */
import { expect, it } from 'vitest'

import type { LogStore } from './port.ts'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

/** `open` opens the same log again and again; a log it has given out before is disposed or abandoned by then. */
export function logStoreCases(open: () => Promise<LogStore>): void {
  it('starts empty and keeps what was appended, in order', async () => {
    const store = await open()
    expect(store.size).toBe(0)
    await Promise.all([store.append([bytes(1, 2), bytes(), bytes(3)]), store.append([bytes(4)]), store.append([])])
    expect(store.size).toBe(4)
    expect(await store.read()).toEqual(bytes(1, 2, 3, 4))
    await store[Symbol.asyncDispose]()
  })

  it('reads a range, and no more than there is', async () => {
    const store = await open()
    await store.append([bytes(1, 2, 3, 4)])
    expect(await store.read({ from: 1, to: 3 })).toEqual(bytes(2, 3))
    expect(await store.read({ from: 3, to: 100 })).toEqual(bytes(4))
    expect(await store.read({ from: 9, to: 100 })).toEqual(bytes())
    await store[Symbol.asyncDispose]()
  })

  it('finds after a reopening what it had', async () => {
    const first = await open()
    await first.append([bytes(1, 2, 3)])
    await first[Symbol.asyncDispose]()
    const second = await open()
    expect(second.size).toBe(3)
    await second.append([bytes(4)])
    expect(await second.read()).toEqual(bytes(1, 2, 3, 4))
    await second[Symbol.asyncDispose]()
  })

  it('cuts its tail, and appends where it was cut', async () => {
    const store = await open()
    await store.append([bytes(1, 2, 3)])
    await store.truncate(1)
    expect(store.size).toBe(1)
    await store.append([bytes(9)])
    expect(await store.read()).toEqual(bytes(1, 9))
    await store[Symbol.asyncDispose]()
  })

  it('finishes what was asked before it closes, and takes nothing after', async () => {
    const store = await open()
    const pending = store.append([bytes(1)])
    await store[Symbol.asyncDispose]()
    await expect(pending).resolves.toBeUndefined()
    await expect(store.append([bytes(2)])).rejects.toMatchObject({ code: 'storage-failed' })
    await store[Symbol.asyncDispose]()
  })

  it('lets go at once when abandoned: pending appends reject, and it can be opened again', async () => {
    const store = await open()
    await store.append([bytes(1)])
    const pending = store.append([bytes(2)])
    store.abandon()
    await expect(pending).rejects.toMatchObject({ code: 'storage-failed' })
    await expect(store.append([bytes(3)])).rejects.toMatchObject({ code: 'storage-failed' })
    const again = await open()
    const found = await again.read()
    expect(found[0]).toBe(1)
    expect(found).not.toContain(3)
    await again[Symbol.asyncDispose]()
  })
}
