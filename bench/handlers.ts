/** An image with a thousand handlers: finding the one an event is for, judging it, and reading the request. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

import { admit } from '#host/contracts/admit.ts'
import { contractOf, NOW } from '#host/contracts/contract.fixture.ts'
import { fullBucket } from '#host/contracts/rate.ts'
import { TABLE_ELEMENTS_MAX } from '#host/limits.ts'
import { fixtureBytes } from '#host/plugin/component/fixtures/build.ts'
import { loadComponent } from '#host/plugin/component/load.ts'
import { parseManifest } from '#host/plugin/manifest.ts'
import { buildRegistry, readRequest, type Registry } from '#host/plugin/registry.ts'
import { parseEventType } from '#host/wire/id.ts'
import { measure } from './measure.ts'
import { judged, type Report } from './report.ts'

const HANDLERS = 1_000
const CALLS = 200
const MS = 1_000
const MANIFEST = fileURLToPath(new URL('../manifests/data-access.json', import.meta.url))
const BODY = new TextEncoder().encode('{"fields":["email"]}')

export async function manyHandlers(): Promise<Report> {
  const [one, many] = [await registryOf(1), await registryOf(HANDLERS)]
  const { alone, among, read } = await measure({
    alone: { run: router(one, { count: 1, reads: false }), calls: CALLS, ms: MS },
    among: { run: router(many, { count: HANDLERS, reads: false }), calls: CALLS, ms: MS },
    read: { run: router(many, { count: HANDLERS, reads: true }), calls: CALLS, ms: MS },
  })
  return {
    title: '   Route and admit one event, in memory',
    lines: [
      judged('one handler', { value: alone.medianUs, unit: 'µs' }),
      judged(`${HANDLERS} handlers in one image`, { value: among.medianUs, unit: 'µs', most: 5 }),
      judged('  with reading the request: JSON and schema', { value: read.medianUs, unit: 'µs' }),
    ],
  }
}

/** The shipped manifest under as many names; the component does not matter here. */
async function registryOf(count: number): Promise<Registry> {
  const limits = { memoryBytesMax: 32 * 2 ** 20, tableElementsMax: TABLE_ELEMENTS_MAX }
  const component = loadComponent(await fixtureBytes('work-as'), limits)
  const shipped: { events: object[] } = JSON.parse(await readFile(MANIFEST, 'utf8'))
  const entries = Array.from({ length: count }, (_, at) => {
    const events = shipped.events.map((event) => ({ ...event, type: `data.request${at}` }))
    const manifest = { ...shipped, handler: `handler-${at}`, events }
    return { manifest: parseManifest(new TextEncoder().encode(JSON.stringify(manifest)), 'bench'), component }
  })
  return buildRegistry(entries)
}

function router(registry: Registry, { count, reads }: { count: number; reads: boolean }): () => Promise<void> {
  const types = Array.from({ length: count }, (_, at) => parseEventType(`data.request${at}`))
  const base = contractOf()
  const contract = { ...base, permissions: { ...base.permissions, events: types.slice(0, 32) } }
  const connection = {
    status: 'active',
    contract,
    acceptedAt: NOW,
    declined: new Set<string>(),
    frozenBy: null,
  } as const
  const bucket = fullBucket({ capacity: 1_000_000 }, NOW)
  let turn = 0
  const before = new Map(types.map((type) => [type, requestOf(registry, type)]))
  return async () => {
    for (let call = 0; call < CALLS; call++) {
      const type = types[turn++ % Math.min(count, 32)]
      if (type === undefined) throw new Error('no event type')
      const registered = registry.lookup(type)
      const body = reads ? requestOf(registry, type) : before.get(type)
      if (body === undefined) throw new Error('the request was not read')
      const { permission, approval } = registered?.event ?? {}
      if (permission === undefined || approval === undefined) throw new Error('nobody answers')
      const handler = { permission, approval }
      const request = { type, contractVersion: contract.version, handler, body, approved: false }
      const { kind } = admit({ ...connection, bucket }, request, NOW)
      if (kind !== 'admitted') throw new Error(`the event was ${kind}`)
    }
  }
}

function requestOf(registry: Registry, type: string): { readonly fields: readonly string[] } {
  const registered = registry.lookup(type)
  const body = registered && readRequest(registered, BODY)
  if (body?.kind !== 'request') throw new Error('the request was not read')
  return body
}
