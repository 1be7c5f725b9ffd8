/** `trellis handler test`: every case in a real cell, and what it cost. */
import { paint } from '../paint.ts'
import { table } from '../table.ts'
import { buildFolder } from './build.ts'
import { readCases } from './cases.ts'
import { findHandler, readManifest } from './folder.ts'
import { type CaseResult, runCases } from './run-cases.ts'

/** @returns whether every case passed */
export async function test(path: string, columns: number): Promise<boolean> {
  const handler = findHandler(path)
  const manifest = await readManifest(handler)
  const cases = await readCases(handler.cases)
  const { bytes } = await buildFolder(handler, manifest)
  const start = performance.now()
  const results = await runCases({ manifest, component: bytes, cases })
  const seconds = (performance.now() - start) / 1_000
  console.log(printResults(results, columns))
  const failed = results.filter(({ mistakes }) => mistakes.length > 0).length
  const passed = `${results.length - failed} passed`
  const count = failed === 0 ? paint.good(passed) : `${passed}, ${paint.bad(`${failed} failed`)}`
  const what = `${manifest.handler} ${manifest.version}, ${handler.language.title}, in a real cell`
  console.log(`\n${count}  ${paint.soft(`${what}, ${seconds.toFixed(1)} s`)}`)
  return failed === 0
}

/** One line per case; what is wrong stands below it. */
export function printResults(results: readonly CaseResult[], columns: number): string {
  const rows = results.map(({ name, outcome, hostCalls, bytes, micros, mistakes }) => {
    const numbers = [hostCalls, bytes, Math.round(micros)].map(String)
    return [mistakes.length === 0 ? 'ok' : 'NO', name, outcome, ...numbers]
  })
  const header = ['', 'case', 'outcome', 'calls', 'bytes', 'µs']
  const lines = table(rightAligned([header, ...rows], 3), columns).split('\n')
  const [head = '', ...body] = lines
  const told = results.flatMap(({ mistakes, log }, at) => {
    const line = body[at] ?? ''
    const isGood = mistakes.length === 0
    const mark = isGood ? paint.good(line.slice(0, 2)) : paint.bad(line.slice(0, 2))
    const why = [...mistakes, ...(isGood ? [] : thrown(log))].map((text) => `    ${text}`)
    return [`${mark}${line.slice(2)}`, ...why]
  })
  return [paint.soft(head), ...told].join('\n')
}

/** The handler's log lines; of QuickJS' report of an exception, what was thrown and where. */
function thrown(log: readonly string[]): string[] {
  const lines = log.filter((line) => !/^debug: (?:$|thread |Failed to call|\)$|note: )/u.test(line))
  return lines.map((line) => {
    const found = /^debug: Exception \{ message: Some\("(.*)"\), stack: Some\("(.*)"\) \}\)?$/u.exec(line)
    if (found === null) return `logged ${line}`
    const places = [...(found[2] ?? '').matchAll(/at (\S+)/gu)].map(([, name]) => name)
    const said = (found[1] ?? '').replaceAll('\\"', '"')
    return `threw: ${said}, in ${places.join(' < ')}`
  })
}

/** Pads the columns from `first` on, so that numbers stand under each other. */
function rightAligned(rows: readonly (readonly string[])[], first: number): string[][] {
  const width = (at: number): number => Math.max(...rows.map((row) => (row[at] ?? '').length))
  return rows.map((row) => row.map((cell, at) => (at < first ? cell : cell.padStart(width(at)))))
}
