/** The composition root: builds every part of a host, in order, and owns them. */
import { join } from 'node:path'

import { openProver } from './crypto/bbs-thread.ts'
import { deliver } from './deliver.ts'
import { openDialer } from './dialer.ts'
import { Refusal } from './errors.ts'
import { BUS_IN_FLIGHT_MAX, TICK_MS } from './limits.ts'
import type { Bus, Delivery, Message } from './messaging/port.ts'
import { parseManifest } from './plugin/manifest.ts'
import { createPool, type PoolStats } from './plugin/pool.ts'
import { loadProgram } from './plugin/program.ts'
import { buildRegistry, type Registry } from './plugin/registry.ts'
import { openFileLog } from './storage/file-log.ts'
import { openLog } from './storage/group.ts'
import { softwareSealer } from './storage/sealer.ts'
import { captured, lanesOf } from './lanes.ts'
import { finish, type Moment, upkeep } from './upkeep.ts'
import { announce } from './vault/announce.ts'
import { publish } from './vault/publish.ts'
import type { Vault } from './vault/vault.ts'
import { openVaults, type Vaults } from './vault/vaults.ts'
import { startWatch, type Trace } from './watch.ts'

/** The bytes of one handler as the image gave them: hashed, and used as hashed. */
export interface HandlerFiles {
  readonly name: string
  readonly manifest: Uint8Array
  readonly component: Uint8Array
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
  readonly now: () => number
  /** Milliseconds with a fraction, for durations. */
  readonly monotonic: () => number
  readonly random: (length: number) => Uint8Array
  /** One line for the operator. */
  readonly warn: (line: string) => void
  /** Told of each delivery when it is over. */
  readonly tell?: (trace: Trace) => void
}

export interface Host extends AsyncDisposable {
  readonly vaults: Vaults
  readonly registry: Registry
  readonly stats: () => PoolStats
  /** Resolves with the reason when this host can go on no more: its log failed. Another one may start on its folder. */
  readonly down: Promise<Refusal>
  /** Takes nothing new, finishes what is in hand, writes what is counted. */
  drain(): Promise<void>
  /** Lets go of everything at once, as a crash would: nothing is flushed, nobody is told. */
  abandon(): void
}

/** @throws Refusal naming what keeps the host from starting: a manifest, a component, the log, a key, the bus */
export async function startHost(options: HostOptions): Promise<Host> {
  const { folder, bus, now, random, tell = () => {} } = options
  await using parts = new AsyncDisposableStack()
  const registry = readHandlers(options.handlers)
  const log = parts.use(await openLog(await openFileLog(join(folder, 'log'), { pid: options.pid })))
  const sealer = await softwareSealer(join(folder, 'install.key'), { random, create: true })
  const handlers = JSON.stringify(registry.published())
  const prover = parts.use(openProver())
  const vaults = parts.use(
    await openVaults({
      log,
      sealer,
      folder: join(folder, 'vaults'),
      handlers,
      random,
      prover,
      commitDeadlineMs: options.commitDeadlineMs,
      recovered: (vault) => recovered(vault, { bus, handlers, now: now(), random }),
    }),
  )
  const pool = parts.use(await createPool({ registry, cells: options.cells, spares: 1 }))

  const down = Promise.withResolvers<Refusal>()
  const deliverer = { bus, registry, pool, vault: (id: string) => vaults.find(id), now, random }
  const receive = (message: Message) =>
    deliver(message, deliverer, startWatch(message.subject, { monotonic: options.monotonic, tell }))

  /** A log that failed ends this host; anything else that gets here is our bug, and ends the process. */
  function failed(error: unknown): never | void {
    if (!(error instanceof Refusal) || error.code !== 'storage-failed') throw error
    down.resolve(error)
  }

  await bus.provision(lanesOf(registry.lanes()))
  const inlet = await listen(bus, registry, { receive, failed })
  await reopen(vaults, options.warn)
  const dialer = openDialer(bus)
  const round = () => upkeep(vaults, { bus, now: now(), random, dialer })
  await round()
  const rounds = repeat(() => round().catch(failed), TICK_MS)
  const owned = parts.move()

  async function drain(): Promise<void> {
    await Promise.all([inlet.drain(), rounds.stop()])
    await dialer.drain()
    await pool.drain()
    await finish(vaults, { bus, now: now(), random })
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

/** Takes up everything that is sent to this host's vaults. */
async function listen(
  bus: Bus,
  registry: Registry,
  { receive, failed }: { receive: (message: Message) => Promise<void>; failed: (error: unknown) => void },
): Promise<{ drain(): Promise<unknown> }> {
  // What the log did not take is not acknowledged: it comes again, to this folder's next host.
  const take = (delivery: Delivery) => receive(delivery).then(() => delivery.ack().catch(unheard))
  const lanes = await bus.consume((delivery) => void take(delivery).catch(failed), { inFlight: BUS_IN_FLIGHT_MAX })
  // What no lane captures has no handler: it is taken up all the same, so that its sender is told.
  const isCaptured = captured(registry.lanes())
  const rest = await bus.subscribe('MessageSpace.*.fromService.*.*.*', (message) => {
    if (!isCaptured(message.subject)) void receive(message).catch(failed)
  })
  return { drain: () => Promise.all([lanes.drain(), rest.drain()]) }
}

/** What connections are to know of this image, and what an earlier run committed and did not publish, leaves first. */
async function recovered(vault: Vault, moment: Moment & { readonly handlers: string }): Promise<void> {
  await announce(vault, moment)
  await publish(vault.outbox.left(moment.now, 0), { bus: moment.bus, outbox: vault.outbox })
}

/**
 * Every vault once: what an earlier run committed and did not publish leaves now, not with the next event. One that
 * cannot be opened is its owner's trouble and not its neighbours'.
 */
async function reopen(vaults: Vaults, warn: (line: string) => void): Promise<void> {
  for (const id of await vaults.names()) {
    await vaults.find(id).catch((error: unknown) => {
      if (!(error instanceof Refusal) || error.code === 'storage-failed') throw error
      warn(`vault ${id} stays closed: ${error.message}`)
    })
  }
}

/** One round after the other: a slow bus must not have two of them at the same letters, nor one after the end. */
function repeat(work: () => Promise<void>, everyMs: number): { stop(): Promise<void> } {
  let round = Promise.resolve()
  const timer = setInterval(() => {
    round = round.then(work)
  }, everyMs)
  return {
    stop() {
      clearInterval(timer)
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
  const entries = files.flatMap(({ name, manifest: bytes, component }) => {
    try {
      const manifest = parseManifest(bytes, `manifests/${name}.json`)
      return [{ manifest, component: loadProgram(component, manifest) }]
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      found.push(error.code === 'manifest-invalid' ? error.message : `${name}: ${error.message}`)
      return []
    }
  })
  if (found.length > 0) throw new Refusal('manifest-invalid', found.join('\n'))
  return buildRegistry(entries)
}
