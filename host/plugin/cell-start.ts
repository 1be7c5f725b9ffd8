/** How a cell's thread is started, and what its failures mean. */
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'

import { Refusal } from '#host/errors.ts'
import { CELL_HEAP_MB, CELL_STACK_MB, CELL_YOUNG_HEAP_MB } from '#host/limits.ts'

import type { CellStart } from './cell-worker.ts'
import type { Handler } from './registry.ts'
import type { CellHandler } from './report.ts'

/** In an image it is the code itself, in the bytes that were measured. */
const code = new URL('./cell-worker.ts', import.meta.url)

/** The files beside this one are `.ts` in a checkout and `.js` in a build. */
const suffix = import.meta.url.endsWith('.ts') ? 'ts' : 'js'

/** All a cell may read: the code it is made of, by file and folder. */
const readable =
  code.protocol === 'data:'
    ? []
    : ['./', `../errors.${suffix}`, `../limits.${suffix}`, `../wire/bytes.${suffix}`, '../../package.json']

export function startWorker(start: CellStart): Worker {
  const reads = readable.map((path) => `--allow-fs-read=${fileURLToPath(new URL(path, import.meta.url))}`)
  const worker = new Worker(code, {
    workerData: start,
    env: {},
    argv: [],
    // Node's own database opens files without asking its permissions.
    execArgv: ['--permission', '--no-experimental-sqlite', ...reads],
    stdout: true,
    stderr: true,
    resourceLimits: {
      maxOldGenerationSizeMb: CELL_HEAP_MB,
      maxYoungGenerationSizeMb: CELL_YOUNG_HEAP_MB,
      stackSizeMb: CELL_STACK_MB,
    },
  })
  // A cell has nothing to print; what comes anyway must not fill a buffer.
  worker.stdout.resume()
  worker.stderr.resume()
  return worker
}

export function cellHandler({ name, manifest, component }: Handler): CellStart['handlers'][number] {
  const { needs, limits } = manifest
  const handler: CellHandler = {
    name,
    labels: Object.keys(needs.namespaces),
    aliases: needs.keys.map(({ alias }) => alias),
    hostCallsMax: limits.hostCalls,
    outputBytesMax: limits.outputBytes,
    logBytesMax: limits.logBytes,
  }
  return { ...handler, component, deadlineMs: limits.deadlineMs }
}

/** Why a cell did not start, in its own words. */
export function unfitRefusal(handler: unknown, why: unknown): Refusal {
  const reason = String(why).slice(0, 256)
  return typeof handler === 'string'
    ? new Refusal('component-invalid', `${handler} does not start: ${reason}`)
    : new Refusal('component-invalid', `a cell does not start: ${reason}`)
}

/** A thread that died: of its heap, or of something that should not happen. */
export function workerRefusal(error: unknown): Refusal {
  const isMemory = error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY'
  return isMemory
    ? new Refusal('handler-memory', 'its cell ran out of heap', { cause: error })
    : new Refusal('handler-trapped', 'its cell failed', { cause: error })
}
