/** Row 1: a call that can be killed and leaves nothing behind, against the two usual ways to have one. */
import { openExtism } from './extism.ts'
import { keepInFlight, measure } from './measure.ts'
import { judged, type Report } from './report.ts'
import { openRmwCell } from './rmw.ts'
import { smallestProgram } from './spawned.ts'

const PIPELINE = { inFlight: 16, total: 512 }
const CONNECTIONS = 16
const PROCESSES = 10
const MS = 3_000

export async function killableCall(): Promise<Report> {
  await using cell = await openRmwCell('rmw-as')
  await using extism = await openExtism()
  await using program = await smallestProgram()
  let turn = 0
  const inTurn = () => cell.run((turn += 1) % CONNECTIONS)
  const { ours, busy, same, theirs, spawned } = await measure({
    ours: { run: () => cell.run(), ms: MS },
    busy: { run: () => keepInFlight(PIPELINE, inTurn), calls: PIPELINE.total, ms: MS },
    same: { run: () => keepInFlight(PIPELINE, () => cell.run()), calls: PIPELINE.total, ms: MS },
    theirs: { run: () => extism.run(), ms: MS },
    spawned: { run: () => program.run(PROCESSES), calls: PROCESSES, ms: MS },
  })
  return {
    title: '1  Killable call with reset: AssemblyScript, 1 get + 1 put, one cell',
    lines: [
      judged('one after the other', { value: ours.medianUs, unit: 'µs' }),
      judged(`${PIPELINE.inFlight} in flight, of as many connections`, {
        value: busy.perSecond,
        unit: 'events/s',
        least: 40_000,
      }),
      judged(`${PIPELINE.inFlight} in flight, of one connection`, { value: same.perSecond, unit: 'events/s' }),
      judged('Extism in a worker, instance reused', { value: theirs.medianUs, unit: 'µs' }),
      judged('  times faster than Extism', { value: theirs.medianUs / ours.medianUs, unit: '×', least: 5 }),
      judged('  the same, the cell always busy', { value: theirs.medianUs / busy.medianUs, unit: '×' }),
      judged(`a process per event: ${program.name}`, { value: spawned.medianUs, unit: 'µs' }),
      judged('  times faster than a process', { value: spawned.medianUs / ours.medianUs, unit: '×', least: 25 }),
      judged('  the same, the cell always busy', { value: spawned.medianUs / busy.medianUs, unit: '×' }),
    ],
    notes: cell.replaced() === 0 ? [] : [`${cell.replaced()} instances could not be reset and were made anew`],
  }
}
