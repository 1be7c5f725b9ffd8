/** The other contender: a process per event, as small as one can be. */
import { execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { BODY } from './rmw.ts'
import type { Order } from './spawner.ts'

export interface Program extends AsyncDisposable {
  /** What is started. */
  readonly name: string
  /** So many processes, one after the other, each given a request and waited for. */
  run(calls: number): Promise<void>
}

const root = fileURLToPath(new URL('../', import.meta.url))
const SPAWNER = fileURLToPath(new URL('./spawner.ts', import.meta.url))

/** A static C program where gcc is there to make one; else Node itself. */
export async function smallestProgram(): Promise<Program> {
  const { name, command, args } = await build()
  const spawner = fork(SPAWNER, { serialization: 'advanced' })
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => {})
  spawner.once('exit', (code) => failed.reject(new Error(`the spawner ended with ${code}`)))
  return {
    name,
    async run(calls) {
      const order: Order = { command, args, body: BODY, calls }
      spawner.send(order)
      await Promise.race([once(spawner, 'message'), failed.promise])
    },
    async [Symbol.asyncDispose]() {
      spawner.disconnect()
      await once(spawner, 'exit')
    },
  }
}

async function build(): Promise<{ name: string; command: string; args: readonly string[] }> {
  const folder = join(root, '.cache/bench')
  const binary = join(folder, 'spawned')
  await mkdir(folder, { recursive: true })
  try {
    await promisify(execFile)('gcc', ['-O2', '-static', '-o', binary, join(root, 'bench/contenders/spawned.c')])
    return { name: 'static C', command: binary, args: [] }
  } catch {
    return { name: 'node -e', command: process.execPath, args: ['-e', 'process.stdin.pipe(process.stdout)'] }
  }
}
