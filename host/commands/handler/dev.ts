/** `trellis handler dev`: check and test again whenever a file changes. */
import { watch } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'

import { Refusal } from '#host/errors.ts'
import { DEV_SETTLE_MS } from '#host/limits.ts'
import { paint } from '../paint.ts'
import { findMistakes } from './check.ts'
import { findHandler, shown } from './folder.ts'
import { test } from './test.ts'

/** What this very command writes. */
const MADE = /^dist(?:\/|$)|\/events\.ts$|\.tmp$/u

/** Runs until SIGINT or SIGTERM. */
export async function dev(path: string, columns: number): Promise<void> {
  const { folder } = findHandler(path)
  const ended = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ended.abort())
  const changes = watch(folder, { recursive: true, signal: ended.signal })
  await round(path, columns)
  let isWaiting = false
  try {
    for await (const { filename } of changes) {
      if (isWaiting || filename === null || MADE.test(filename)) continue
      isWaiting = true
      // Editors write in several steps; what comes meanwhile is the same change.
      await pause(DEV_SETTLE_MS)
      isWaiting = false
      console.log(paint.title(`\n${filename} changed`))
      await round(path, columns)
    }
  } catch (error) {
    if (!ended.signal.aborted) throw error
  }
}

/** One look at the handler: its mistakes, or its cases. What is wrong with it ends nothing. */
async function round(path: string, columns: number): Promise<void> {
  try {
    const handler = findHandler(path)
    const { mistakes } = await findMistakes(handler)
    for (const mistake of mistakes) console.log(`${paint.bad('NO')}  ${mistake}`)
    if (mistakes.length === 0) await test(path, columns)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    console.log(`${paint.bad('NO')}  ${error.message}`)
  }
  console.log(paint.soft(`watching ${shown(path)}: Ctrl-C ends`))
}
