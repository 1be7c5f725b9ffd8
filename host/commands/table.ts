/** A table of text that fits the terminal: the widest columns give way first. */

const GAP = 2
const NARROWEST = 6

export function table(rows: readonly (readonly string[])[], columns: number): string {
  const count = Math.max(...rows.map((row) => row.length))
  const widths = Array.from({ length: count }, (_, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)))
  const total = () => widths.reduce((sum, width) => sum + width + GAP, -GAP)
  while (total() > columns) {
    const widest = widths.indexOf(Math.max(...widths))
    const width = widths[widest] ?? 0
    if (width <= NARROWEST) break
    widths[widest] = width - 1
  }
  const line = (row: readonly string[]) =>
    widths
      .map((width, at) => clip(row[at] ?? '', width).padEnd(width))
      .join(' '.repeat(GAP))
      .trimEnd()
  return rows.map(line).join('\n')
}

/** Text cut to a width, the cut shown. */
export function clip(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`
}
