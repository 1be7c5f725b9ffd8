/** The same governed read in vaults of ever more connections: the time must not grow with them. */
import { ALICE } from '#host/commands/demo/cast.ts'
import type { Change } from '#host/storage/port.ts'
import type { Connection } from '#host/vault/party.ts'
import { entries } from '#host/vault/read.ts'
import type { Vault } from '#host/vault/vault.ts'
import { parseConnectionId } from '#host/wire/id.ts'
import { keepInFlight, quantile } from './measure.ts'
import { judged, type Report } from './report.ts'
import { openScene, type Scene } from './scene.ts'

const COUNTS = [1, 100, 1_000, 10_000]
const IN_FLIGHT = 16
/** Short, so that a slow second of the machine hits one contender of a round and not all rounds of a contender. */
const EVENTS = 128
const ROUNDS = 25
const WARM_ROUNDS = 5
const COPIES_AT_ONCE = 100

/** What one event took, in microseconds. */
interface Cost {
  readonly time: number
  /** Of all threads of this process: what others do meanwhile is not in it. */
  readonly CPU: number
}

export async function manyConnections(): Promise<Report> {
  await using parts = new AsyncDisposableStack()
  const contenders: { readonly count: number; readonly ask: () => Promise<void>; readonly costs: Cost[] }[] = []
  for (const count of COUNTS) {
    const scene = parts.use(await openScene())
    const acme = await scene.connect('Acme Retail', ['data.request'])
    await multiply(scene, count)
    const ask = async (): Promise<void> => {
      const { status } = await acme.ask('data.request', { fields: ['shipping_address'] })
      if (status !== 'replied') throw new Error(`a request was ${status}`)
    }
    contenders.push({ count, ask, costs: [] })
  }
  for (let round = -WARM_ROUNDS; round < ROUNDS; round++) {
    // Each begins as often as any other: what the one before left is cleared away in the time of the next.
    const turned = contenders.map((_, at) => contenders.at((at + round) % contenders.length))
    for (const contender of turned) {
      if (!contender) continue
      const cost = await costOf(contender.ask)
      if (round >= 0) contender.costs.push(cost)
    }
  }
  const [base] = contenders
  const lines = contenders.flatMap(({ count, costs }) =>
    (['CPU', 'time'] as const).map((kind) => {
      const medianUs = quantile(
        costs.map((cost) => cost[kind]),
        0.5,
      )
      const ratios = costs.map((cost, round) => cost[kind] / (base?.costs[round]?.[kind] ?? Number.NaN))
      const what = `${count.toLocaleString('en-US')} connections: ${kind} (${medianUs.toFixed(0)} µs)`
      return judged(what, { value: quantile(ratios, 0.5), unit: '×', most: 1.15 })
    }),
  )
  return {
    title: '   Cost of a governed read by the connections of its vault',
    lines,
    notes: [
      `${IN_FLIGHT} in flight of one connection; the others are copies of its records under their own names.`,
      `Medians of ${ROUNDS} rounds of ${EVENTS} events each, in turns; a ratio is of the same round.`,
    ],
  }
}

async function costOf(ask: () => Promise<void>): Promise<Cost> {
  const before = process.cpuUsage()
  const start = performance.now()
  await keepInFlight({ inFlight: IN_FLIGHT, total: EVENTS }, ask)
  const time = ((performance.now() - start) * 1_000) / EVENTS
  const { user, system } = process.cpuUsage(before)
  return { time, CPU: (user + system) / EVENTS }
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
