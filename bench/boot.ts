/** An image of all shipped handlers, its own host and its runtime: from the start of the process to the ready line. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import { foundAlice } from '#host/commands/demo/found.ts'
import type { UpLine } from '#host/commands/up.ts'
import { makeWholeImage } from '../scripts/build-image.ts'
import { temporaryFolder } from './folder.ts'
import { measure } from './measure.ts'
import { judged, type Report } from './report.ts'

const MS = 6_000

export async function measuredBoot(): Promise<Report> {
  await using folder = await temporaryFolder()
  const data = join(folder.path, 'alice')
  const image = join(folder.path, 'image')
  await foundAlice(data)
  await makeWholeImage(image)
  const measuring: number[] = []
  let ending: Promise<unknown> = Promise.resolve()
  const boot = async (): Promise<void> => {
    const args = [join(image, 'boot.mjs'), 'up', '--trace', '--data', data]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] })
    const exited = once(child, 'exit')
    for await (const text of createInterface({ input: child.stdout })) {
      const line = JSON.parse(text) as UpLine
      if (line.kind === 'measured') measuring.push(line.ms)
      if (line.kind === 'ready') break
    }
    // Its end is not what is measured, but the next one needs the lock.
    ending = ending.then(async () => {
      child.kill('SIGKILL')
      await exited
    })
  }
  const { ready } = await measure({ ready: { run: boot, ms: MS } })
  await ending
  const ms = measuring.toSorted((a, b) => a - b)[Math.floor(measuring.length / 2)]
  if (ms === undefined) throw new Error(`the host of ${image} was not measured: start it by hand`)
  return {
    title: '   Boot of a whole image, a new process each time',
    lines: [
      judged('process started to ready', { value: ready.medianUs / 1_000, unit: 'ms', most: 1_500 }),
      judged('  of which measuring: handlers, host and runtime', { value: ms, unit: 'ms', most: 300 }),
    ],
  }
}
