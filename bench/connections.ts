/** The same governed read in vaults of ever more connections: the time must not grow with them. */
import { ALICE } from '#host/commands/demo/cast.ts'
import type { Change } from '#host/storage/port.ts'
import type { Connection } from '#host/vault/party.ts'
import { entries } from '#host/vault/read.ts'
import type { Vault } from '#host/vault/vault.ts'
import { parseConnectionId } from '#host/wire/id.ts'
import { keepInFlight, measure } from './measure.ts'
import { judged, type Report } from './report.ts'
import { openScene, type Scene } from './scene.ts'

const COUNTS = [1, 100, 1_000, 10_000]
const IN_FLIGHT = 16
const WINDOW = 64
const MS = 2_500
const COPIES_AT_ONCE = 100

export async function manyConnections(): Promise<Report> {
  await using parts = new AsyncDisposableStack()
  const contenders: Record<string, { run: () => Promise<void>; calls: number; ms: number }> = {}
  for (const count of COUNTS) {
    const scene = parts.use(await openScene())
    const acme = await scene.connect('Acme Retail', ['data.request'])
    await multiply(scene, count)
    const ask = async (): Promise<void> => {
      const { status } = await acme.ask('data.request', { fields: ['shipping_address'] })
      if (status !== 'replied') throw new Error(`a request was ${status}`)
    }
    const run = () => keepInFlight({ inFlight: IN_FLIGHT, total: WINDOW }, ask)
    contenders[`${count}`] = { run, calls: WINDOW, ms: MS }
  }
  const measured = await measure(contenders)
  const base = measured['1']?.medianUs ?? Number.NaN
  const lines = COUNTS.map((count) => {
    const { medianUs } = measured[`${count}`] ?? { medianUs: Number.NaN }
    const what = `${count.toLocaleString('en-US')} connections: governed read (${medianUs.toFixed(0)} µs)`
    return judged(what, { value: medianUs / base, unit: '×', most: 1.15 })
  })
  return {
    title: '   Cost of an event by the connections of its vault',
    lines,
    notes: [`${IN_FLIGHT} in flight of one connection; the others are copies of its records under their own names.`],
  }
}

/** Gives the vault more connections like the one it has, in its store and in memory. */
async function multiply({ host }: Scene, count: number): Promise<void> {
  const vault = await host.vaults.find(ALICE.vault)
  const [original] = vault?.connections.values() ?? []
  if (!vault || !original) throw new Error('a scene without a connection')
  for (let from = 1; from < count; from += COPIES_AT_ONCE) {
    const names = Array.from({ length: Math.min(COPIES_AT_ONCE, count - from) }, (_, at) => `copy-${from + at}`)
    const changes = recordsOf(vault, original)
    await vault.store.commit(
      names.flatMap((name) => changes.map(({ key, value }) => systemChange(key.replace(original.id, name), value))),
      { now: 1 },
    )
    for (const name of names) {
      const id = parseConnectionId(name)
      vault.connections.set(id, { ...original, id, key: `connection/${id}` })
    }
  }
}

function recordsOf({ system }: Vault, { id }: Connection): Change[] {
  const records = entries(system, '').filter(([key]) => key.endsWith(`/${id}`) && !key.startsWith('inbox/'))
  return records.map(([key, value]) => systemChange(key, value))
}

function systemChange(key: string, value: Uint8Array | null): Change {
  return { namespace: 'system', key, value }
}
