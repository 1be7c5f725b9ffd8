/** `trellis handler dev`: check, test and run live in a local vault, again whenever a file changes. */
import { watch } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'

import { Refusal } from '#host/errors.ts'
import { DEV_SETTLE_MS } from '#host/limits.ts'
import { paint } from '../paint.ts'
import { openRounds } from './dev-round.ts'
import { findHandler, shown } from './folder.ts'

/** What this very command writes. */
const MADE = /^dist(?:\/|$)|\/events\.ts$|\.tmp$/u

/** Runs until SIGINT or SIGTERM; `once`: for one round. @returns whether the last round was green */
export async function dev(path: string, { columns, once }: { columns: number; once: boolean }): Promise<boolean> {
  const { folder } = findHandler(path)
  await using rounds = openRounds(path, columns)
  let isGreen = false
  // One thing after the other: what is typed waits for a round, and a round for what was typed.
  let turn = Promise.resolve()
  const inTurn = (work: () => Promise<boolean | void>): Promise<void> => {
    turn = turn.then(async () => void (isGreen = (await told(work)) ?? isGreen))
    return turn
  }
  if (once) {
    await inTurn(() => rounds.round())
    return isGreen
  }
  const ended = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ended.abort())
  const changes = watch(folder, { recursive: true, signal: ended.signal })
  const round = async (): Promise<boolean> => {
    const green = await told(() => rounds.round())
    console.log(paint.soft(`watching ${shown(path)}: ${HOW}`))
    return green ?? false
  }
  await inTurn(round)
  const typed = createInterface({ input: process.stdin })
  typed.on('line', (line) => void (line.trim() !== '' && inTurn(() => rounds.type(line.trim()))))
  let isWaiting = false
  try {
    for await (const { filename } of changes) {
      if (isWaiting || filename === null || MADE.test(filename)) continue
      isWaiting = true
      void inTurn(async () => {
        // Editors write in several steps; what comes meanwhile is the same change.
        await pause(DEV_SETTLE_MS)
        isWaiting = false
        console.log(paint.title(`\n${filename} changed`))
        return round()
      })
    }
  } catch (error) {
    if (!ended.signal.aborted) throw error
  } finally {
    typed.close()
    process.stdin.unref?.()
    await turn
  }
  return isGreen
}

const HOW = 'type a case’s number or name, or an event type and JSON, to ask; Ctrl-C ends'

/** What is wrong with a handler ends nothing. */
async function told(work: () => Promise<boolean | void>): Promise<boolean | undefined> {
  try {
    return (await work()) ?? undefined
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    console.log(`${paint.bad('NO')}  ${error.message}`)
    return false
  }
}
