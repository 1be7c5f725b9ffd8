import { execFile, spawn } from 'node:child_process'
import { constants, readFileSync, readlinkSync } from 'node:fs'
import { chmod, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { openFileLog, writeAll } from './file-log.ts'
import { LOG_ROOM_BYTES } from './limits.ts'
import { logStoreCases } from './log-store.case.ts'

const { pid } = process
let folder: string
let path: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trellis-log-'))
  path = join(folder, 'journal')
})
afterEach(() => rm(folder, { recursive: true }))

describe('as a log store', () => {
  logStoreCases(() => openFileLog(path, { pid }))
})

it('makes a file that only its owner reads, and leaves no lock behind', async () => {
  const store = await openFileLog(path, { pid })
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  await store[Symbol.asyncDispose]()
  await expect(stat(`${path}.lock`)).rejects.toThrow('ENOENT')
})

it('syncs what it finds, and every write before it says so', async () => {
  await writeFile(path, '')
  const handle = await open(path)
  const calls: string[] = []
  const spies = (['datasync', 'sync', 'writev', 'truncate'] as const).map((name) => {
    // The class of file handles is not exported.
    const prototype = Object.getPrototypeOf(handle) as Record<typeof name, (...args: unknown[]) => Promise<unknown>>
    const original = prototype[name]
    return vi.spyOn(prototype, name).mockImplementation(async function spied(this: unknown, ...args) {
      const result = await original.apply(this, args)
      calls.push(name)
      return result
    })
  })
  try {
    const store = await openFileLog(path, { pid })
    expect(calls.splice(0)).toEqual(['datasync', 'sync'])
    await store.append([Uint8Array.from([1]), Uint8Array.from([2])])
    // The flag on the file makes a write wait for the disk; without it the sync is a call of its own.
    if (constants.O_DSYNC === undefined) expect(calls.splice(0)).toEqual(['writev', 'datasync'])
    else expect(calls.splice(0)).toEqual(['writev'])
    await store.truncate(1)
    expect(calls.splice(0)).toEqual(['truncate', 'datasync'])
    await store[Symbol.asyncDispose]()
  } finally {
    for (const spy of spies) spy.mockRestore()
    await handle.close()
  }
})

it('opens its file so that every write is durable when it returns', async () => {
  await using store = await openFileLog(path, { pid: process.pid })
  await store.append([new Uint8Array(1)])
  if (process.platform !== 'linux') return console.log('not run: only Linux shows how a file was opened')
  const fd = (await readdir('/proc/self/fd')).find((name) => linkOf(name) === path)
  const [, flags] = /^flags:\t0(\d+)$/mu.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')) ?? []
  expect(Number.parseInt(flags ?? '', 8) & constants.O_DSYNC).toBe(constants.O_DSYNC)
})

/** What a descriptor of this process is open on; the one that lists them is closed by now. */
function linkOf(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return undefined
  }
}

it('makes room behind what it wrote, shows none of it, and gives it back when it closes', async () => {
  const store = await openFileLog(path, { pid })
  for (let at = 0; at < 3; at++) await store.append([new Uint8Array(LOG_ROOM_BYTES / 2 + 1).fill(at + 1)])
  await store.append([Uint8Array.from([9])])
  const size = 3 * (LOG_ROOM_BYTES / 2 + 1) + 1
  expect(store.size).toBe(size)
  await vi.waitFor(async () => expect((await stat(path)).size).toBeGreaterThanOrEqual(size + LOG_ROOM_BYTES / 2))
  const bytes = await readFile(path)
  expect(bytes.subarray(size).every((byte) => byte === 0)).toBe(true)
  expect(await store.read({ from: size - 1, to: size + 10 })).toEqual(Uint8Array.from([9]))
  await store[Symbol.asyncDispose]()
  expect((await stat(path)).size).toBe(size)
})

it('goes on without room when the disk has none', async () => {
  const store = await openFileLog(path, { pid })
  const handle = await open(path)
  // The class of file handles is not exported.
  const spy = vi.spyOn(Object.getPrototypeOf(handle) as { write: () => Promise<unknown> }, 'write')
  spy.mockRejectedValue(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }))
  try {
    await store.append([Uint8Array.from([1])])
    await vi.waitFor(() => expect(spy).toHaveBeenCalled())
    await store.append([Uint8Array.from([2])])
    expect(await store.read()).toEqual(Uint8Array.from([1, 2]))
    expect((await stat(path)).size).toBe(2)
    await store[Symbol.asyncDispose]()
  } finally {
    spy.mockRestore()
    await handle.close()
  }
})

it('leaves its room when it is let go of: whoever opens it cuts what is no frame', async () => {
  const store = await openFileLog(path, { pid })
  await store.append([Uint8Array.from([1])])
  await vi.waitFor(async () => expect((await stat(path)).size).toBeGreaterThan(LOG_ROOM_BYTES))
  store.abandon()
  await using again = await openFileLog(path, { pid })
  expect(again.size).toBeGreaterThan(LOG_ROOM_BYTES)
})

