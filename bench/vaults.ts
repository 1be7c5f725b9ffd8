/**
 * Many vaults on one host: what an open one costs, how fast a closed one opens, and what a host holds that serves a
 * hot tenth of its vaults among all of them. `BENCH_VAULTS=10000` is the whole of what was asked.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { join } from 'node:path'

import { surroundings } from '#host/commands/surroundings.ts'
import { openProver } from '#host/crypto/bbs-thread.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { fileBlobs } from '#host/storage/file-blobs.ts'
import { openFileLog } from '#host/storage/file-log.ts'
import { type Log, openLog } from '#host/storage/group.ts'
import type { Change } from '#host/storage/port.ts'
import { memorySealer } from '#host/storage/sealer.ts'
import { openVaults, type Vaults } from '#host/vault/vaults.ts'
import { temporaryFolder } from './folder.ts'
import { judged, type Line, type Report } from './report.ts'

const KiB = 1_024
const MiB = 1_024 * KiB
const COUNT = Number(process.env['BENCH_VAULTS'] ?? 500)
const HOT = Math.ceil(COUNT / 10)
/** What is measured apart from all the others. */
const OPENED = Math.min(COUNT, 400)
const OPENS = 40
const ITEM_BYTES = 300
const { random, now } = surroundings

export async function manyVaults(): Promise<Report> {
  await using parts = new AsyncDisposableStack()
  const { path } = parts.use(await temporaryFolder())
  const log = parts.use(await openLog(await openFileLog(join(path, 'log'), { pid: process.pid })))
  const prover = parts.use(openProver())
  const sealer = memorySealer(random)
  const snapshots = await fileBlobs(join(path, 'snapshots'))
  const open = (openBytesMax: number): Promise<Vaults> =>
    openVaults({ log, sealer, snapshots, folder: join(path, 'vaults'), random, prover, openBytesMax })

  await found(await open(1), log)
  const lines: Line[] = []
  {
    await using vaults = await open(Infinity)
    await vaults.find('v-0')
    const [before, held] = [residentBytes(), liveBytes()]
    for (let at = 1; at <= OPENED; at++) await vaults.find(`v-${at % COUNT}`)
    const each = (residentBytes() - before) / OPENED
    const live = (liveBytes() - held) / OPENED
    lines.push(judged('open idle vault, 30 items: heap and buffers', { value: live / KiB, unit: 'KiB', most: 150 }))
    lines.push(judged('  marginal RSS (some of it was free before)', { value: each / KiB, unit: 'KiB' }))
  }
  for (const [items, most] of [
    [100, 2],
    [5_000, 25],
  ] as const) {
    await using vaults = await open(1)
    await fill(vaults, `full-${items}`, items)
    lines.push(
      judged(`cold open, ${items} items, p50`, { value: await coldOpen(vaults, `full-${items}`), unit: 'ms', most }),
    )
  }
  await using vaults = await open(HOT * 160 * KiB)
  const before = residentBytes()
  for (let turn = 0; turn < 4 * HOT; turn++) {
    await vaults.find(`v-${turn % HOT}`)
    await vaults.find(`v-${(turn * 7) % COUNT}`)
    await vaults.makeRoom(now())
  }
  const most = 1_536
  const held = residentBytes() / MiB
  lines.push(judged(`${COUNT} vaults, ${HOT} of them hot: RSS of all`, { value: held, unit: 'MiB', most }))
  lines.push(judged('  of it for the vaults', { value: held - before / MiB, unit: 'MiB' }))
  lines.push(judged('  open at the end', { value: vaults.open().length, unit: 'vaults' }))
  return { title: 'vaults: many on one host', lines }
}

async function found(vaults: Vaults, log: Log): Promise<void> {
  await using all = vaults
  const device = { id: 'phone', label: 'phone', verifyKey: generateSigningKey().publicKey }
  for (let at = 0; at < COUNT; at++) {
    const vault = await all.create(`v-${at}`, { device, fields: {}, now: now() })
    await vault.store.commit(itemsOf(30), { now: now() })
    await all.makeRoom(now())
  }
  if (log.stats.frames < COUNT) throw new Error('not all were written')
}

async function fill(vaults: Vaults, name: string, items: number): Promise<void> {
  const device = { id: 'phone', label: 'phone', verifyKey: generateSigningKey().publicKey }
  const vault = await vaults.create(name, { device, fields: {}, now: now() })
  await vault.store.commit(itemsOf(items), { now: now() })
}

function itemsOf(count: number): Change[] {
  const value = random(ITEM_BYTES)
  return Array.from({ length: count }, (_, at) => ({ namespace: 'personal', key: `item/${at}`, value }))
}

/** Milliseconds, the median. */
async function coldOpen(vaults: Vaults, name: string): Promise<number> {
  const times: number[] = []
  for (let turn = 0; turn < OPENS; turn++) {
    await vaults.makeRoom(now())
    const started = performance.now()
    await vaults.find(name)
    times.push(performance.now() - started)
  }
  return times.sort((one, other) => one - other)[OPENS / 2] ?? 0
}

/** Of JavaScript alone: what it points to outside of its heap included, keys of OpenSSL not. */
function liveBytes(): number {
  residentBytes()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** After everything that can go has gone. */
function residentBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let turn = 0; turn < 3; turn++) collect()
  return process.memoryUsage.rss()
}
