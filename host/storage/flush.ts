/**
 * What was written is durable. Behind Node's permission model `fsync` is refused (Node 26.10: `fsync API is disabled`):
 * a thread outside of it, that does nothing else, asks for it there.
 */
import type { FileHandle } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'

import type { FlushAnswer, FlushTask } from './flush-worker.ts'

/** `data`: the bytes and the size, not the times. @throws Error of the system, with its code */
export async function flush(handle: FileHandle, what: 'all' | 'data'): Promise<void> {
  if (process.permission === undefined) return what === 'all' ? handle.sync() : handle.datasync()
  await flushElsewhere(handle.fd)
}

const waiting = new Map<number, PromiseWithResolvers<void>>()
let thread: Worker | undefined
let count = 0

/** A descriptor is the process's: every thread of it knows the number. */
export function flushElsewhere(descriptor: number): Promise<void> {
  thread ??= startThread()
  const promise = Promise.withResolvers<void>()
  waiting.set((count += 1), promise)
  thread.ref()
  thread.postMessage({ task: count, descriptor } satisfies FlushTask)
  return promise.promise
}

/** Starts the thread now: afterwards a hardened host starts none that is outside. */
export function startFlushing(): void {
  thread ??= startThread()
  thread.unref()
}

function startThread(): Worker {
  const started = new Worker(new URL('./flush-worker.ts', import.meta.url), { env: {}, argv: [], execArgv: [] })
  started.on('message', ({ task, failure }: FlushAnswer) => {
    const promise = waiting.get(task)
    waiting.delete(task)
    if (waiting.size === 0) started.unref()
    if (failure === undefined) promise?.resolve()
    else promise?.reject(Object.assign(new Error(failure.message), { code: failure.code }))
  })
  // What it failed of is told by the exit that follows.
  started.on('error', () => undefined)
  started.on('exit', () => {
    thread = undefined
    for (const { reject } of waiting.values()) reject(new Error('the thread that flushes ended'))
    waiting.clear()
  })
  return started
}
