import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { fileBlobs } from './file-blobs.ts'
import { openFileLog } from './file-log.ts'
import { fileSegments } from './file-segments.ts'
import { formatZeroLog } from './format-zero.fixture.ts'
import { openSegmentedLog } from './group.ts'
import { logStoreCases } from './log-store.case.ts'
import { createVault, openVault } from './open.ts'
import { dump, kekOf, makeVault, seededRandom, utf8 } from './vault-store.fixture.ts'

const { pid } = process
let folder: string
let path: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trellis-segments-'))
  path = join(folder, 'log')
})
afterEach(() => rm(folder, { recursive: true }))

describe('a segment', () => {
  logStoreCases(async () => {
    const segments = await fileSegments(path, { pid })
    const opened = await segments.open(3)
    return {
      get size() {
        return opened.size
      },
      append: (chunks) => opened.append(chunks),
      read: (range) => opened.read(range),
      truncate: (size) => opened.truncate(size),
      abandon: () => {
        opened.abandon()
        segments.abandon()
      },
      async [Symbol.asyncDispose]() {
        await opened[Symbol.asyncDispose]()
        await segments[Symbol.asyncDispose]()
      },
    }
  })
})

it('only the newest file has room behind its frames, so that a crash leaves no older one with zeros', async () => {
  const log = await openSegmentedLog(await fileSegments(path, { pid }), { segmentBytes: 1_000 })
  const store = await createVault(log, { vault: 'alice', kek: kekOf('alice'), random: seededRandom('room') })
  for (let at = 0; at < 9; at++) {
    await store.commit([{ namespace: 'personal', key: 'k', value: utf8('x'.repeat(300)) }], { now: at })
  }
  const sizes = await Promise.all([path, `${path}.000001`].map(async (file) => (await stat(file)).size))
  for (const size of sizes) expect(size).toBeLessThan(2_000)
  const before = dump(store)
  log.abandon()
  const again = await openSegmentedLog(await fileSegments(path, { pid }))
  const found = await openVault(again, { vault: 'alice', kek: kekOf('alice'), random: seededRandom('room again') })
  expect(dump(found)).toEqual(before)
  expect(again.torn).toBe(0)
  await again[Symbol.asyncDispose]()
})

it('a log rolls over files of its owner alone, and drops those that a snapshot covers', async () => {
  const log = await openSegmentedLog(await fileSegments(path, { pid }), { segmentBytes: 1_000 })
  const snapshots = await fileBlobs(join(folder, 'snapshots'))
  const random = seededRandom('files')
  const store = await createVault(log, { vault: 'alice', kek: kekOf('alice'), random, snapshots })
  for (let at = 0; at < 9; at++) {
    await store.commit([{ namespace: 'personal', key: 'k', value: utf8('x'.repeat(300)) }], { now: at })
  }
  const names = ['log', 'log.000001', 'log.000002', 'log.lock']
  expect((await readdir(folder)).filter((name) => name.startsWith('log'))).toEqual(names)
  expect((await stat(`${path}.000001`)).mode & 0o777).toBe(0o600)
  await store.snapshot()
  expect((await readdir(folder)).filter((name) => name.startsWith('log'))).toEqual(['log.000002', 'log.lock'])
  await expect(fileSegments(path, { pid })).rejects.toMatchObject({ code: 'storage-failed' })
  await log[Symbol.asyncDispose]()
  const again = await openSegmentedLog(await fileSegments(path, { pid }))
  const found = await openVault(again, { vault: 'alice', kek: kekOf('alice'), random, snapshots })
  expect(dump(found)).toEqual(dump(store))
  again.abandon()
  const third = await openSegmentedLog(await fileSegments(path, { pid }))
  await third[Symbol.asyncDispose]()
  await expect(openFileLog(path, { pid }).then((log) => log[Symbol.asyncDispose]())).resolves.toBeUndefined()
})

it('a log of one file, as hosts had it before, is its first segment', async () => {
  await writeFile(path, formatZeroLog())
  const log = await openSegmentedLog(await fileSegments(path, { pid }), { segmentBytes: 100 })
  const store = await openVault(log, { vault: 'alice', kek: kekOf('alice'), random: seededRandom('old') })
  expect(store.namespace('personal').get('field/email')?.value).toEqual(utf8('alice@example.org'))
  expect(await readdir(folder)).toContain('log.000001')
  await makeVault(log, 'bob')
  await log[Symbol.asyncDispose]()
})

describe('blobs', () => {
  it('are replaced whole, whatever a crash left beside them', async () => {
    const blobs = await fileBlobs(join(folder, 'blobs'))
    expect(await blobs.read('a')).toBeUndefined()
    await blobs.write('a', [utf8('one'), utf8(' two')])
    await writeFile(join(folder, 'blobs', 'a.draft'), 'the rest of a crash, longer than what comes')
    expect(await blobs.read('a')).toEqual(utf8('one two'))
    await blobs.write('a', [utf8('three')])
    expect(await blobs.read('a')).toEqual(utf8('three'))
    expect(await readdir(join(folder, 'blobs'))).toEqual(['a'])
    expect((await stat(join(folder, 'blobs', 'a'))).mode & 0o777).toBe(0o600)
  })

  it('that cannot be written or read are refused by their name', async () => {
    const blobs = await fileBlobs(join(folder, 'blobs'))
    const named = { code: 'storage-failed', message: expect.stringContaining('absent/a') }
    await expect(blobs.write('absent/a', [utf8('x')])).rejects.toMatchObject(named)
    await writeFile(join(folder, 'blobs', 'file'), '')
    await expect(blobs.read('file/a')).rejects.toMatchObject({ code: 'storage-failed' })
  })
})
