/** The composition root: builds every part of a host, in order, and owns them. */
import { join } from 'node:path'

import { openProver } from './crypto/bbs-thread.ts'
import type { Showing } from './crypto/enclave.ts'
import { sha384 } from './crypto/p384.ts'
import { deliver } from './deliver.ts'
import { openDialer } from './dialer.ts'
import { Refusal } from './errors.ts'
import { BUS_IN_FLIGHT_MAX, TICK_MS } from './limits.ts'
import type { Bus, Delivery, Message } from './messaging/port.ts'
import { parseManifest } from './plugin/manifest.ts'
import { createPool, type PoolStats } from './plugin/pool.ts'
import { loadProgram } from './plugin/program.ts'
import { buildRegistry, type Registry } from './plugin/registry.ts'
import { fileBlobs } from './storage/file-blobs.ts'
import { fileSegments } from './storage/file-segments.ts'
import { openSegmentedLog } from './storage/group.ts'
import { softwareSealer } from './storage/sealer.ts'
import { LOCKED_RETRY_MS, STORAGE_RETRY_MS } from './storage/limits.ts'
import { captured, kept, lanesOf } from './lanes.ts'
import { finish, type Moment, upkeep, wake } from './upkeep.ts'
import { announce } from './vault/announce.ts'
import { publish } from './vault/publish.ts'
import { type Published, publishedOf } from './vault/published.ts'
import type { Vault } from './vault/vault.ts'
import { type Enclaved, openVaults, type Vaults, type VaultsOptions } from './vault/vaults.ts'
import { leaveWakeTimes, takeWakeTimes } from './vault/wake.ts'
import { startWatch, type Trace } from './watch.ts'

/** The bytes of one handler as the image gave them: hashed, and used as hashed. */
export interface HandlerFiles {
  readonly name: string
  readonly manifest: Uint8Array
  readonly component: Uint8Array
  /** SHA-384 of each core module that the engine is to get, in hex; absent when nobody listed them. */
  readonly core?: readonly string[] | undefined
}

export interface HostOptions {
  /** Holds the log, the sealed keys and the key that seals them. */
  readonly folder: string
  readonly bus: Bus
  readonly handlers: readonly HandlerFiles[]
  /** Events handled at the same time. */
  readonly cells: number
  readonly pid: number
  /** How long a commit may take before its event is refused; `COMMIT_DEADLINE_MS` when it is not said. */
  readonly commitDeadlineMs?: number | undefined
  /** When a cell that is not ready is given up; `CELL_START_MS_MAX` when it is not said. */
  readonly cellStartMs?: number | undefined
  /** From the end of one round of upkeep to the next; `TICK_MS` when it is not said. */
  readonly tickMs?: number | undefined
  readonly now: () => number
  /** Milliseconds with a fraction, for durations. */
  readonly monotonic: () => number
  readonly random: (length: number) => Uint8Array
  /** One line for the operator. */
  readonly warn: (line: string) => void
  /** Told of each delivery when it is over. */
  readonly tell?: (trace: Trace) => void
  /** Told of each step of a delivery as it ends, before the next begins. */
  readonly reached?: (step: string) => void
  /** The measured code that this process is, for vaults whose owners protect them; opened once the folder is ours. */
  readonly enclaved?: (() => Promise<Enclaved>) | undefined
  /** The folder is another process's until this resolves: what needs none stands by then. What it throws ends it. */
  readonly turn?: (() => Promise<void>) | undefined
  /** What shows the measured code to whoever asks for evidence; opened once the folder is ours. */
  readonly showing?: (() => Promise<Showing>) | undefined
  /** What all open vaults may take in memory, about; `VAULTS_OPEN_BYTES` if it is not said. */
  readonly openBytesMax?: number
  /** What one vault may hold; `VAULT_BYTES_MAX` if it is not said. */
  readonly vaultBytesMax?: number
  /** What one vault may take on disk; `VAULT_DISK_BYTES_MAX` if it is not said. */
  readonly vaultDiskBytesMax?: number
}

export interface Host extends AsyncDisposable {
  readonly vaults: Vaults
  readonly registry: Registry
  readonly stats: () => PoolStats
  /** Resolves with the reason when this host can go on no more: its log failed, and did not open again. */
  readonly down: Promise<Refusal>
  /** Takes nothing new, finishes what is in hand, writes what is counted. */
  drain(): Promise<void>
  /** Lets go of everything at once, as a crash would: nothing is flushed, nobody is told. */
  abandon(): void
}

