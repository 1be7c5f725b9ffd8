/** The storage engine: commits against the disk and SQLite, opening, recovery, and what size does to an event. */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { surroundings } from '#host/commands/surroundings.ts'
import { fileBlobs } from '#host/storage/file-blobs.ts'
import { fileSegments } from '#host/storage/file-segments.ts'
import { type Log, openSegmentedLog } from '#host/storage/group.ts'
import { createVault, openVault } from '#host/storage/open.ts'
import type { BlobStore, VaultStore } from '#host/storage/port.ts'
import { openEncryptedSqlite } from './contenders/encrypted-sqlite.ts'
import { openSqliteThread } from './contenders/sqlite-thread.ts'
import { temporaryFolder } from './folder.ts'
import { keepInFlight, measure, quantile } from './measure.ts'
import { judged, type Line, type Report } from './report.ts'

const { random } = surroundings
const MS = 700
const VALUE_BYTES = 1_024
const KEYS = 1_000
const KEK_BYTES = 32

interface Scene {
  readonly log: Log
  readonly snapshots: BlobStore
}

async function openScene(path: string): Promise<Scene> {
  const log = await openSegmentedLog(await fileSegments(join(path, 'log'), { pid: process.pid }))
  return { log, snapshots: await fileBlobs(join(path, 'snapshots')) }
}

function put(store: VaultStore, at: number, value: Uint8Array): Promise<unknown> {
  return store.commit([{ namespace: 'personal', key: `k${at % KEYS}`, value }], { now: at })
}

/** Puts of 1 KB, each durable, beside the same bytes appended raw and beside SQLite. */
export async function durableCommits(): Promise<Report> {
  await using parts = new AsyncDisposableStack()
  const { path } = parts.use(await temporaryFolder())
  const { log, snapshots } = await openScene(path)
  parts.use(log)
  const store = await createVault(log, { vault: 'bench', kek: random(KEK_BYTES), random, snapshots })
  const value = random(VALUE_BYTES)
  let at = 0
  const commit = () => put(store, at++, value)
  await keepInFlight({ inFlight: 1, total: 8 }, commit)
  const raw = await rawAppends(path, parts)
  const sqlite = openSqlite(join(path, 'sqlite'))
  parts.defer(() => sqlite.close())
  const options = { key: random(KEK_BYTES).toHex(), keys: KEYS }
  const encrypted = openEncryptedSqlite(join(path, 'encrypted'), options)
  parts.defer(() => encrypted.close())
  const thread = await openSqliteThread(join(path, 'thread'), options)
  parts.defer(() => thread.close())

  const lines: Line[] = []
  for (const inFlight of [1, 8, 64]) {
    const total = inFlight * 4
    const before = sum(log.segments)
    await keepInFlight({ inFlight, total }, commit)
    const bytes = (sum(log.segments) - before) / total
    const frames = Array.from({ length: inFlight }, () => random(Math.round(bytes)))
    const row = random(VALUE_BYTES)
    const calls = inFlight
    const { ours, ...theirs } = await measure({
      ours: { run: () => keepInFlight({ inFlight, total }, commit), calls: total, ms: MS },
      fdatasync: { run: () => raw.fdatasync(frames), calls, ms: MS },
      synced: { run: () => raw.synced(frames), calls, ms: MS },
      each: { run: () => encrypted.each(inFlight, row), calls, ms: MS },
      together: { run: () => encrypted.together(inFlight, row), calls, ms: MS },
      threadEach: { run: () => thread.each(inFlight, row), calls, ms: MS },
      threadTogether: { run: () => thread.together(inFlight, row), calls, ms: MS },
      plain: { run: () => sqlite.commit(inFlight, row), calls, ms: MS },
    })
    const of = (name: keyof typeof theirs) => ours.perSecond / theirs[name].perSecond
    lines.push(
      judged(`${inFlight} in flight`, { value: ours.perSecond, unit: 'commits/s' }),
      judged('  of raw append + fdatasync, same bytes', { value: of('fdatasync'), unit: '×', least: 0.7 }),
      judged('  of raw appends through O_DSYNC', { value: of('synced'), unit: '×' }),
      judged('  bytes on disk for 1,024 put', { value: bytes / VALUE_BYTES, unit: '×', most: 1.2 }),
      judged('  of SQLite3MC, a transaction each', { value: of('each'), unit: '×', least: 0.8 }),
      judged('  of SQLite3MC, all in one transaction', { value: of('together'), unit: '×' }),
      judged('  of SQLite3MC on a thread, each', { value: of('threadEach'), unit: '×', least: 0.8 }),
      judged('  of SQLite3MC on a thread, all in one', { value: of('threadTogether'), unit: '×' }),
      judged('  of node:sqlite in plaintext, all in one', { value: of('plain'), unit: '×' }),
    )
  }
  const notes = [
    'SQLite3MC is libsql with AES-256-CBC pages; all SQLites are WAL, synchronous FULL. Our commits in flight are',
    'promises of their own, as its transactions are; they share a synced write, as its rows of one transaction do.',
    'No SQLite shows a rollback. On the thread that asks, SQLite holds up whoever else is there; on one of its own it',
    'is waited for, as in a host that a hung disk may not hang. Our snapshots are part of our time.',
  ]
  return { title: '   Durable commits of 1 KB, one vault', lines, notes: [notes.join(' ')] }
}

/** Two files that are appended to: one synced after each write, one that is synced by writing. */
async function rawAppends(path: string, parts: AsyncDisposableStack) {
  const plain = await open(join(path, 'raw'), 'a')
  parts.defer(() => plain.close())
  const synced = await open(
    join(path, 'synced'),
    constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_DSYNC,
  )
  parts.defer(() => synced.close())
  return {
    async fdatasync(frames: Uint8Array[]) {
      await plain.writev(frames)
      await plain.datasync()
    },
    synced: (frames: Uint8Array[]) => synced.writev(frames),
  }
}

