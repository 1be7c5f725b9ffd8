/** A process of its own that starts others: a small parent forks fastest, and the host's memory is not in its way. */
import { spawn } from 'node:child_process'

/** Starts the program `calls` times, one after the other, each given `body`. */
export interface Order {
  readonly command: string
  readonly args: readonly string[]
  readonly body: Uint8Array
  readonly calls: number
}

if (import.meta.main) {
  process.on('message', (order: Order) => void obey(order).then(() => process.send?.('done')))
}

async function obey({ command, args, body, calls }: Order): Promise<void> {
  for (let call = 0; call < calls; call++) await answerOf(command, args, body)
}

/** Sends the request and waits for the answer and the end. */
function answerOf(command: string, args: readonly string[], body: Uint8Array): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'], env: {} })
  let length = 0
  child.stdout.on('data', (chunk: Uint8Array) => (length += chunk.length))
  child.once('error', reject)
  child.once('close', (code) => {
    if (code === 0 && length === body.length) resolve()
    else reject(new Error(`${command} ended with ${code} after ${length} bytes`))
  })
  child.stdin.end(body)
  return promise
}
