/** What one host call costs a handler in a cell: a hundred reads in one event, against none, asked or taken along. */
import { granting, jobFor, memoryNamespace } from '#host/plugin/fixtures/stage.ts'
import { ACCEPTED, handlerText, textRegistry } from '#host/plugin/fixtures/text.ts'
import type { Job } from '#host/plugin/job.ts'
import { createPool } from '#host/plugin/pool.ts'
import { measure } from './measure.ts'
import { judged, type Report } from './report.ts'

const READS = 100
const MS = 2_000
const open = '(call $open (i32.const 64) (i32.const 10) (i32.const 128))'
const get = '(call $get (i32.load (i32.const 132)) (i32.const 80) (i32.const 3) (i32.const 160))'

const reading = (count: number): string =>
  handlerText({
    handle: `(local $i i32) ${open}
      (loop $again ${count > 0 ? get : ''}
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const ${count}))))
      ${ACCEPTED}`,
  })

export async function hostCalls(): Promise<Report> {
  const registry = await textRegistry([
    { name: 'none', text: reading(0) },
    { name: 'many', text: reading(READS) },
  ])
  await using pool = await createPool({ registry, cells: 1, spares: 0 })
  const namespace = memoryNamespace()
  namespace.set('big', 'thirty-two bytes of a small value')
  let events = 0
  const job = (name: string) => jobFor(registry, name, { sources: granting(namespace) })
  /** The first event of its connection: nothing is known of what it will read. */
  const stranger = (name: string): Job => {
    const known = job(name)
    return { ...known, context: { ...known.context, connectionId: `connection ${(events += 1)}` } }
  }
  const { none, many, asked } = await measure({
    none: { run: () => pool.run(job('none')), ms: MS },
    many: { run: () => pool.run(job('many')), ms: MS },
    asked: { run: () => pool.run(stranger('many')), ms: MS },
  })
  return {
    title: '   A host call from a cell: reading one value',
    lines: [
      judged('asked of the host', { value: (asked.medianUs - none.medianUs) / READS, unit: 'µs', most: 8 }),
      judged('taken along by the event', { value: (many.medianUs - none.medianUs) / READS, unit: 'µs' }),
    ],
  }
}
