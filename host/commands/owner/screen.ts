/** What an owner's commands print: lines on standard output; how far long work is on standard error, on a terminal. */
import type { Progress } from '#client/account/state.ts'
import type { Finding } from '#host/entries/finding.ts'

export interface Screen {
  readonly columns: number
  print(line: string): void
  /** What is wrong with what a host serves: the command ends with 1. */
  wrong(findings: readonly Finding[]): void
  /** One line that is written over; it is gone when the work is done. */
  progress(what: string): Progress
}

export function terminal(columns: number): Screen {
  const { stderr } = process
  return {
    columns,
    print: (line) => console.log(line),
    wrong(findings) {
      for (const { code, message } of findings) console.error(`trellis: ${code}: ${message}`)
      if (findings.length > 0) process.exitCode = 1
    },
    progress(what) {
      if (!stderr.isTTY) return () => {}
      return (done, total) => stderr.write(done >= total ? '\r\u001b[K' : `\r\u001b[K${what}: ${done} of ${total}`)
    },
  }
}
