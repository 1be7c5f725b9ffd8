/** What the journal costs over the disk: sealed, chained, durable commits against the same bytes written raw. */
import { randomBytes } from 'node:crypto'
import { open } from 'node:fs/promises'
import { join } from 'node:path'

import { openFileLog } from '#host/storage/file-log.ts'
import { openLog } from '#host/storage/group.ts'
import { createVault } from '#host/storage/open.ts'
import type { Change } from '#host/storage/port.ts'
import { temporaryFolder } from './folder.ts'
import { keepInFlight, measure } from './measure.ts'
import { judged, type Line, type Report } from './report.ts'

const DEPTHS = [1, 8, 64] as const
const MS = 1_200
/** What one governed read leaves, about: an audit row, an inbox mark with its answer, a window, tokens. */
const VALUES = [420, 700, 300, 40]

export async function journalCommits(): Promise<Report> {
  await using parts = new AsyncDisposableStack()
  const { path } = parts.use(await temporaryFolder())
  const file = await openFileLog(join(path, 'log'), { pid: process.pid })
  const log = parts.use(await openLog(file))
  const random = (length: number) => new Uint8Array(randomBytes(length))
  const store = parts.use(await createVault(log, { vault: 'bench', kek: random(32), random }))
  let commits = 0
  const changes = VALUES.map((length) => random(length))
  const commit = async (): Promise<void> => {
    commits += 1
    const writes = changes.map(
      (value, at): Change => ({ namespace: at === 0 ? 'audit' : 'system', key: `${at}/${commits % 1_000}`, value }),
    )
    await store.commit(writes, { now: commits })
  }
  await commit()
  const before = file.size
  await keepInFlight({ inFlight: 1, total: 8 }, commit)
  const frame = random(Math.round((file.size - before) / 8))

  const raw = await open(join(path, 'raw'), 'a')
  parts.defer(() => raw.close())
  const lines: Line[] = []
  for (const depth of DEPTHS) {
    const frames = Array.from({ length: depth }, () => frame)
    const { sealed, bare } = await measure({
      sealed: { run: () => keepInFlight({ inFlight: depth, total: depth * 4 }, commit), calls: depth * 4, ms: MS },
      bare: {
        async run() {
          await raw.writev(frames)
          await raw.datasync()
        },
        calls: depth,
        ms: MS,
      },
    })
    lines.push(
      judged(`${depth} in flight`, { value: sealed.perSecond, unit: 'commits/s' }),
      judged('  raw append + fdatasync of the same bytes', { value: bare.perSecond, unit: 'frames/s' }),
      judged('  part of the raw speed', { value: (100 * sealed.perSecond) / bare.perSecond, unit: '%' }),
    )
  }
  return { title: `   Journal: durable commits of ${frame.length} bytes, one vault`, lines }
}
