/** What one host call costs a handler in a cell: a hundred reads in one event, against none. */
import { granting, jobFor, memoryNamespace } from '#host/plugin/fixtures/stage.ts'
import { ACCEPTED, handlerText, textRegistry } from '#host/plugin/fixtures/text.ts'
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
  const job = (name: string) => jobFor(registry, name, { sources: granting(namespace) })
  const { none, many } = await measure({
    none: { run: () => pool.run(job('none')), ms: MS },
    many: { run: () => pool.run(job('many')), ms: MS },
  })
  return {
    title: '   A host call from a cell: reading one value',
    lines: [judged('one call', { value: (many.medianUs - none.medianUs) / READS, unit: 'µs', most: 8 })],
  }
}
