/** A log in one local file: appended, synced, locked against a second process. */
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

import { Refusal } from '#host/errors.ts'
import { flush } from './flush.ts'
import { type Lock, takeLock } from './lock.ts'
import type { LogStore } from './port.ts'
import { messageOf, Turns } from './turns.ts'

/**
 * Opens or creates the file (0600) and its lock beside it (`<path>.lock`). What is in the file is synced first: the
 * process that wrote it may have died before its own sync, and nobody may build on bytes that a power cut takes back.
 *
 * @throws Refusal `storage-failed` when a live process has it open, or it cannot be opened
 */
export async function openFileLog(path: string, options: { pid: number }): Promise<LogStore> {
  const file = resolve(path)
  await leaving.get(file)
  try {
    const lock = await takeLock(`${file}.lock`, options.pid)
    try {
      return await openLocked(file, lock)
    } catch (error) {
      await lock.release()
      throw error
    }
  } catch (cause) {
    if (cause instanceof Refusal) throw cause
    throw new Refusal('storage-failed', `log ${file} could not be opened: ${messageOf(cause)}`, { cause })
  }
}

/**
 * Each write returns when it is durable: `fdatasync` in the same call (POSIX: synchronized I/O data integrity), one way
 * through the thread pool instead of two. Absent where the system has no such flag: then each write is synced by hand.
 */
const SYNCED: number | undefined = constants.O_DSYNC

/** Abandoned logs whose last system call has not come back yet: it could still write behind the next opener. */
const leaving = new Map<string, Promise<void>>()

/** One file without a lock of its own. @throws Refusal `storage-failed` */
export async function openSegmentFile(file: string): Promise<LogStore> {
  try {
    return await openLocked(file, undefined)
  } catch (cause) {
    throw new Refusal('storage-failed', `log ${file} could not be opened: ${messageOf(cause)}`, { cause })
  }
}

async function openLocked(file: string, lock: Lock | undefined): Promise<LogStore> {
  const handle = await open(file, constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | (SYNCED ?? 0), 0o600)
  try {
    await flush(handle, 'data')
    const folder = await open(dirname(file), 'r')
    try {
      await flush(folder, 'all')
    } finally {
      await folder.close()
    }
    const { size } = await handle.stat()
    return new FileLog({ file, handle, lock, size })
  } catch (error) {
    await handle.close()
    throw error
  }
}

class FileLog implements LogStore {
  readonly #file: string
  readonly #handle: FileHandle
  readonly #lock: Lock | undefined
  readonly #turns: Turns
  #size: number
  #closed: Promise<void> | undefined

  constructor({
    file,
    handle,
    lock,
    size,
  }: {
    file: string
    handle: FileHandle
    lock: Lock | undefined
    size: number
  }) {
    this.#file = file
    this.#handle = handle
    this.#lock = lock
    this.#turns = new Turns(`log ${file}`)
    this.#size = size
  }

  get size(): number {
    return this.#size
  }

  append(chunks: readonly Uint8Array[]): Promise<void> {
    return this.#turns.run(async () => {
      const written = await writeAll(this.#handle, chunks)
      if (SYNCED === undefined) await flush(this.#handle, 'data')
      this.#size += written
    })
  }

  truncate(size: number): Promise<void> {
    return this.#turns.run(async () => {
      await this.#handle.truncate(size)
      await flush(this.#handle, 'data')
      this.#size = size
    })
  }

  async read(range: { from: number; to: number } = { from: 0, to: this.#size }): Promise<Uint8Array> {
    const to = Math.min(range.to, this.#size)
    const bytes = new Uint8Array(Math.max(to - range.from, 0))
    await this.#turns.run(async () => {
      for (let at = 0; at < bytes.length;) {
        const { bytesRead } = await this.#handle.read(bytes, at, bytes.length - at, range.from + at)
        if (bytesRead === 0) throw new Error(`it ends at byte ${range.from + at} of ${to}`)
        at += bytesRead
      }
    })
    return bytes
  }

  abandon(): void {
    if (this.#closed !== undefined) return
    this.#turns.abandon()
    this.#closed = this.#close().finally(() => leaving.delete(this.#file))
    leaving.set(this.#file, this.#closed)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close()
    await this.#closed
  }

  async #close(): Promise<void> {
    await this.#turns.close()
    await this.#handle.close()
    await this.#lock?.release()
  }
}

/**
 * Writes every byte, however often the system takes only some.
 *
 * @returns how many bytes there were
 */
export async function writeAll(
  handle: { writev(chunks: Uint8Array[]): Promise<{ bytesWritten: number }> },
  chunks: readonly Uint8Array[],
): Promise<number> {
  let total = 0
  let rest = chunks.filter((chunk) => chunk.length > 0)
  while (rest.length > 0) {
    let { bytesWritten } = await handle.writev(rest)
    if (bytesWritten === 0) throw new Error('the system took no byte')
    total += bytesWritten
    let done = 0
    for (const chunk of rest) {
      if (bytesWritten < chunk.length) break
      bytesWritten -= chunk.length
      done++
    }
    rest = rest.slice(done)
    const first = rest[0]
    if (first !== undefined && bytesWritten > 0) rest[0] = first.subarray(bytesWritten)
  }
  return total
}