it('says what is wrong when it cannot be opened', async () => {
  await expect(openFileLog(join(folder, 'no', 'journal'), { pid })).rejects.toMatchObject({
    code: 'storage-failed',
    message: expect.stringMatching(/could not be opened: ENOENT/),
  })
})

it('fails for good when the file shrinks under it', async () => {
  const store = await openFileLog(path, { pid })
  await store.append([Uint8Array.from([1, 2, 3])])
  await vi.waitFor(async () => expect((await stat(path)).size).toBeGreaterThan(LOG_ROOM_BYTES))
  await writeFile(path, '')
  await expect(store.read()).rejects.toMatchObject({ code: 'storage-failed' })
  await expect(store.append([Uint8Array.from([4])])).rejects.toMatchObject({ code: 'storage-failed' })
  await store[Symbol.asyncDispose]()
})

describe('the lock', () => {
  it('refuses a second opener in the same process', async () => {
    const store = await openFileLog(path, { pid })
    await expect(openFileLog(path, { pid })).rejects.toMatchObject({
      code: 'storage-failed',
      message: expect.stringContaining(`held by process ${pid}`),
    })
    await store[Symbol.asyncDispose]()
    await using again = await openFileLog(path, { pid })
    expect(again.size).toBe(0)
  })

  it('refuses a second process, and is free once the first is killed', async () => {
    const url = new URL('./file-log.ts', import.meta.url).href
    const code = `const { openFileLog } = await import(${JSON.stringify(url)})
      await openFileLog(${JSON.stringify(path)}, { pid: process.pid })
      console.log('open'); setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = new Promise((resolve) => child.once('exit', resolve))
    await new Promise((resolve) => child.stdout.once('data', resolve))
    await expect(openFileLog(path, { pid })).rejects.toThrow(`held by process ${child.pid}`)
    child.kill('SIGKILL')
    await ended
    await using store = await openFileLog(path, { pid })
    expect(store.size).toBe(0)
  })

  it('is taken over from a process that is dead, unreadable, or not the one that took it', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', 'console.log(process.pid)'])
    for (const left of [`${stdout.trim()} 1\n`, '', 'who knows', `${pid} 12345\n`]) {
      await writeFile(`${path}.lock`, left)
      const store = await openFileLog(path, { pid })
      expect(await readFile(`${path}.lock`, 'utf8')).toMatch(new RegExp(`^${pid} `))
      await store[Symbol.asyncDispose]()
    }
  })

  it('goes to one of many who try at once to take a dead one over', async () => {
    for (let round = 0; round < 40; round++) {
      await writeFile(`${path}.lock`, '')
      const late = async (turns: number) => {
        for (let turn = 0; turn < turns; turn++) await nextTurn()
        return openFileLog(path, { pid })
      }
      const tries = await Promise.allSettled(Array.from({ length: 8 }, (_, at) => late((at * round) % 11)))
      const won = tries.filter((result) => result.status === 'fulfilled')
      expect(won).toHaveLength(1)
      for (const { value } of won) await value[Symbol.asyncDispose]()
      expect(await readdir(folder)).toEqual(['journal'])
    }
  })

  it('is taken over from a process that died while it took over', async () => {
    await writeFile(`${path}.lock`, '')
    // The right to succeed whoever left nothing: named by the SHA-256 of what was left.
    await writeFile(`${path}.lock.e3b0c442`, 'who knows')
    const store = await openFileLog(path, { pid })
    expect((await readdir(folder)).sort()).toEqual(['journal', 'journal.lock'])
    await store[Symbol.asyncDispose]()
  })

  it('is let go when the file cannot be opened', async () => {
    await writeFile(path, '')
    await chmod(path, 0)
    // Root may open anything.
    if (process.getuid?.() === 0) await rm(path).then(() => promisify(execFile)('mkdir', [path]))
    await expect(openFileLog(path, { pid })).rejects.toMatchObject({ code: 'storage-failed' })
    await expect(stat(`${path}.lock`)).rejects.toThrow('ENOENT')
  })
})

describe('short writes', () => {
  it('goes on where the system stopped, whatever it takes', async () => {
    for (const most of [1, 2, 3, 5, 100]) {
      const taken: number[] = []
      const writev = (chunks: Uint8Array[]) => {
        const some = chunks.flatMap((chunk) => [...chunk]).slice(0, most)
        taken.push(...some)
        return Promise.resolve({ bytesWritten: some.length })
      }
      const chunks = [
        Uint8Array.from([1, 2, 3]),
        new Uint8Array(0),
        Uint8Array.from([4]),
        Uint8Array.from([5, 6, 7, 8]),
      ]
      expect(await writeAll({ writev }, chunks)).toBe(8)
      expect(taken).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    }
  })

  it('gives up when nothing is taken', async () => {
    await expect(
      writeAll({ writev: () => Promise.resolve({ bytesWritten: 0 }) }, [Uint8Array.from([1])]),
    ).rejects.toThrow('took no byte')
  })
})
