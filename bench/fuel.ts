/** What counting fuel costs: the same component with and without it, each call followed by a reset, in turns. */
import { TABLE_ELEMENTS_MAX } from '#host/limits.ts'
import { fixtureBytes, type FixtureName } from '#host/plugin/component/fixtures/build.ts'
import { openHost } from '#host/plugin/component/fixtures/host.ts'
import { instantiate } from '#host/plugin/component/instantiate.ts'
import { loadComponent } from '#host/plugin/component/load.ts'
import { measure } from './measure.ts'
import { judged, type Line, type Report } from './report.ts'

const LIMITS = { memoryBytesMax: 32 * 2 ** 20, tableElementsMax: TABLE_ELEMENTS_MAX }
const MS = 3_000
const CALLS = 8
const COST_MAX = 1.12
const BODY = new TextEncoder().encode('{"note":"thirty-two bytes of it"}')

export async function fuelCost(): Promise<Report> {
  return {
    title: '   Fuel: metered code against the same code as it was built',
    lines: [
      ...(await compare('AssemblyScript, computing', 'work-as')),
      ...(await compare('AssemblyScript, 1 get + 1 put', 'rmw-as')),
      ...(await compare('QuickJS, computing', 'work-ts')),
      ...(await compare('QuickJS, 1 get + 1 put', 'rmw-ts')),
      ...(await compareLoading('QuickJS', 'rmw-ts')),
    ],
  }
}

async function compare(what: string, name: FixtureName): Promise<Line[]> {
  const bytes = await fixtureBytes(name)
  const { metered, plain } = await measure({
    metered: { run: callerOf(bytes, {}), calls: CALLS, ms: MS },
    plain: { run: callerOf(bytes, { fuel: 'unmetered' }), calls: CALLS, ms: MS },
  })
  return [
    judged(`${what}: one call and reset`, { value: metered.medianUs, unit: 'µs' }),
    judged('  times unmetered', { value: metered.medianUs / plain.medianUs, unit: '×', most: COST_MAX }),
  ]
}

function callerOf(bytes: Uint8Array, fuel: { fuel?: 'unmetered' }): () => Promise<void> {
  const wasi = { nowMs: () => 0, write: () => undefined }
  const host = openHost()
  const component = loadComponent(bytes, { ...LIMITS, ...fuel })
  const make = () => instantiate(component, { imports: host.imports, liftBytesMax: 2 ** 20, wasi })
  let instance = make()
  return async () => {
    for (let call = 0; call < CALLS; call++) {
      instance.call('handle', [BODY])
      // One whose memory grew is made anew, as a cell does.
      if (!instance.reset()) instance = make()
    }
    host.calls.length = 0
  }
}

async function compareLoading(what: string, name: FixtureName): Promise<Line[]> {
  const bytes = await fixtureBytes(name)
  const { metered, plain } = await measure({
    metered: { run: async () => loadComponent(bytes, LIMITS), ms: MS },
    plain: { run: async () => loadComponent(bytes, { ...LIMITS, fuel: 'unmetered' }), ms: MS },
  })
  return [
    judged(`${what}: loading`, { value: metered.medianUs / 1_000, unit: 'ms' }),
    judged('  times unmetered', { value: metered.medianUs / plain.medianUs, unit: '×' }),
  ]
}