function openSqlite(path: string) {
  const database = new DatabaseSync(path)
  database.exec(
    'PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE item (key TEXT PRIMARY KEY, value BLOB)',
  )
  const upsert = database.prepare(
    'INSERT INTO item VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
  )
  let at = 0
  return {
    close: () => database.close(),
    commit(rows: number, value: Uint8Array): Promise<void> {
      database.exec('BEGIN')
      for (let row = 0; row < rows; row++) {
        // What changes nothing SQLite does not write.
        value[0] = at
        upsert.run(`k${at++ % KEYS}`, value)
      }
      database.exec('COMMIT')
      return Promise.resolve()
    },
  }
}

/** A vault from its snapshot: what an owner waits for who comes back. */
export async function coldOpen(): Promise<Report> {
  const lines: Line[] = []
  for (const { items, mostMs } of [
    { items: 100, mostMs: 2 },
    { items: 5_000, mostMs: 25 },
  ]) {
    await using parts = new AsyncDisposableStack()
    const { path } = parts.use(await temporaryFolder())
    const { log, snapshots } = await openScene(path)
    parts.use(log)
    const kek = random(KEK_BYTES)
    const first = await createVault(log, { vault: 'bench', kek: kek.slice(), random, snapshots })
    await fill(first, items)
    await first.snapshot()
    for (let at = 0; at < 20; at++) await put(first, at, random(300))
    await first[Symbol.asyncDispose]()
    const times: number[] = []
    for (let turn = 0; turn < 60; turn++) {
      const start = performance.now()
      const store = await openVault(log, { vault: 'bench', kek: kek.slice(), random, snapshots })
      times.push(performance.now() - start)
      await store[Symbol.asyncDispose]()
    }
    lines.push(
      judged(`${items.toLocaleString('en-US')} items of 300 B and 20 frames, p50`, {
        value: quantile(times, 0.5),
        unit: 'ms',
        most: mostMs,
      }),
      judged('  p99', { value: quantile(times, 0.99), unit: 'ms' }),
    )
  }
  return { title: '   Cold open: a vault from its snapshot, in an open log', lines }
}

async function fill(store: VaultStore, items: number): Promise<void> {
  const value = random(300)
  for (let at = 0; at < items; at += 500) {
    const changes = Array.from({ length: Math.min(500, items - at) }, (_, index) => {
      return { namespace: 'connection/bench' as const, key: `i${at + index}`, value }
    })
    await store.commit(changes, { now: at })
  }
}

const COMMITS = 100_000

/** A log of 100,000 frames without a snapshot: the worst a crash leaves, and more than a host ever lets it be. */
export async function recovery(): Promise<Report> {
  await using parts = new AsyncDisposableStack()
  const { path } = parts.use(await temporaryFolder())
  const kek = random(KEK_BYTES)
  {
    await using log = (await openScene(path)).log
    // Frames of one commit each, several vaults' worth at a time: no snapshots, so that all of them stay.
    const store = await createVault(log, { vault: 'bench', kek: kek.slice(), random })
    const value = random(300)
    let at = 0
    await keepInFlight({ inFlight: 256, total: COMMITS }, () => put(store, at++, value))
  }
  const start = performance.now()
  await using log = (await openScene(path)).log
  const indexed = performance.now()
  await using store = await openVault(log, { vault: 'bench', kek, random })
  const seconds = (performance.now() - start) / 1_000
  return {
    title: `   Recovery of ${COMMITS.toLocaleString('en-US')} commits, no snapshot`,
    lines: [
      judged('start to finish', { value: seconds, unit: 's', most: 3 }),
      judged('  of that, indexing the log', { value: (indexed - start) / 1_000, unit: 's' }),
      judged('  commits', { value: store.head.sequence, unit: '' }),
    ],
  }
}

/** The same commit in vaults of ever more items: the time must not grow with them. */
export async function growth(): Promise<Report> {
  await using parts = new AsyncDisposableStack()
  const { path } = parts.use(await temporaryFolder())
  const { log, snapshots } = await openScene(path)
  parts.use(log)
  const value = random(VALUE_BYTES)
  const stores: { items: number; store: VaultStore }[] = []
  for (const items of [100, 1_000, 10_000, 100_000]) {
    const store = await createVault(log, { vault: `v${items}`, kek: random(KEK_BYTES), random, snapshots })
    await fill(store, items)
    await store.snapshot()
    stores.push({ items, store })
  }
  let at = 0
  const contenders = Object.fromEntries(
    stores.map(({ items, store }) => {
      const run = async () => {
        const namespace = store.namespace('connection/bench')
        namespace.get(`i${at % items}`)
        namespace.scan({ prefix: `i${at % items}`, limit: 10 })
        await store.commit([{ namespace: 'connection/bench', key: `i${at++ % items}`, value }], { now: at })
      }
      return [`${items}`, { run, ms: MS }]
    }),
  )
  const measured = await measure(contenders)
  const base = measured['100']?.medianUs ?? Number.NaN
  const lines = stores.map(({ items }) => {
    const { medianUs } = measured[`${items}`] ?? { medianUs: Number.NaN }
    const what = `${items.toLocaleString('en-US')} items: get, scan of 10, put of 1 KB (${medianUs.toFixed(0)} µs)`
    return judged(what, { value: medianUs / base, unit: '×', most: 1.15 })
  })
  return { title: '   Cost of an event by the size of its vault', lines }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
