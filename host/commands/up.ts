/** `trellis up`: runs a host until it is told to stop. */
import { availableParallelism } from 'node:os'
import { mkdir } from 'node:fs/promises'

import type { ImageMeasure } from '#enclave/measure.ts'
import type { Bus } from '#host/messaging/port.ts'
import { startHost } from '#host/host.ts'
import type { Trace } from '#host/watch.ts'
import { connectNats, openMemoryBroker } from './bus.ts'
import { type EnclavedOptions, openEnclaved } from './enclaved.ts'
import { handlersIn } from './image.ts'
import { readMeasured } from './image/read.ts'
import { surroundings } from './surroundings.ts'
import { warn } from './warn.ts'

export interface UpOptions {
  readonly data: string
  readonly image: string
  readonly nats?: string
  readonly space?: string
  /** Print one JSON line per event instead of words. */
  readonly trace?: boolean
}

/** What `--trace` prints, one per line. */
export type UpLine =
  | { readonly kind: 'ready'; readonly vaults: readonly string[] }
  | { readonly kind: 'event'; readonly trace: Trace; readonly instances: number }
  | { readonly kind: 'stopped' }

/** Resolves with the exit code: 0 after SIGTERM or SIGINT, 1 when the host could not go on. */
export async function up(options: UpOptions): Promise<number> {
  // From the first moment on: a signal that comes before the host is up stops it when it is.
  const stopped = signalled()
  await mkdir(options.data, { recursive: true, mode: 0o700 })
  const { image, measure } = await readMeasured(options.image)
  const handlers = handlersIn(image)
  await using parts = new AsyncDisposableStack()
  const bus = await openBus(options, parts)
  const print = (line: UpLine) => console.log(options.trace ? JSON.stringify(line) : wordsOf(line))
  const host = await startHost({
    ...surroundings,
    folder: options.data,
    bus,
    handlers,
    enclaved: () => openEnclaved({ ...surroundings, ...unreleased(measure), folder: options.data, warn }),
    cells: availableParallelism(),
    pid: process.pid,
    warn,
    tell: (trace) => {
      if (options.trace) print({ kind: 'event', trace, instances: host.stats().instances })
    },
  })
  print({ kind: 'ready', vaults: await host.vaults.names() })
  if (bus.kind === 'memory') {
    console.error('trellis: the memory bus reaches nobody outside this process: give --nats URL to be reachable')
  }
  const stop = await Promise.race([stopped, host.down])
  if (stop !== 'stop') {
    host.abandon()
    warn(stop.message)
    return 1
  }
  await host[Symbol.asyncDispose]()
  print({ kind: 'stopped' })
  return 0
}

/** An image that no release log names: vaults are protected in it, and move nowhere. */
function unreleased(measure: ImageMeasure): Pick<EnclavedOptions, 'image' | 'releases'> {
  const release = { id: measure.root.toHex().slice(0, 16), root: measure.root, serial: 0 }
  return { image: { measure, release }, releases: { find: () => undefined } }
}

async function openBus({ nats, space, data }: UpOptions, parts: AsyncDisposableStack): Promise<Bus> {
  if (nats === undefined) return parts.use(parts.use(await openMemoryBroker(data)).connect())
  return parts.use(await connectNats(nats, { name: 'trellis-host', ...(space === undefined ? {} : { space }) }))
}

function signalled(): Promise<'stop'> {
  return new Promise((resolve) => {
    process.once('SIGTERM', () => resolve('stop'))
    process.once('SIGINT', () => resolve('stop'))
  })
}

function wordsOf(line: UpLine): string {
  switch (line.kind) {
    case 'ready':
      return `trellis is up; vaults: ${line.vaults.join(', ') || 'none yet'}; SIGTERM stops it`
    case 'event':
      return `${line.trace.subject} ${line.trace.outcome}`
    case 'stopped':
      return 'trellis is down: everything in hand was finished'
  }
}
