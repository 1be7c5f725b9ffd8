/**
 * Whether this thread is as shut in as it was meant to be. Node documents permissions per process; we rely on threads,
 * so every cell tries the doors before it takes an event. (`node:sqlite` opens files in spite of all this, Node 26.10:
 * these walls are the second ones. The first is that a guest reaches no JavaScript.)
 */
import { spawnSync } from 'node:child_process'
import { openSync } from 'node:fs'
import { connect } from 'node:net'
import { Worker } from 'node:worker_threads'

/** Tries what a cell must not be able to do. Empty when every door is shut; else what stood open. */
export async function openDoors(ownCode: string): Promise<string[]> {
  const doors: readonly (readonly [string, () => unknown])[] = [
    ['reading a file elsewhere', () => openSync(process.execPath, 'r')],
    ['reading its own code', () => openSync(ownCode, 'r')],
    ['writing to its own code', () => openSync(ownCode, 'r+')],
    ['starting a process', () => spawnSync(process.execPath, ['--version'])],
    ['starting a thread', () => new Worker('', { eval: true })],
    ['connecting to a port', connectSomewhere],
  ]
  const open: string[] = []
  for (const [what, attempt] of doors) if (!(await isDenied(attempt))) open.push(what)
  if (Object.keys(process.env).length > 0) open.push('seeing the environment')
  return open
}

async function isDenied(attempt: () => unknown): Promise<boolean> {
  try {
    await attempt()
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ERR_ACCESS_DENIED'
  }
}

/** Port 9 is `discard`: whether it answers or refuses, the door was open. */
function connectSomewhere(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: 9 })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.destroy()
      resolve()
    })
  })
}
