/** Whether this thread is as shut in as it was meant to be. Node documents permissions per process; we rely on threads. */
import { spawnSync } from 'node:child_process'
import { openSync } from 'node:fs'
import { connect } from 'node:net'
import { Worker } from 'node:worker_threads'

/** Tries what a cell must not be able to do. Empty when every door is shut; else what stood open. */
export function openDoors(readable: string): string[] {
  const doors: readonly (readonly [string, () => unknown])[] = [
    ['reading a file elsewhere', () => openSync(process.execPath, 'r')],
    ['writing to its own code', () => openSync(readable, 'r+')],
    ['starting a process', () => spawnSync(process.execPath, ['--version'])],
    ['connecting to a port', () => connect({ host: '127.0.0.1', port: 9 }).on('error', () => undefined)],
    ['starting a thread', () => new Worker('', { eval: true })],
    ['seeing the environment', () => requireEmpty(Object.keys(process.env))],
  ]
  return doors.flatMap(([what, attempt]) => (isDenied(attempt) ? [] : [what]))
}

function isDenied(attempt: () => unknown): boolean {
  try {
    attempt()
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ERR_ACCESS_DENIED'
  }
}

function requireEmpty(names: readonly string[]): void {
  if (names.length > 0) return
  throw Object.assign(new Error('nothing to see'), { code: 'ERR_ACCESS_DENIED' })
}
