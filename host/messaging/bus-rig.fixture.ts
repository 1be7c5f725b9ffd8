/** What the cases of a transport share. */
import { setTimeout as delay } from 'node:timers/promises'

import { expect } from 'vitest'

import type { Bus, Delivery, Lanes, Message } from './port.ts'

/** A broker of its own for one test, with nothing stored. */
export interface BusRig extends AsyncDisposable {
  /** Short, so that the tests are. */
  readonly ackWaitMs: number
  /** A new client; it provisions with the rig's ack wait. */
  connect(): Promise<Bus>
  /** Sends from outside with a reply subject, where the transport has such a thing. */
  readonly sendWithReply?: (message: Message, reply: string) => Promise<void>
}

export const LANES: Lanes = {
  critical: ['MessageSpace.*.fromService.*.data.request', 'OwnerSpace.*.forVault.*.*'],
  bestEffort: ['MessageSpace.*.fromService.*.status.ping'],
}
export const CRITICAL = 'MessageSpace.v1.fromService.c1.data.request'
export const BEST_EFFORT = 'MessageSpace.v1.fromService.c1.status.ping'
export const ORDINARY = 'MessageSpace.v1.forService.c1.data.request'

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (message: Message): string => new TextDecoder().decode(message.data)

export async function until(isDone: () => boolean): Promise<void> {
  for (const start = performance.now(); !isDone() && performance.now() - start < 10_000;) await delay(2)
  expect(isDone(), 'in time').toBe(true)
}

/** Consumes and keeps what came; acknowledges unless told what else to do. */
export async function collect(
  bus: Bus,
  how: (delivery: Delivery) => unknown = (delivery) => delivery.ack(),
): Promise<Taken> {
  const deliveries: Delivery[] = []
  const subscription = await bus.consume(
    (delivery) => {
      deliveries.push(delivery)
      how(delivery)
    },
    { inFlight: 64 },
  )
  return { deliveries, drain: () => subscription.drain() }
}

export interface Taken {
  readonly deliveries: readonly Delivery[]
  drain(): Promise<void>
}

export const nothing = (): void => {}
