/** `trellis up`: runs a host until it is told to stop. */
import { availableParallelism } from 'node:os'
import { realpath } from 'node:fs/promises'

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
import { enclavedOf, type EnclaveOptions, showingOf, successorOf } from './enclaved.ts'
import { makeDataFolder } from './files.ts'
import { handlersOf, IMAGE_FOLDER } from './image.ts'
import { becomeHost, becomeShutIn, hasHost, isShutIn, type UpOptions } from './launch.ts'
import { openReleases, type Releases } from './releases.ts'
import { waitBeside } from './succession/waiting.ts'
import { surroundings } from './surroundings.ts'
import { shutThreads } from './threads.ts'
import { tryWalls, type Walls } from './walls.ts'
import { warn } from './warn.ts'

/** What `--trace` prints, one per line. */
export type UpLine =
  | { readonly kind: 'measured'; readonly measurement: string; readonly ms: number }
  | { readonly kind: 'walls'; readonly standing: readonly string[]; readonly missing: readonly string[] }
  | { readonly kind: 'waiting' }
  | { readonly kind: 'ready'; readonly vaults: readonly string[] }
  | { readonly kind: 'event'; readonly trace: Trace; readonly instances: number }
  | { readonly kind: 'left' }
  | { readonly kind: 'stopped' }

/**
 * Resolves with the exit code: 0 after SIGTERM or SIGINT, or when a successor has all vaults; 1 when the host could not
 * go on.
 */
export async function up(options: UpOptions): Promise<number> {
  // From the first moment on: a signal that comes before the host is up stops it when it is.
  const signal = stopSignal()
  const print = (line: UpLine) => console.log(options.trace ? JSON.stringify(line) : wordsOf(line))
  const end = await run(options, { signal, print }).catch((error: unknown) => {
    if (error instanceof Stopped) return 'stopped' as const
    throw error
  })
  if (end instanceof Refusal) {
    warn(end.message)
    return 1
  }
  print({ kind: end })
  return 0
}

async function run(
  options: UpOptions,
  { signal, print }: Pick<WaitingTurn, 'signal' | 'print'>,
): Promise<'left' | 'stopped' | Refusal> {
  if (options.succeed === true && options.nats === undefined) {
    throw new Refusal('bus-unavailable', 'up: --succeed needs --nats URL: both hosts are reached over it')
  }
  await makeDataFolder(options.data)
  const boot = await bootOf(options)
  print({ kind: 'measured', measurement: softwareMeasurement(boot.measure).toHex(), ms: boot.measuredMs })
  const releases = await openReleases(boot.image, { data: options.data, warn })
  if (options.hardened === true) print({ kind: 'walls', ...(await shutIn(boot, options)) })
  await using parts = new AsyncDisposableStack()
  const bus = await openBus(options, parts)
  const about = { ...surroundings, folder: options.data, releases, warn }
  const left = Promise.withResolvers<'left'>()
  const host = await startHost({
    ...about,
    bus,
    handlers: handlersOf(boot.image).filter(({ name }) => !releases.revoked.has(name)),
    turn: options.succeed === true ? () => takeTurn(boot, { ...about, signal, print }) : undefined,
    enclaved: enclavedOf(boot, { ...about, left: () => left.resolve('left') }),
    showing: () => showingOf(boot, { ...about, nsm: options.nsm }),
    cells: availableParallelism(),
    pid: process.pid,
    tell: (trace) => {
      if (options.trace) print({ kind: 'event', trace, instances: host.stats().instances })
    },
  })
  parts.use(releases.watch((revoked) => host.registry.withdraw(revoked)))
  print({ kind: 'ready', vaults: await host.vaults.names() })
  if (bus.kind === 'memory') {
    warn('the memory bus reaches nobody outside this process: give --nats URL to be reachable')
  }
  const end = await Promise.race([stopOf(signal), left.promise, host.down])
  if (end instanceof Refusal) host.abandon()
  else await host[Symbol.asyncDispose]()
  return end
}

/** Told to stop while another host has the folder. */
class Stopped extends Error {}

/** Waits beside the host of the folder, until it has let go of all. @throws Stopped */
async function takeTurn(boot: Boot, { signal, print, ...about }: WaitingTurn): Promise<void> {
  const enclave = await successorOf(boot, about)
  let last = ''
  const tell = (vaults: readonly string[]): void => {
    if (last === vaults.join()) return
    last = vaults.join()
    about.warn(`nobody runs this folder: its host has not handed over ${last}`)
  }
  await using waiting = await waitBeside({ ...about, enclave, image: boot.image, pid: process.pid, tell })
  print({ kind: 'waiting' })
  if (!(await waiting.turn(signal))) throw new Stopped()
}

interface WaitingTurn extends EnclaveOptions {
  readonly releases: Releases
  readonly signal: AbortSignal
  readonly print: (line: UpLine) => void
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
async function shutIn({ folder }: Boot, { data, nats, nsm }: UpOptions): Promise<Walls> {
  process.permission?.drop('fs.read', folder)
  process.permission?.drop('fs.read', process.execPath)
  if (process.permission !== undefined) startFlushing()
  shutThreads()
  return tryWalls({ data: await realpath(data), image: folder, usesNetwork: nats !== undefined || nsm !== undefined })
}

async function openBus({ nats, space, data }: UpOptions, parts: AsyncDisposableStack): Promise<Bus> {
  if (nats === undefined) return parts.use(parts.use(await openMemoryBroker(data)).connect())
  return parts.use(await connectNats(nats, { name: 'trellis-host', ...(space === undefined ? {} : { space }) }))
}

/** Aborted by the first signal to stop. */
function stopSignal(): AbortSignal {
  const controller = new AbortController()
  process.once('SIGTERM', () => controller.abort())
  process.once('SIGINT', () => controller.abort())
  return controller.signal
}

function stopOf(signal: AbortSignal): Promise<'stopped'> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve('stopped')
    else signal.addEventListener('abort', () => resolve('stopped'))
  })
}

function wordsOf(line: UpLine): string {
  switch (line.kind) {
    case 'measured':
      return `measured in ${line.ms.toFixed(0)} ms; by software this is ${line.measurement}`
    case 'walls':
      return `walls: ${line.standing.join(', ')}; not there: ${line.missing.join('; ')}`
    case 'waiting':
      return 'trellis waits beside the host of this folder; SIGTERM stops it'
    case 'ready':
      return `trellis is up; vaults: ${line.vaults.join(', ') || 'none yet'}; SIGTERM stops it`
    case 'event':
      return `${line.trace.subject} ${line.trace.outcome}`
    case 'left':
      return 'trellis is down: every protected vault was handed over'
    case 'stopped':
      return 'trellis is down: everything in hand was finished'
  }
}
