/** SQLite with encrypted pages on a thread of its own, as a host has to have it that a disk may not hold up. */
import { once } from 'node:events'
import { parentPort, Worker, workerData } from 'node:worker_threads'

import { type EncryptedOptions, openEncryptedSqlite, type Rows } from './encrypted-sqlite.ts'

interface Task extends EncryptedOptions {
  readonly path: string
}

/** How many rows of this value: one transaction. */
interface Put {
  readonly rows: number
  readonly value: Uint8Array
}

/** Each transaction is a message to the thread and its answer. */
export async function openSqliteThread(path: string, options: EncryptedOptions): Promise<Rows> {
  const thread = new Worker(new URL(import.meta.url), { workerData: { path, ...options } satisfies Task })
  const waiting: (() => void)[] = []
  thread.on('message', () => waiting.shift()?.())
  await once(thread, 'online')
  const put = (message: Put): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>()
    waiting.push(resolve)
    thread.postMessage(message)
    return promise
  }
  return {
    async each(rows, value) {
      await Promise.all(Array.from({ length: rows }, () => put({ rows: 1, value })))
    },
    together: (rows, value) => put({ rows, value }),
    close: () => void thread.terminate(),
  }
}

if (parentPort) {
  const port = parentPort
  const { path, ...options } = workerData as Task
  const database = openEncryptedSqlite(path, options)
  port.on('message', ({ rows, value }: Put) => {
    void database.together(rows, value).then(() => port.postMessage(null))
  })
}