/** @throws Refusal naming what keeps the host from starting: a manifest, a component, the log, a key, the bus */
export async function startHost(options: HostOptions): Promise<Host> {
  const { folder, bus, now, random, monotonic, cells, cellStartMs, tell = () => {}, reached } = options
  await using parts = new AsyncDisposableStack()
  const registry = readHandlers(options.handlers)
  const pool = parts.use(await createPool({ registry, cells, spares: 1, cellStartMs }))
  await options.turn?.()
  const log = parts.use(await openSegmentedLog(await fileSegments(join(folder, 'log'), { pid: options.pid })))
  const sealer = await softwareSealer(join(folder, 'install.key'), { random, create: true })
  const published = publishedOf(JSON.stringify(registry.published()))
  const wakeList = join(folder, 'wake.json')
  const prover = parts.use(openProver())
  const vaults = parts.use(
    await openVaults({
      log,
      sealer,
      snapshots: await fileBlobs(join(folder, 'snapshots')),
      folder: join(folder, 'vaults'),
      published,
      random,
      prover,
      commitDeadlineMs: options.commitDeadlineMs,
      ...bounds(options),
      enclaved: await options.enclaved?.(),
      recovered: (vault) => recovered(vault, { bus, published, now: now(), random }),
    }),
  )

  const down = Promise.withResolvers<Refusal>()
  const shell = { sealing: vaults.sealing, showing: await options.showing?.() }
  const deliverer = { bus, registry, pool, hold: (id: string) => vaults.hold(id), ...shell, now, random }
  const receive = async (message: Message) => {
    await deliver(message, deliverer, startWatch(message.subject, { monotonic, tell, reached }))
    await vaults.makeRoom(now())
  }

  const failed = recovering(vaults, down.resolve)
  await bus.provision(lanesOf(registry.lanes()))
  const inlet = await listen(bus, registry, { receive, failed })
  await reopen(vaults, { ...options, handlers: published.text, wakeList })
  const dialer = openDialer(bus)
  const round = () => upkeep(vaults, { bus, now: now(), random, dialer, warn: options.warn })
  await round()
  const rounds = repeat(() => round().catch(failed), options.tickMs ?? TICK_MS)
  const owned = parts.move()

  async function drain(): Promise<void> {
    await Promise.all([inlet.drain(), rounds.stop()])
    await dialer.drain()
    await pool.drain()
    await finish(vaults, { bus, now: now(), random })
    await leaveWakeTimes(wakeList, published.text, vaults.wakeTimes(now()))
  }
  let closed: PromiseLike<void> | undefined
  return {
    vaults,
    registry,
    stats: () => pool.stats,
    down: down.promise,
    drain,
    abandon() {
      void rounds.stop()
      log.abandon()
      closed = pool[Symbol.asyncDispose]()
    },
    async [Symbol.asyncDispose]() {
      closed ??= drain().then(() => owned.disposeAsync())
      await closed
    },
  }
}

/**
 * What takes the errors that deliveries end with. A log that failed is opened again: what is durable goes on. If that
 * fails too, this host ends; anything else that gets here is our bug, and ends the process.
 */
function recovering(vaults: Vaults, end: (reason: Refusal) => void): (error: unknown) => never | void {
  let recovery: Promise<void> | undefined
  return (error) => {
    if (!(error instanceof Refusal) || error.code !== 'storage-failed') throw error
    recovery ??= vaults
      .reopen()
      .catch((again: unknown) => end(again instanceof Refusal ? again : error))
      .finally(() => (recovery = undefined))
  }
}

