/** A PIN, which is never an argument: others on the machine see those. */
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'

import { Refusal } from '#host/errors.ts'

/** The first line of what is typed or piped; a terminal does not show it. @throws Refusal `secret-wrong` */
export async function readPin(): Promise<string> {
  const terminal = process.stdin.isTTY
  if (terminal) process.stderr.write('PIN: ')
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  using lines = createInterface({ input: process.stdin, output: silent, terminal })
  for await (const line of lines) return line
  throw new Refusal('secret-wrong', 'no PIN was typed')
}
