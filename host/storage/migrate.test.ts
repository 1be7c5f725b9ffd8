import { describe, expect, it } from 'vitest'

import { formatZeroLog } from './format-zero.fixture.ts'
import { openLog } from './group.ts'
import { memoryLog } from './memory-log.fixture.ts'
import { migration, STATE_FORMAT } from './migrate.ts'
import { emptyState } from './state.ts'
import { dump, makeVault, recover, utf8 } from './vault-store.fixture.ts'

describe('a log of format 0', () => {
  it('is brought to this format by one commit of its own, with everything that was in it', async () => {
    const memory = memoryLog({ bytes: formatZeroLog() })
    const { store } = await recover(memory)
    const system = store.namespace('system')
    expect(system.get('session/acme')).toMatchObject({
      value: utf8('another session'),
      visibility: 'opaque',
      sensitivity: 'critical',
      updatedAt: 2,
    })
    expect(system.get('bucket/acme')).toBeUndefined()
    expect(store.namespace('personal').get('field/email')).toMatchObject({ visibility: 'opaque', updatedAt: 1 })
    expect(store.namespace('personal').get('field/phone')).toMatchObject({ visibility: 'transparent' })
    expect(store.namespace('connection/acme').get('order/1')).toMatchObject({ category: 'orders', revision: 1 })
    // Four as they were, the migration's writes, and the format.
    expect(store.head.sequence).toBe(6)
    await store.commit([{ namespace: 'system', key: 'new', value: utf8('n') }], { now: 9 })
    expect(system.get('new')).toMatchObject({ visibility: 'opaque' })
    const again = await recover(memory.crash())
    expect(dump(again.store)).toEqual(dump(store))
    expect(again.store.head).toEqual(store.head)
  })

  it('is brought there in the end, wherever it stops in between', async () => {
    const whole = await recover(memoryLog({ bytes: formatZeroLog() }))
    for (let at = 1; ; at++) {
      const memory = memoryLog({ bytes: formatZeroLog(), fault: { at, kept: at * 40 } })
      const opened = await recover(memory).catch((error: unknown) => error)
      for (const kept of [0, 50, 10_000]) {
        const { store } = await recover(memory.crash(kept))
        expect(store.namespace('system').get('session/acme')?.visibility).toBe('opaque')
        expect(store.namespaces()).toEqual(whole.store.namespaces())
      }
      if (!(opened instanceof Error)) break
    }
  })
})

it('a new vault is of this format, and needs no migration', async () => {
  const memory = memoryLog()
  const store = await makeVault(await openLog(memory))
  const again = await recover(memory.crash())
  expect(again.store.head).toEqual(store.head)
})

it('a state of a newer format is refused, with what to do', () => {
  const newer = emptyState(STATE_FORMAT + 1)
  expect(() => migration('alice', newer)).toThrow(
    expect.objectContaining({ code: 'storage-failed', message: expect.stringContaining('start the newer host') }),
  )
})
