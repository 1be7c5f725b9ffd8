/** Which bus a command runs on: the NATS server it was given, or memory with its durable lane in the data folder. */
import { join } from 'node:path'

import { memoryBroker, type MemoryBroker } from '#host/messaging/memory.ts'
import { natsBus } from '#host/messaging/nats.ts'
import type { Bus } from '#host/messaging/port.ts'
import { openFileLog } from '#host/storage/file-log.ts'
import { makeDataFolder } from './files.ts'
import { warn } from './warn.ts'

/** One client's connection to a NATS server. @throws Refusal `bus-unavailable` */
export function connectNats(url: string, options: { name: string; space?: string }): Promise<Bus> {
  return natsBus({ url, inboxPrefix: `_INBOX.${options.name}`, warn, ...options })
}

/** The embedded bus: everything in this process, critical messages in `folder/bus.log`. */
export async function openMemoryBroker(folder: string): Promise<MemoryBroker> {
  await makeDataFolder(folder)
  const log = await openFileLog(join(folder, 'bus.log'), { pid: process.pid })
  const broker = await memoryBroker({ log })
  return {
    ...broker,
    async [Symbol.asyncDispose]() {
      await broker[Symbol.asyncDispose]()
      await log[Symbol.asyncDispose]()
    },
  }
}
