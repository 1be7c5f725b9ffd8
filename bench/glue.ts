/** The loader against jco's generated glue, in one thread with the same host functions; and what an instance weighs. */
import { fixtureBytes, type FixtureName } from '#host/plugin/component/fixtures/build.ts'
import { openHost } from '#host/plugin/component/fixtures/host.ts'
import { openOracle } from '#host/plugin/component/fixtures/oracle.ts'
import { instantiate } from '#host/plugin/component/instantiate.ts'
import { loadComponent } from '#host/plugin/component/load.ts'
import { measure } from './measure.ts'
import { judged, type Line, type Report } from './report.ts'
import { BODY, LIMITS, weigh, wasi } from './weigh.ts'

const MS = 2_000
const CALLS = 32

export async function jcoGlue(): Promise<Report> {
  return {
    title: '   Without a thread: 1 get + 1 put, against the glue jco generates',
    lines: [
      ...(await compare('AssemblyScript', { name: 'rmw-as', renews: false })),
      ...(await compare('QuickJS', { name: 'rmw-ts', renews: true })),
      memory('AssemblyScript', { bytes: await weigh('rmw-as', 400) }),
      memory('QuickJS', { bytes: await weigh('rmw-ts', 50), most: 2 }),
    ],
    notes: ['Ours goes back to its snapshot after each call. jco cannot: used again, it keeps what it has.'],
  }
}

/** jco has no reset. `renews`: it makes an instance for each call, where one used again would leave too much behind. */
async function compare(what: string, { name, renews }: { name: FixtureName; renews: boolean }): Promise<Line[]> {
  const bytes = await fixtureBytes(name)
  const component = loadComponent(bytes, LIMITS)
  const [host, other] = [openHost(), openHost()]
  const make = () => instantiate(component, { imports: host.imports, liftBytesMax: 2 ** 20, wasi })
  let instance = make()
  const oracle = await openOracle(bytes, component, { imports: other.imports, wasi })
  const { ours, theirs } = await measure({
    ours: {
      run: async () => {
        for (let call = 0; call < CALLS; call++) {
          instance.call('handle', [BODY])
          if (!instance.reset()) instance = make()
        }
        host.calls.length = 0
      },
      calls: CALLS,
      ms: MS,
    },
    theirs: {
      run: async () => {
        for (let call = 0; call < CALLS; call++) {
          oracle.call('handle', [BODY])
          if (renews) oracle.renew()
        }
        other.calls.length = 0
      },
      calls: CALLS,
      ms: MS,
    },
  })
  return [
    judged(`${what}: one call and reset`, { value: ours.medianUs, unit: 'µs' }),
    judged(`  times faster than jco${renews ? ', a new instance each' : ', used again'}`, {
      value: theirs.medianUs / ours.medianUs,
      unit: '×',
      least: 3,
    }),
  ]
}

function memory(what: string, { bytes, most }: { bytes: number; most?: number }): Line {
  return judged(`${what}: memory of one instance`, { value: bytes / 2 ** 20, unit: 'MiB', ...(most && { most }) })
}