/** Takes up everything that is sent to this host's vaults. */
async function listen(
  bus: Bus,
  registry: Registry,
  { receive, failed }: { receive: (message: Message) => Promise<void>; failed: (error: unknown) => void },
): Promise<{ drain(): Promise<unknown> }> {
  // What the log did not take is not acknowledged: it comes again, to this host or to this folder's next one.
  const take = (delivery: Delivery) => receive(delivery).then(() => delivery.ack().catch(unheard))
  const isKept = kept(registry.lanes())
  const fail = (delivery: Delivery, error: unknown): void => {
    if (isLocked(error)) {
      // What may get lost is lost: there is nobody here who could seal an answer to it.
      const settled = isKept(delivery.subject) ? delivery.nak(LOCKED_RETRY_MS) : delivery.ack()
      return void settled.catch(unheard)
    }
    failed(error)
    void delivery.nak(STORAGE_RETRY_MS).catch(unheard)
  }
  const lanes = await bus.consume((delivery) => void take(delivery).catch((error: unknown) => fail(delivery, error)), {
    inFlight: BUS_IN_FLIGHT_MAX,
  })
  // What no lane captures has no handler: it is taken up all the same, so that its sender is told.
  const isCaptured = captured(registry.lanes())
  const dropped = (error: unknown) => (isLocked(error) ? undefined : failed(error))
  const rest = await bus.subscribe('MessageSpace.*.fromService.*.*.*', (message) => {
    if (!isCaptured(message.subject)) void receive(message).catch(dropped)
  })
  return { drain: () => Promise.all([lanes.drain(), rest.drain()]) }
}

function isLocked(error: unknown): boolean {
  return error instanceof Refusal && error.code === 'vault-locked'
}

/** What connections are to know of this image, and what an earlier run committed and did not publish, leaves first. */
async function recovered(vault: Vault, moment: Moment & { readonly published: Published }): Promise<void> {
  await announce(vault, moment)
  await publish(vault.outbox.left(moment.now, 0), { bus: moment.bus, outbox: vault.outbox })
}

/**
 * Every vault that an earlier run did not leave settled, once: what it committed and did not publish leaves now, not
 * with the next event.
 */
async function reopen(
  vaults: Vaults,
  options: Pick<HostOptions, 'warn' | 'now'> & { readonly handlers: string; readonly wakeList: string },
): Promise<void> {
  const times = await takeWakeTimes(options.wakeList, options.handlers)
  const names = new Set(await vaults.names())
  vaults.remember(new Map([...times].filter(([id]) => names.has(id))))
  for (const id of names) {
    if (times.has(id)) continue
    await wake(vaults, id, options)
    await vaults.makeRoom(options.now())
  }
}

type Bound = 'openBytesMax' | 'vaultBytesMax' | 'vaultDiskBytesMax'

/** What the vaults may take, where it is said. */
function bounds({ openBytesMax, vaultBytesMax, vaultDiskBytesMax }: HostOptions): Pick<VaultsOptions, Bound> {
  return {
    ...(openBytesMax !== undefined && { openBytesMax }),
    ...(vaultBytesMax !== undefined && { vaultBytesMax }),
    ...(vaultDiskBytesMax !== undefined && { vaultDiskBytesMax }),
  }
}

/** One round after the other: a slow bus must not have two of them at the same letters, nor one after the end. */
function repeat(work: () => Promise<void>, afterMs: number): { stop(): Promise<void> } {
  let round = Promise.resolve()
  let timer = setTimeout(begin, afterMs)
  let isOver = false

  function begin(): void {
    round = work().then(() => {
      if (!isOver) timer = setTimeout(begin, afterMs)
    })
  }
  return {
    stop() {
      isOver = true
      clearTimeout(timer)
      return round
    },
  }
}

/** An ack that the bus does not take: the message comes again, and is answered from the inbox. */
function unheard(error: unknown): void {
  if (!(error instanceof Refusal) || error.code !== 'bus-unavailable') throw error
}

/** Every mistake of every manifest at once. */
function readHandlers(files: readonly HandlerFiles[]): Registry {
  const found: string[] = []
  const entries = files.flatMap(({ name, manifest: bytes, component, core }) => {
    try {
      const manifest = parseManifest(bytes, `manifests/${name}.json`)
      const seen: string[] = []
      const program = loadProgram(component, manifest, (module) => seen.push(sha384(module).toHex()))
      if (core !== undefined && core.join() !== seen.join()) {
        throw new Refusal('image-changed', 'its core modules are not those the image lists: build the image again')
      }
      return [{ manifest, component: program }]
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      if (error.code === 'image-changed') throw new Refusal(error.code, `image: ${name}: ${error.message}`)
      found.push(error.code === 'manifest-invalid' ? error.message : `${name}: ${error.message}`)
      return []
    }
  })
  if (found.length > 0) throw new Refusal('manifest-invalid', found.join('\n'))
  return buildRegistry(entries)
}
