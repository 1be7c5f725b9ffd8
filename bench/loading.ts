/** What the loader itself costs: decode, vet, link, patch, compile. No code is generated. */
import { TABLE_ELEMENTS_MAX } from '#host/limits.ts'
import { fixtureBytes } from '#host/plugin/component/fixtures/build.ts'
import { loadComponent } from '#host/plugin/component/load.ts'
import { measure } from './measure.ts'
import { judged, type Report } from './report.ts'

const LIMITS = { memoryBytesMax: 32 * 2 ** 20, tableElementsMax: TABLE_ELEMENTS_MAX }
const MS = 1_000

export async function componentLoading(): Promise<Report> {
  const quickjs = await fixtureBytes('rmw-ts')
  const script = await fixtureBytes('rmw-as')
  const times = await measure({
    quickjs: { run: load(quickjs), ms: MS },
    script: { run: load(script), ms: MS },
  })
  return {
    title: '   Component loader: decode, link, patch, compile',
    lines: [
      judged(`TypeScript on QuickJS, ${size(quickjs)}`, {
        value: times.quickjs.medianUs / 1_000,
        unit: 'ms',
        most: 60,
      }),
      judged(`AssemblyScript, ${size(script)}`, { value: times.script.medianUs / 1_000, unit: 'ms', most: 2 }),
    ],
  }
}

function load(bytes: Uint8Array): () => Promise<unknown> {
  return async () => loadComponent(bytes, LIMITS)
}

function size(bytes: Uint8Array): string {
  return `${Math.round(bytes.length / 1_000).toLocaleString('en-US')} kB`
}
