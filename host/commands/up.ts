/** `trellis up`: runs a host until it is told to stop. */
import { availableParallelism } from 'node:os'
import { mkdir, realpath } from 'node:fs/promises'

import type { Bus } from '#host/messaging/port.ts'
import { startHost } from '#host/host.ts'
import { startFlushing } from '#host/storage/flush.ts'
import type { Trace } from '#host/watch.ts'
import { connectNats, openMemoryBroker } from './bus.ts'
import type { Boot } from '#enclave/boot.ts'
import { softwareMeasurement } from '#enclave/measure.ts'
import { startImage } from '#enclave/start.ts'
import { Refusal } from '#host/errors.ts'
import { booted } from './booted.ts'
import { enclavedOf, nextOf, showingOf } from './enclaved.ts'
import { handlersOf, IMAGE_FOLDER } from './image.ts'
import { becomeHost, becomeShutIn, hasHost, isShutIn, type UpOptions } from './launch.ts'
import { openReleases } from './releases.ts'
import { surroundings } from './surroundings.ts'
import { shutThreads } from './threads.ts'
import { tryWalls, type Walls } from './walls.ts'
import { warn } from './warn.ts'

/** What `--trace` prints, one per line. */
export type UpLine =
  | { readonly kind: 'measured'; readonly measurement: string; readonly ms: number }
  | { readonly kind: 'walls'; readonly standing: readonly string[]; readonly missing: readonly string[] }
  | { readonly kind: 'ready'; readonly vaults: readonly string[] }
  | { readonly kind: 'event'; readonly trace: Trace; readonly instances: number }
  | { readonly kind: 'stopped' }

/** Resolves with the exit code: 0 after SIGTERM or SIGINT, 1 when the host could not go on. */
export async function up(options: UpOptions): Promise<number> {
  // From the first moment on: a signal that comes before the host is up stops it when it is.
  const stopped = signalled()
  await mkdir(options.data, { recursive: true, mode: 0o700 })
  const boot = await bootOf(options)
  const print = (line: UpLine) => console.log(options.trace ? JSON.stringify(line) : wordsOf(line))
  print({ kind: 'measured', measurement: softwareMeasurement(boot.measure).toHex(), ms: boot.measuredMs })
  const releases = await openReleases(boot.image, { data: options.data, warn })
  const next = options.next === undefined ? undefined : await nextOf(boot, { folder: options.next, releases })
  if (options.hardened === true) print({ kind: 'walls', ...(await shutIn(boot, options)) })
  await using parts = new AsyncDisposableStack()
  const bus = await openBus(options, parts)
  const host = await startHost({
    ...surroundings,
    folder: options.data,
    bus,
    handlers: handlersOf(boot.image).filter(({ name }) => !releases.revoked.has(name)),
    enclaved: enclavedOf(boot, { ...surroundings, releases, folder: options.data, next, warn }),
    showing: () => showingOf(boot, { ...surroundings, releases, folder: options.data, nsm: options.nsm }),
    cells: availableParallelism(),
    pid: process.pid,
    warn,
    tell: (trace) => {
      if (options.trace) print({ kind: 'event', trace, instances: host.stats().instances })
    },
  })
  parts.use(releases.watch((revoked) => host.registry.withdraw(revoked)))
  print({ kind: 'ready', vaults: await host.vaults.names() })
  if (bus.kind === 'memory') {
    warn('the memory bus reaches nobody outside this process: give --nats URL to be reachable')
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

/** The image that started this host; or one that is measured here, if it does not bring its own host. */
async function bootOf(options: UpOptions): Promise<Boot> {
  const boot = booted()
  if (boot !== undefined) {
    if (options.image === IMAGE_FOLDER || (await realpath(options.image)) === boot.folder) return boot
    throw new Refusal('image-unlisted', `up: this host is of ${boot.folder} and runs no other image`)
  }
  if (hasHost(options.image)) return becomeHost(options)
  if (options.hardened === true && !isShutIn()) return becomeShutIn(options)
  return startImage(options.image, { nsm: options.nsm, process, monotonic: surroundings.monotonic })
}

/** The images were read: from here on nobody reads them, and the one thread that must be outside is there. */
async function shutIn({ folder }: Boot, { data, next, nats, nsm }: UpOptions): Promise<Walls> {
  process.permission?.drop('fs.read', folder)
  if (next !== undefined) process.permission?.drop('fs.read', next)
  process.permission?.drop('fs.read', process.execPath)
  if (process.permission !== undefined) startFlushing()
  shutThreads()
  return tryWalls({ data: await realpath(data), image: folder, usesNetwork: nats !== undefined || nsm !== undefined })
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
    case 'measured':
      return `measured in ${line.ms.toFixed(0)} ms; by software this is ${line.measurement}`
    case 'walls':
      return `walls: ${line.standing.join(', ')}; not there: ${line.missing.join('; ')}`
    case 'ready':
      return `trellis is up; vaults: ${line.vaults.join(', ') || 'none yet'}; SIGTERM stops it`
    case 'event':
      return `${line.trace.subject} ${line.trace.outcome}`
    case 'stopped':
      return 'trellis is down: everything in hand was finished'
  }
}
