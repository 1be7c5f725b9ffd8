/** The proving thread: one task at a time, in order. */
import { randomFillSync } from 'node:crypto'
import { parentPort } from 'node:worker_threads'

import { Refusal } from '#host/errors.ts'

import { type BbsDisclosure, type BbsSigned, proveBbs, verifyBbs } from './bbs.ts'

export interface ProverTask {
  readonly task: number
  readonly what:
    | { readonly kind: 'prove'; readonly disclosure: BbsDisclosure }
    | { readonly kind: 'verify'; readonly signed: BbsSigned }
}

export interface ProverAnswer {
  readonly task: number
  /** `undefined`: it cannot be proven. */
  readonly result: Uint8Array | boolean | undefined
}

const random = (length: number): Uint8Array => randomFillSync(new Uint8Array(length))

parentPort?.on('message', ({ task, what }: ProverTask) => {
  parentPort?.postMessage({ task, result: resultOf(what) } satisfies ProverAnswer)
})

function resultOf(what: ProverTask['what']): ProverAnswer['result'] {
  if (what.kind === 'verify') return verifyBbs(what.signed)
  try {
    return proveBbs(what.disclosure, random)
  } catch (error) {
    if (error instanceof Refusal) return undefined
    throw error
  }
}
