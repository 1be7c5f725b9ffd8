/** Row 1: a call that can be killed and leaves nothing behind, against the two usual ways to have one. */
import { openExtism } from './extism.ts'
import { keepInFlight, measure } from './measure.ts'
import { judged, type Report } from './report.ts'
import { openRmwCell, type RmwCell } from './rmw.ts'
import { smallestProgram } from './spawned.ts'

const PIPELINE = { inFlight: 16, total: 512 }
const CONNECTIONS = 16
const PROCESSES = 10
const MS = 3_000
const BUSY_LEAST = 40_000

export async function killableCall(): Promise<Report> {
  await using cell = await openRmwCell('rmw-as')
  await using rust = await openRmwCell('rmw-rust')
  await using c = await openRmwCell('rmw-c')
  await using extism = await openExtism()
  await using program = await smallestProgram()
  const { ours, busy, busyRust, busyC, same, theirs, spawned } = await measure({
    ours: { run: () => cell.run(), ms: MS },
    busy: busyWith(cell),
    busyRust: busyWith(rust),
    busyC: busyWith(c),
    same: { run: () => keepInFlight(PIPELINE, () => cell.run()), calls: PIPELINE.total, ms: MS },
    theirs: { run: () => extism.run(), ms: MS },
    spawned: { run: () => program.run(PROCESSES), calls: PROCESSES, ms: MS },
  })
  return {
    title: '1  Killable call with reset: 1 get + 1 put, one cell; AssemblyScript unless another is named',
    lines: [
      judged('one after the other', { value: ours.medianUs, unit: 'µs' }),
      judged(`${PIPELINE.inFlight} in flight, of as many connections`, {
        value: busy.perSecond,
        unit: 'events/s',
        least: BUSY_LEAST,
      }),
      judged('  the same in Rust', { value: busyRust.perSecond, unit: 'events/s', least: BUSY_LEAST }),
      judged('  the same in C', { value: busyC.perSecond, unit: 'events/s', least: BUSY_LEAST }),
      judged(`${PIPELINE.inFlight} in flight, of one connection`, { value: same.perSecond, unit: 'events/s' }),
      judged('Extism in a worker, instance reused', { value: theirs.medianUs, unit: 'µs' }),
      judged('  times faster than Extism', { value: theirs.medianUs / ours.medianUs, unit: '×', least: 5 }),
      judged('  the same, the cell always busy', { value: theirs.medianUs / busy.medianUs, unit: '×' }),
      judged(`a process per event: ${program.name}`, { value: spawned.medianUs, unit: 'µs' }),
      judged('  times faster than a process', { value: spawned.medianUs / ours.medianUs, unit: '×', least: 25 }),
      judged('  the same, the cell always busy', { value: spawned.medianUs / busy.medianUs, unit: '×' }),
    ],
    notes: Object.entries({ AssemblyScript: cell, Rust: rust, C: c }).flatMap(([language, one]) =>
      one.replaced() === 0 ? [] : [`${language}: ${one.replaced()} instances could not be reset and were made anew`],
    ),
  }
}

/** Events of all connections in turn, as many in flight. */
function busyWith(cell: RmwCell) {
  let turn = 0
  const inTurn = () => cell.run((turn += 1) % CONNECTIONS)
  return { run: () => keepInFlight(PIPELINE, inTurn), calls: PIPELINE.total, ms: MS }
}
