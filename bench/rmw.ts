/** One cell with the read-modify-write fixture, behind the pool as in a host: one get, one put, the body back. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'

import { surroundings } from '#host/commands/surroundings.ts'
import { TABLE_ELEMENTS_MAX } from '#host/limits.ts'
import type { Job } from '#host/plugin/job.ts'
import { fixtureBytes } from '#host/plugin/component/fixtures/build.ts'
import { loadComponent } from '#host/plugin/component/load.ts'
import { parseManifest } from '#host/plugin/manifest.ts'
import type { Effects } from '#host/plugin/port.ts'
import { createPool } from '#host/plugin/pool.ts'
import { buildRegistry } from '#host/plugin/registry.ts'
import { openFileLog } from '#host/storage/file-log.ts'
import { openLog } from '#host/storage/group.ts'
import { createVault } from '#host/storage/open.ts'
import type { Namespace } from '#host/storage/port.ts'
import { TWINS_FOLDER } from '../scripts/build-twins.ts'
import { temporaryFolder } from './folder.ts'

/** What every contender is sent, stores and gives back. */
export const BODY = new TextEncoder().encode('{"note":"thirty-two bytes of it"}')
export const KEY = 'key'

const manifest = {
  handler: 'rmw',
  version: '0.1.0',
  summary: 'One get and one put.',
  author: 'Trellis',
  runtime: 'component',
  events: [
    {
      type: 'rmw.run',
      delivery: 'best-effort',
      permission: null,
      approval: 'never',
      fields: null,
      request: {},
      reply: {},
    },
  ],
  needs: { namespaces: { connection: 'rw' } },
  limits: {},
}

export interface RmwCell extends AsyncDisposable {
  /** An event of this connection, the first unless said otherwise. */
  run(connection?: number): Promise<Effects>
  /** Instances that had to be made anew: 0 as long as every reset worked. */
  replaced(): number
}

/** The same in another language. Those of the machine's own compilers are kept, built. */
export type RmwName = 'rmw-as' | 'rmw-ts' | 'rmw-rust' | 'rmw-c'

async function bytesOf(name: RmwName): Promise<Uint8Array> {
  if (name === 'rmw-as' || name === 'rmw-ts') return fixtureBytes(name)
  return brotliDecompressSync(await readFile(join(TWINS_FOLDER, `${name}.wasm.br`)))
}

export async function openRmwCell(fixture: RmwName): Promise<RmwCell> {
  await using parts = new AsyncDisposableStack()
  const folder = parts.use(await temporaryFolder())
  const log = parts.use(await openLog(await openFileLog(join(folder.path, 'log'), { pid: process.pid })))
  const { random } = surroundings
  const store = parts.use(await createVault(log, { vault: 'bench', kek: random(32), random }))
  await store.commit([{ namespace: 'connection/acme', key: KEY, value: BODY }], { now: Date.now() })

  const parsed = parseManifest(new TextEncoder().encode(JSON.stringify(manifest)), 'rmw.json')
  const limits = { memoryBytesMax: parsed.limits.memoryBytes, tableElementsMax: TABLE_ELEMENTS_MAX }
  const component = loadComponent(await bytesOf(fixture), limits)
  const registry = buildRegistry([{ manifest: parsed, component }])
  const registered = registry.lookup('rmw.run')
  if (!registered) throw new Error('the fixture answers nothing')
  const pool = parts.use(await createPool({ registry, cells: 1, spares: 1 }))
  const kept = store.namespace('connection/acme')
  let revision = 0
  // As if each write had been committed before the next event: commits are another row.
  const get: Namespace['get'] = (key) => {
    const item = kept.get(key)
    return item && { ...item, revision: (revision += 1) }
  }
  const namespace: Namespace = { name: kept.name, bytes: kept.bytes, get, scan: (range) => kept.scan(range) }
  const job = (connection = 0): Job => ({
    registered,
    tenant: 'bench',
    sources: {
      fields: new Map(),
      namespaces: new Map([['connection', { namespace, writable: true }]]),
      keys: new Map(),
      credentials: new Map(),
      outbox: new Set(),
    },
    context: {
      connection: 'acme',
      kind: 'service',
      contractVersion: 1,
      eventId: 'event-1',
      eventType: 'rmw.run',
      approved: false,
      connectionId: `bench-${connection}`,
    },
    body: BODY,
    now: Date.now(),
  })
  const { changes, reply, hostCalls } = await pool.run(job())
  if (changes.length !== 1 || reply?.length !== BODY.length || hostCalls === 0) throw new Error('no get, put and reply')
  const owned = parts.move()
  return {
    run: (connection) => pool.run(job(connection)),
    replaced: () => pool.stats.replaced,
    [Symbol.asyncDispose]: async () => owned.disposeAsync(),
  }
}
