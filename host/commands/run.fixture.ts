/** The `trellis` command as a person types it: a process of its own. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))

export interface Ran {
  readonly code: number | null
  readonly out: string
  /** Lines of standard error that say something. */
  readonly errors: readonly string[]
}

export interface Running {
  /** Everything on standard output so far. */
  readonly out: () => string
  readonly stop: () => void
  readonly type: (line: string) => void
  readonly ended: Promise<Ran>
}

export function startTrellis(...args: readonly string[]): Running {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  let [out, error] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (error += text))
  const ended = once(child, 'close').then(([code]): Ran => {
    const errors = error.split('\n').filter((line) => line.trim() !== '')
    return { code: typeof code === 'number' ? code : null, out, errors }
  })
  const type = (line: string): void => void child.stdin.write(`${line}\n`)
  return { out: () => out, stop: () => void child.kill('SIGTERM'), type, ended }
}

export function trellis(...args: readonly string[]): Promise<Ran> {
  return startTrellis(...args).ended
}
