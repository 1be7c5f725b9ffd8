/** The other contender: a process per event, as small as one can be. */
import { execFile, spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { BODY } from './rmw.ts'

export interface Program {
  /** What is started. */
  readonly name: string
  run(): Promise<void>
}

const root = fileURLToPath(new URL('../', import.meta.url))
const ECHO = 'process.stdin.pipe(process.stdout)'

/** A static C program where gcc is there to make one; else Node itself. */
export async function smallestProgram(): Promise<Program> {
  const folder = join(root, '.cache/bench')
  const binary = join(folder, 'spawned')
  await mkdir(folder, { recursive: true })
  try {
    await promisify(execFile)('gcc', ['-O2', '-static', '-o', binary, join(root, 'bench/contenders/spawned.c')])
    return { name: 'a static C program', run: () => answerOf(binary, []) }
  } catch {
    return { name: 'node -e', run: () => answerOf(process.execPath, ['-e', ECHO]) }
  }
}

/** Starts it, sends the request, and waits for the answer and the end. */
function answerOf(command: string, args: readonly string[]): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'], env: {} })
  let length = 0
  child.stdout.on('data', (chunk: Uint8Array) => (length += chunk.length))
  child.once('error', reject)
  child.once('close', (code) => {
    if (code === 0 && length === BODY.length) resolve()
    else reject(new Error(`${command} ended with ${code} after ${length} bytes`))
  })
  child.stdin.end(BODY)
  return promise
}
