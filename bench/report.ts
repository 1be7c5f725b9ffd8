/** What a row of the bench found, and how it is printed: 80 columns, what was asked beside what was reached. */

export interface Line {
  readonly what: string
  readonly reached: string
  readonly asked?: { readonly text: string; readonly isMet: boolean }
}

export interface Report {
  readonly title: string
  readonly lines: readonly Line[]
  readonly notes?: readonly string[]
}

const COLUMNS = { what: 45, reached: 15, asked: 13 }
const WIDTH = 80

export function printReport({ title, lines, notes = [] }: Report): string {
  const rows = lines.map(({ what, reached, asked }) => {
    const verdict = asked === undefined ? '' : asked.isMet ? '✓' : '✗'
    const cells = [
      what.padEnd(COLUMNS.what),
      reached.padStart(COLUMNS.reached),
      (asked?.text ?? '').padStart(COLUMNS.asked),
    ]
    return `  ${cells.join(' ')} ${verdict}`.trimEnd()
  })
  return [title, ...rows, ...notes.flatMap((note) => wrap(note, WIDTH - 4).map((line) => `    ${line}`))].join('\n')
}

export function head(): string {
  const cells = [' '.repeat(COLUMNS.what), 'reached'.padStart(COLUMNS.reached), 'asked'.padStart(COLUMNS.asked)]
  return `  ${cells.join(' ')}`
}

/** `what` with its target: at least, or at most. */
export function judged(
  what: string,
  { value, unit, least, most }: { value: number; unit: string; least?: number; most?: number },
): Line {
  const reached = amount(value, unit)
  if (least !== undefined) return { what, reached, asked: { text: `≥ ${amount(least, unit)}`, isMet: value >= least } }
  if (most !== undefined) return { what, reached, asked: { text: `≤ ${amount(most, unit)}`, isMet: value <= most } }
  return { what, reached }
}

function amount(value: number, unit: string): string {
  const size = Math.abs(value)
  const digits = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : 2
  return `${value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${unit}`
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines
}
