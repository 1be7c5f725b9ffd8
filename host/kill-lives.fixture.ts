/** Hosts as processes, one after the other on one folder, and the way to them. */
import { type ChildProcess, fork } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Transport } from '#client/transport.ts'
import { covers, parsePattern, type Pattern } from '#host/messaging/pattern.ts'
import type { Message } from '#host/messaging/port.ts'
import { bundle } from '../scripts/bundle-host.ts'
import type { Plan, Word } from './kill-steps.fixture.ts'

/** One process. */
export interface Life {
  /** Whether it was ready before it ended. */
  readonly ready: Promise<boolean>
  /** Resolves when it was killed. @throws Error when it ended in another way */
  readonly ended: Promise<void>
  kill(): void
}

export interface Lives extends AsyncDisposable {
  /** Loses what is sent while no host is ready, as any network does. */
  readonly transport: Transport
  start(plan: Plan): Life
}

/** The host is bundled once into `folder`, so that a process needs a third of a second of one core. */
export async function openLives(folder: string): Promise<Lives> {
  const code = join(folder, 'host.mjs')
  await writeFile(code, await bundle('host/kill-host.fixture.ts'))
  const listeners = new Set<{ readonly pattern: Pattern; readonly receive: (message: Message) => void }>()
  const open = (): ChildProcess =>
    fork(code, { serialization: 'advanced', execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  // It loads its code while the one before it is still at work.
  let spare = open()
  let current: ChildProcess | undefined

  function hear(word: Word): void {
    if (word.kind !== 'message') return
    const tokens = word.subject.split('.')
    for (const { pattern, receive } of listeners) if (covers(pattern, tokens)) receive(word)
  }
  return {
    transport: {
      async publish(subject, data) {
        if (current) tell(current, { kind: 'message', subject, data })
      },
      async subscribe(pattern, receive) {
        const listener = { pattern: parsePattern(pattern), receive }
        listeners.add(listener)
        return { drain: async () => void listeners.delete(listener) }
      },
    },
    start(plan) {
      const child = spare
      spare = open()
      const ready = Promise.withResolvers<boolean>()
      const ended = Promise.withResolvers<void>()
      child.on('message', (word: Word) => {
        if (word.kind === 'ready') {
          current = child
          ready.resolve(true)
        } else hear(word)
      })
      child.once('exit', (code, signal) => {
        if (current === child) current = undefined
        ready.resolve(false)
        if (signal === 'SIGKILL') ended.resolve()
        else ended.reject(new Error(`a host ended with ${signal ?? code} before it was killed`))
      })
      tell(child, { kind: 'plan', plan })
      return { ready: ready.promise, ended: ended.promise, kill: () => void child.kill('SIGKILL') }
    },
    async [Symbol.asyncDispose]() {
      for (const child of [spare, current]) child?.kill('SIGKILL')
    },
  }
}

/** What is told to one that is being killed is lost. */
function tell(child: ChildProcess, word: Word): void {
  if (child.connected) child.send(word, () => undefined)
}
