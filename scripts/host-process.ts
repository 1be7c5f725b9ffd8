/** `trellis up` as an operator starts it: a process of its own, known by the lines it prints. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import type { UpLine } from '../host/commands/up.ts'

const MAIN = join(import.meta.dirname, '..', 'host', 'main.ts')

export interface HostProcess extends AsyncDisposable {
  readonly pid: number
  /** Resolves when it has printed such a line. @throws Error with what it said, when it ended without one */
  said(kind: UpLine['kind']): Promise<void>
  /** Its exit code; null when a signal ended it. */
  readonly ended: Promise<number | null>
  /** SIGKILL. */
  kill(): void
}

/** Disposing stops it by SIGTERM and waits. `args` follow `up --trace`. */
export function startHostProcess(...args: readonly string[]): HostProcess {
  const child = spawn(process.execPath, [MAIN, 'up', '--trace', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const kinds = new Set<string>()
  const heard = new EventTarget()
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  createInterface({ input: child.stdout }).on('line', (line) => {
    kinds.add((JSON.parse(line) as UpLine).kind)
    heard.dispatchEvent(new Event('line'))
  })
  const ended = once(child, 'close').then(([code]) => {
    heard.dispatchEvent(new Event('end'))
    return typeof code === 'number' ? code : null
  })
  let isOver = false
  void ended.then(() => (isOver = true))
  return {
    pid: child.pid ?? 0,
    ended,
    kill: () => void child.kill('SIGKILL'),
    async said(kind) {
      while (!kinds.has(kind)) {
        if (isOver) throw new Error(`up ${args.join(' ')} ended and was never ${kind}: ${errors}`)
        await Promise.race([once(heard, 'line'), once(heard, 'end')])
      }
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await ended
    },
  }
}
