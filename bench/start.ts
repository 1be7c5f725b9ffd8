/** Row 5: `trellis up` on a folder that is there, from the start of the process to its ready line. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import { foundAlice } from '#host/commands/demo/found.ts'
import { makeImage } from '../scripts/build-image.ts'
import { temporaryFolder } from './folder.ts'
import { measure } from './measure.ts'
import { judged, type Report } from './report.ts'

const MAIN = fileURLToPath(new URL('../host/main.ts', import.meta.url))
const MS = 6_000

export async function hostStart(): Promise<Report> {
  await using folder = await temporaryFolder()
  const data = join(folder.path, 'alice')
  const image = join(folder.path, 'image')
  await foundAlice(data)
  await makeImage(image)
  const { ready, node } = await measure({
    ready: { run: () => untilLine([MAIN, 'up', '--data', data, '--image', image]), ms: MS },
    node: { run: () => untilLine(['-e', 'console.log("up")']), ms: MS / 6 },
  })
  await ending
  return {
    title: '5  Host ready with the two handlers: `trellis up`, a new process each time',
    lines: [
      judged('process started to ready', { value: ready.medianUs / 1_000, unit: 'ms', most: 1_500 }),
      judged('  of which Node itself', { value: node.medianUs / 1_000, unit: 'ms' }),
    ],
  }
}

let ending: Promise<unknown> = Promise.resolve()

/** Starts Node with these arguments and ends it at its first line. */
async function untilLine(args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  const exited = once(child, 'exit')
  const failed = exited.then(([code]) => {
    throw new Error(`${args.join(' ')} ended with ${code} before it was ready`)
  })
  failed.catch(() => {})
  await Promise.race([once(createInterface({ input: child.stdout }), 'line'), failed])
  // Its end is not what is measured, but the next one needs the lock.
  ending = ending.then(async () => {
    child.kill('SIGKILL')
    await exited
  })
}
