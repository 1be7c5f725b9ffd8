/** Row 2: the same call with the same work in TypeScript on QuickJS. */
import { keepInFlight, measure } from './measure.ts'
import { judged, type Report } from './report.ts'
import { openRmwCell } from './rmw.ts'

const PIPELINE = { inFlight: 16, total: 256 }
const MS = 3_000

export async function quickjsCall(): Promise<Report> {
  await using cell = await openRmwCell('rmw-ts')
  const { alone, busy } = await measure({
    alone: { run: () => cell.run(), ms: MS },
    busy: { run: () => keepInFlight(PIPELINE, () => cell.run()), calls: PIPELINE.total, ms: MS },
  })
  return {
    title: '2  The same in TypeScript on QuickJS',
    lines: [
      judged('one after the other', { value: alone.medianUs, unit: 'µs' }),
      judged('one cell, always busy', { value: busy.perSecond, unit: 'events/s', least: 8_000 }),
    ],
    notes: cell.replaced() === 0 ? [] : [`${cell.replaced()} instances could not be reset and were made anew`],
  }
}
