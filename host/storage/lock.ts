/** A lock file: one process at a time. */
import { readFileSync } from 'node:fs'
import { link, open, readFile, rm } from 'node:fs/promises'
import { threadId } from 'node:worker_threads'

import { digest } from '#host/crypto/kdf.ts'
import { Refusal } from '#host/errors.ts'

export interface Lock {
  release(): Promise<void>
}

/**
 * Takes the lock for a process, over from a dead one if need be. The file holds the pid and when that process started,
 * so that a pid given out again (pid 1 of a container, say) does not keep a dead lock alive.
 *
 * @throws Refusal `storage-failed` when a live process holds it, or is just taking it over
 */
export async function takeLock(path: string, pid: number): Promise<Lock> {
  const mine = `${pid} ${startOf(pid)}\n`
  // Threads share a pid, and one thread may try twice at once.
  const draft = `${path}.${pid}.${threadId}.${++drafts}`
  await writeNew(draft, mine)
  try {
    // A link either makes the whole file or fails: nobody ever reads half a lock of a live process.
    while (!(await linked(draft, path))) await clearDead(path, pid)
  } finally {
    await rm(draft, { force: true })
  }
  return { release: () => rm(path, { force: true }) }
}

let drafts = 0

/** The live process that holds a lock, if one does. */
export async function holderOf(path: string): Promise<number | undefined> {
  const holder = await readHolder(path)
  return holder === undefined ? undefined : liveHolder(holder)
}

/**
 * Removes the lock of a dead process. Between reading a lock and removing it somebody else may have taken it over; so
 * there is a lock for the right to succeed this very holder, and under it nobody else touches what that holder left.
 */
async function clearDead(path: string, pid: number): Promise<void> {
  const holder = await readHolder(path)
  if (holder === undefined) return
  const alive = liveHolder(holder)
  if (alive !== undefined) {
    throw new Refusal('storage-failed', `${path} is held by process ${alive}: stop it or choose another folder`)
  }
  const succession = await takeLock(`${path}.${digest(holder).toHex().slice(0, 8)}`, pid)
  try {
    if ((await readHolder(path)) === holder) await rm(path, { force: true })
  } finally {
    await succession.release()
  }
}

async function readHolder(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** The pid in a lock, if that very process still runs. What cannot be read is the rest of a crash. */
function liveHolder(lock: string): number | undefined {
  const [pidText = '', start = ''] = lock.trim().split(' ')
  if (!/^[1-9]\d{0,9}$/.test(pidText)) return undefined
  const pid = Number(pidText)
  if (!runs(pid)) return undefined
  const now = startOf(pid)
  return start === '' || now === '' || start === now ? pid : undefined
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) !== 'ESRCH'
  }
}

/** When a process started, in clock ticks since boot; '' where nobody tells. See proc_pid_stat(5), field 22. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}

async function writeNew(path: string, text: string): Promise<void> {
  await rm(path, { force: true })
  const handle = await open(path, 'wx', 0o600)
  try {
    await handle.writeFile(text)
  } finally {
    await handle.close()
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
