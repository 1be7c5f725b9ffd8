/**
 * Node takes its walls down for a thread that is started with arguments of its own. A hardened host puts them up again:
 * whatever a thread asks for, it gets no files, no threads, no processes and no network; it has what it is given.
 */
import nodeModule, { syncBuiltinESMExports } from 'node:module'
import threads, { type WorkerOptions } from 'node:worker_threads'

import { Refusal } from '#host/errors.ts'

/** Of every thread from then on. */
const THREAD_WALLS = ['--permission', '--no-experimental-sqlite', '--no-addons']

/** For all that runs in this process, once and for good. Threads that are there already stay as they are. */
export function shutThreads(): void {
  const inside = new Proxy(threads.Worker, {
    construct(Worker, [code, options]: [string | URL, WorkerOptions | undefined], asked) {
      return Reflect.construct(Worker, [code, { ...options, env: {}, execArgv: [...THREAD_WALLS] }], asked)
    },
  })
  forGood(threads.Worker.prototype, 'constructor', inside)
  forGood(threads, 'Worker', inside)
  // The thread that it starts would be as free as this one, and start others.
  forGood(nodeModule, 'register', () => {
    throw new Refusal('not-hardened', 'node:module: register starts a thread: this host starts its own alone')
  })
  syncBuiltinESMExports()
}

function forGood(of: object, name: string, value: unknown): void {
  Object.defineProperty(of, name, { value, writable: false, configurable: false })
}
