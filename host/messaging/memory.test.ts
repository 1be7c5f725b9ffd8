import { expect, test } from 'vitest'

import { busCases } from './bus.case.ts'
import { logOf } from './log.fixture.ts'
import { memoryBroker } from './memory.ts'

busCases('memory', async () => {
  const ackWaitMs = 120
  const broker = await memoryBroker({ log: logOf(), ackWaitMs })
  return {
    ackWaitMs,
    connect: async () => broker.connect(),
    [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
  }
})

test('x', () => expect(1).toBe(1))
