/**
 * BBS on a thread of its own: a proof takes tens of milliseconds, in which every vault of the host would stand still.
 * The thread is our code on our bytes; no handler runs in it.
 */
import { Worker } from 'node:worker_threads'

import { Refusal } from '#host/errors.ts'

import type { BbsDisclosure, BbsSigned } from './bbs.ts'
import type { ProverAnswer, ProverTask } from './bbs-worker.ts'

export interface Prover extends AsyncDisposable {
  /** `proveBbs`. @throws Refusal `malformed` for what cannot be proven, `busy` when the thread ended */
  prove(disclosure: BbsDisclosure): Promise<Uint8Array>
  /** `verifyBbs`. @throws Refusal `busy` when the thread ended */
  verify(signed: BbsSigned): Promise<boolean>
}

/** The thread starts with the first task, and again after it ended. Tasks are done one after the other. */
export function openProver(): Prover {
  const waiting = new Map<number, PromiseWithResolvers<Uint8Array | boolean>>()
  let thread: Worker | undefined
  let count = 0

  function ended(): void {
    thread = undefined
    for (const { reject } of waiting.values())
      reject(new Refusal('busy', 'the proving thread ended: send the event again'))
    waiting.clear()
  }
  function start(): Worker {
    const started = new Worker(new URL('./bbs-worker.ts', import.meta.url), { env: {}, argv: [] })
    started.on('message', ({ task, result }: ProverAnswer) => {
      const promise = waiting.get(task)
      waiting.delete(task)
      if (waiting.size === 0) started.unref()
      if (result === undefined) promise?.reject(new Refusal('malformed', 'bbs: this cannot be proven'))
      else promise?.resolve(result)
    })
    // What it failed of is told by the exit that follows.
    started.on('error', () => undefined)
    started.on('exit', () => {
      if (thread === started) ended()
    })
    return started
  }
  function ask(task: ProverTask['what']): Promise<Uint8Array | boolean> {
    thread ??= start()
    const promise = Promise.withResolvers<Uint8Array | boolean>()
    waiting.set((count += 1), promise)
    // A task in hand keeps the process; an idle thread does not.
    thread.ref()
    thread.postMessage({ task: count, what: task } satisfies ProverTask)
    return promise.promise
  }
  return {
    async prove(disclosure) {
      const proof = await ask({ kind: 'prove', disclosure })
      if (typeof proof === 'boolean') throw new Error('bbs: the thread answered another task')
      return proof
    },
    verify: async (signed) => (await ask({ kind: 'verify', signed })) === true,
    async [Symbol.asyncDispose]() {
      const last = thread
      ended()
      await last?.terminate()
    },
  }
}
