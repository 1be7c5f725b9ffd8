/** One line for the operator, beside what a command prints. */
export function warn(line: string): void {
  console.error(`trellis: ${line}`)
}
