/**
 * The segments of a log as files beside each other, under one lock: the first at the path itself, the others with their
 * number behind it (`log`, `log.000001`, …).
 */
import { readdir, rm } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'

import { Refusal } from '#host/errors.ts'
import { openSegmentFile } from './file-log.ts'
import { syncFolder } from './file-blobs.ts'
import { takeLock } from './lock.ts'
import type { LogStore, Segments } from './port.ts'
import { messageOf } from './turns.ts'

const DIGITS = 6

/** Abandoned logs whose last system call has not come back yet: it could still write behind the next opener. */
const leaving = new Map<string, Promise<void>>()

/** @throws Refusal `storage-failed` when a live process has it open */
export async function fileSegments(path: string, options: { pid: number }): Promise<Segments> {
  const base = resolve(path)
  await leaving.get(base)
  const lock = await failing(base, takeLock(lockOf(base), options.pid))
  const open = new Set<LogStore>()
  let closed: Promise<void> | undefined

  async function close(): Promise<void> {
    await Promise.allSettled(Array.from(open, (store) => store[Symbol.asyncDispose]()))
    await lock.release()
    leaving.delete(base)
  }

  return {
    async list() {
      const name = basename(base)
      const files = await failing(base, readdir(dirname(base)))
      return files.flatMap((file) => numberOf(file, name) ?? []).sort((a, b) => a - b)
    },
    async open(number) {
      const store = await openSegmentFile(fileOf(base, number))
      open.add(store)
      return store
    },
    async remove(number) {
      await failing(base, rm(fileOf(base, number), { force: true }))
      await failing(base, syncFolder(dirname(base)))
    },
    abandon() {
      for (const store of open) store.abandon()
      closed ??= close()
      leaving.set(base, closed)
    },
    async [Symbol.asyncDispose]() {
      closed ??= close()
      await closed
    },
  }
}

/** The lock of the log at a path: whoever holds it has the folder's vaults. */
export function lockOf(path: string): string {
  return `${resolve(path)}.lock`
}

function fileOf(base: string, number: number): string {
  return number === 0 ? base : `${base}.${String(number).padStart(DIGITS, '0')}`
}

function numberOf(file: string, name: string): number | undefined {
  if (file === name) return 0
  const digits = file.startsWith(`${name}.`) ? file.slice(name.length + 1) : ''
  return /^\d{6,}$/.test(digits) ? Number(digits) : undefined
}

async function failing<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    if (cause instanceof Refusal) throw cause
    throw new Refusal('storage-failed', `log ${path} could not be read or written: ${messageOf(cause)}`, { cause })
  }
}
