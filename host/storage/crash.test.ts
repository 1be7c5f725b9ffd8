/** Crashes: every acknowledged commit is there exactly once after a restart, whatever was torn, and the chain holds. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'

import { openFileLog } from './file-log.ts'
import { openLog } from './group.ts'
import { type MemoryLog, memoryLog } from './memory-log.fixture.ts'
import type { VaultStore } from './port.ts'
import { dump, makeVault, recover, utf8 } from './vault-store.fixture.ts'

/** A commit that leaves a mark of its own and counts all marks, so that a lost or a doubled one shows. */
function mark(store: VaultStore, id: string): Promise<unknown> {
  const key = `mark/${id}`
  return store.commit(
    [
      { namespace: 'personal', key, value: utf8(id) },
      { namespace: 'system', key: 'count', value: utf8(id) },
    ],
    { now: 1, expected: [{ namespace: 'personal', key, revision: 0 }] },
  )
}

function expectMarks(store: VaultStore, { acked, asked }: { acked: Iterable<string>; asked: number }): void {
  for (const id of acked) expect(store.namespace('personal').get(`mark/${id}`)?.revision).toBe(1)
  const marks = store.head.sequence - 1
  expect(marks).toBeLessThanOrEqual(asked)
  expect(store.namespace('system').get('count')?.revision ?? 0).toBe(marks)
}

it('loses no acknowledged commit when it crashes at any operation, with any part of the rest kept', async () => {
  const scenario = fc.record({
    crashAt: fc.integer({ min: 4, max: 60 }),
    kept: fc.nat({ max: 3_000 }),
    writers: fc.integer({ min: 1, max: 8 }),
  })
  await fc.assert(
    fc.asyncProperty(scenario, async ({ crashAt, kept, writers }) => {
      const acked: string[] = []
      let asked = 0
      let after: MemoryLog | undefined
      const memory: MemoryLog = memoryLog({
        before: () => {
          if (memory.stats.operations === crashAt) after = memory.crash(kept)
        },
      })
      const store = await makeVault(await openLog(memory))
      const write = async (writer: number) => {
        for (let at = 0; at < 40; at++) {
          asked++
          await mark(store, `${writer}.${at}`)
          acked.push(`${writer}.${at}`)
        }
      }
      await Promise.allSettled(Array.from({ length: writers }, (_, writer) => write(writer)))
      expect(after).toBeDefined()
      if (after === undefined) return
      const found = await recover(after)
      expectMarks(found.store, { acked, asked })
      await mark(found.store, 'after')
      const again = await recover(after.crash(), { anchor: found.store.head })
      expect(dump(again.store)).toEqual(dump(found.store))
    }),
    { numRuns: 150 },
  )
})

it('ends in storage-failed wherever an operation fails, and recovers what was acknowledged', async () => {
  const first = memoryLog()
  const born = await makeVault(await openLog(first))
  await mark(born, 'born')
  const bytes = Uint8Array.from([...(await first.read()), 0, 0, 1])
  let clean = false
  for (let at = 1; !clean; at++) {
    const memory = memoryLog({ bytes, fault: { at, kept: (at * 97) % 500 } })
    const acked = ['born']
    let asked = 1
    const write = (store: VaultStore, id: string) => {
      asked++
      return mark(store, id).then(() => acked.push(id))
    }
    try {
      const { store } = await recover(memory)
      await Promise.all(['a', 'b', 'c'].map((id) => write(store, id)))
      for (const id of ['d', 'e']) await write(store, id)
      clean = true
    } catch (error) {
      expect(error).toMatchObject({ code: 'storage-failed' })
    }
    expect(clean).toBe(memory.stats.operations < at)
    for (const kept of [0, 100, 10_000]) {
      const { store } = await recover(memory.crash(kept))
      expectMarks(store, { acked, asked })
      await mark(store, 'after')
    }
  }
})

const CHILD = `
  const [path, urls] = [process.argv[1], JSON.parse(process.argv[2])]
  const [{ openFileLog }, { openLog }, { recover }] = await Promise.all(urls.map((url) => import(url)))
  const { store } = await recover(await openFileLog(path, { pid: process.pid }))
  const start = store.head.sequence
  let next = 0
  const write = async () => {
    for (;;) {
      const id = start + '.' + next++
      await store.commit([
        { namespace: 'personal', key: 'mark/' + id, value: Buffer.alloc(300) },
        { namespace: 'system', key: 'count', value: Buffer.from(id) },
      ], { now: 1 })
      process.stdout.write(id + '\\n')
    }
  }
  await Promise.all(Array.from({ length: 8 }, write))
`

it('loses no acknowledged commit of a process that is killed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trellis-crash-'))
  try {
    const path = join(folder, 'journal')
    const urls = ['file-log', 'group', 'vault-store.fixture'].map(
      (name) => new URL(`./${name}.ts`, import.meta.url).href,
    )
    const log = await openLog(await openFileLog(path, { pid: process.pid }))
    await makeVault(log)
    await log[Symbol.asyncDispose]()
    const acked: string[] = []
    for (const commits of [1, 40, 150, 300]) {
      const args = ['--input-type=module', '-e', CHILD, path, JSON.stringify(urls)]
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      const ended = new Promise((resolve) => child.once('exit', resolve))
      let seen = 0
      for await (const id of createInterface({ input: child.stdout })) {
        acked.push(id)
        if (++seen === commits) child.kill('SIGKILL')
      }
      await ended
      expect(seen).toBeGreaterThanOrEqual(commits)
      const found = await recover(await openFileLog(path, { pid: process.pid }))
      expectMarks(found.store, { acked, asked: Number.POSITIVE_INFINITY })
      await found.log[Symbol.asyncDispose]()
    }
  } finally {
    await rm(folder, { recursive: true })
  }
})
