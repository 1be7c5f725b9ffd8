/**
 * A host on a folder of its own with everything real: crypto, journal, cells, the memory bus, a device that is paired
 * and services that connect. Time alone is the test's.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type Offer, type OwnerDevice, pairDevice, type Question } from '#client/owner.ts'
import { type ClientStore, forgetfulStore } from '#client/transport.ts'
import { mailbox } from '#host/commands/demo/mailbox.ts'
import { openFolder } from '#host/commands/open.ts'
import type { Showing } from '#host/crypto/enclave.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import type { Seeded, SigningKey } from '#host/crypto/port.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { type HandlerFiles, type Host, type HostOptions, startHost } from '#host/host.ts'
import type { Chaos } from '#host/messaging/chaos.ts'
import { type MemoryBroker, type MemoryBus, memoryBroker } from '#host/messaging/memory.ts'
import type { Message } from '#host/messaging/port.ts'
import type { Pool } from '#host/plugin/pool.ts'
import type { Registry } from '#host/plugin/registry.ts'
import { allRows, trailBase, trailHead, verifyTrail } from '#host/storage/audit.ts'
import type { AuditRow } from '#host/storage/audit-row.ts'
import { memoryLog } from '#host/storage/memory-log.fixture.ts'
import { encodeRecord } from '#host/vault/records.ts'
import { fingerprint, type Vault } from '#host/vault/vault.ts'
import type { Enclaved } from '#host/vault/vaults.ts'
import { type Cbor, encodeCbor } from '#host/wire/cbor.ts'
import { newEventId, parseEventType } from '#host/wire/id.ts'
import { deliver } from './deliver.ts'
import { startWatch, type Trace } from './watch.ts'

const root = new URL('../', import.meta.url)
const COMMAND_LIFE_MS = 3_600_000
/** A round of upkeep comes soon after the clock was moved. */
const TICK_MS = 20
/** Longer than anything takes, on a machine that has other things to do as well. */
const PATIENCE_MS = 30_000
export const VAULT = 'alice'
export const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length))
const monotonic = (): number => performance.now()

export interface WorldOptions {
  /** Handlers we ship, or fixtures, by name. */
  readonly handlers: readonly string[]
  /** Whose vault it is: Alice's, if it is not said. */
  readonly vault?: string
  readonly cells?: number
  /** What the open vaults may take, and what each may hold. */
  readonly bounds?: Pick<HostOptions, 'openBytesMax' | 'vaultBytesMax' | 'vaultDiskBytesMax'>
  /** Devices beside the phone that is paired from the start. */
  readonly devices?: readonly string[]
  /** What the bus does to messages on the way. */
  readonly chaos?: Chaos
  /** How long a commit may take. */
  readonly commitDeadlineMs?: number
  /** The enclave that each host runs in, made anew with it. */
  readonly enclave?: (world: { readonly folder: string; readonly now: () => number }) => Promise<Enclaved>
  /** What each host shows of itself. */
  readonly showing?: () => Promise<Showing>
}

/** What a test sees and moves. */
export interface World extends AsyncDisposable {
  readonly folder: string
  /** Milliseconds since the epoch, for everybody; it moves when the test moves it. */
  readonly clock: { now: number }
  readonly now: () => number
  readonly broker: MemoryBroker
  readonly identity: Uint8Array
  /** What each device signs with. */
  readonly keys: ReadonlyMap<string, SigningKey & Seeded>
  readonly alice: OwnerDevice
  readonly offers: { take(): Promise<Offer> }
  readonly questions: { take(): Promise<Question> }
  readonly host: Host
  /** Every delivery that any host of this world told of. */
  readonly traces: Trace[]
  /** Lines for the operator. */
  readonly warnings: string[]
  vault(): Promise<Vault>
  /** Pairs one of the devices anew; `store` is what it remembers. */
  pair(device: string, store?: ClientStore): Promise<OwnerDevice>
  /** The signing key of one of the devices. */
  signing(device: string): SigningKey & Seeded
  /** Pairs a device that the vault was told of later. */
  enrol(device: string, signing: SigningKey, store?: ClientStore): Promise<OwnerDevice>
  /** Gives one message to the host's own flow and waits for its end; `pool` takes the place of the host's. */
  hand(
    message: Message,
    options?: { pool?: Pool; registry?: Registry; bus?: Pick<MemoryBus, 'publish'> },
  ): Promise<Trace>
  /** One command of the phone, sealed and not sent; nobody waits for its answer. */
  holdCommand(type: string, body: Cbor): Message
  /** The next delivery on a subject that ends so, not counting the first `from`. */
  traced(ending: string, from: number): Promise<Trace>
  /** Everything sent on a pattern from now on. */
  listen(pattern: string): Promise<Message[]>
  /** Kills the host without warning. */
  kill(): Promise<void>
  /** Starts the next host, with other handlers when an image changed. */
  start(handlers?: readonly string[]): Promise<void>
  /** The whole trail, verified, once it is durable: no kill takes back what was read here. */
  rows(): Promise<AuditRow[]>
}

export async function startWorld(options: WorldOptions): Promise<World> {
  await using parts = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'trellis-world-'))
  parts.defer(() => rm(folder, { recursive: true, force: true }))
  const clock = { now: 1_800_000_000_000 }
  const now = (): number => clock.now
  const keys = new Map(['phone', ...(options.devices ?? [])].map((device) => [device, generateSigningKey()]))
  const { vault: name = VAULT } = options
  const identity = await found(folder, { name, keys, now: clock.now })
  const broker = parts.use(await memoryBroker({ log: memoryLog(), ...(options.chaos && { chaos: options.chaos }) }))
  const listener = parts.use(broker.connect())
  const [warnings, traces]: [string[], Trace[]] = [[], []]
  const handlers = options.handlers.map(handlerFiles)
  const kept = { cells: 2, cellStartMs: PATIENCE_MS, ...options, name, folder, handlers, now, broker, warnings, traces }
  const runner = parts.use(await startRunner({ ...kept, ...options.bounds }))

  const offers = mailbox<Offer>()
  const questions = mailbox<Question>()
  function enrol(
    device: string,
    signing: SigningKey & Seeded,
    store: ClientStore = forgetfulStore(),
  ): Promise<OwnerDevice> {
    const transport = broker.connect()
    const surroundings = { crypto: nativeCrypto, now, random }
    return pairDevice({ vault: name, identity, device, signing, transport, store, ...surroundings })
  }
  const pair = async (device: string, store?: ClientStore) => enrol(device, keyOf(keys, device), store)
  const alice = await pair('phone')
  alice.onOffer(offers.put)
  alice.onQuestion(questions.put)
  const owned = parts.move()
  return {
    keys,
    folder,
    clock,
    now,
    broker,
    identity,
    alice,
    offers,
    questions,
    traces,
    warnings,
    pair,
    signing: (device) => keyOf(keys, device),
    enrol,
    get host() {
      return runner.host()
    },
    vault: runner.vault,
    hand: runner.hand,
    kill: runner.kill,
    start: runner.start,
    holdCommand(type, body) {
      const times = { ts: clock.now, exp: clock.now + COMMAND_LIFE_MS }
      const event = { id: newEventId(random), type: parseEventType(type), contractVersion: 0, causation: null }
      return alice.conversation.seal({ ...event, ...times, body: encodeCbor(body) })
    },
    traced: (ending, from) =>
      until(`a delivery on ${ending}`, () => traces.slice(from).find(({ subject }) => subject.endsWith(ending))),
    async listen(pattern) {
      const heard: Message[] = []
      await listener.subscribe(pattern, (message) => void heard.push(message))
      return heard
    },
    rows: async () => verifiedRows(await runner.vault()),
    [Symbol.asyncDispose]: async () => owned.disposeAsync(),
  }
}

function keyOf(keys: ReadonlyMap<string, SigningKey & Seeded>, device: string): SigningKey & Seeded {
  const key = keys.get(device)
  if (!key) throw new Error(`${device} is no device of this world`)
  return key
}

async function verifiedRows({ store, writer }: Vault): Promise<AuditRow[]> {
  const namespace = store.namespace('audit')
  const rows = [...allRows(namespace)]
  verifyTrail(rows, trailHead(namespace), trailBase(namespace))
  await writer.settled()
  return rows
}

interface Runner extends Pick<World, 'vault' | 'hand' | 'kill' | 'start'>, AsyncDisposable {
  host(): Host
}

interface RunnerOptions extends Pick<
  HostOptions,
  | 'folder'
  | 'handlers'
  | 'cells'
  | 'cellStartMs'
  | 'now'
  | 'openBytesMax'
  | 'vaultBytesMax'
  | 'vaultDiskBytesMax'
  | 'commitDeadlineMs'
> {
  readonly enclave?: WorldOptions['enclave']
  readonly showing?: WorldOptions['showing']
  readonly name: string
  readonly broker: MemoryBroker
  readonly traces: Trace[]
  readonly warnings: string[]
}

/** The host, one after another on one folder. */
async function startRunner({
  name,
  broker,
  traces,
  warnings,
  enclave,
  showing,
  ...options
}: RunnerOptions): Promise<Runner> {
  const tell = (trace: Trace): void => void traces.push(trace)
  const warn = (line: string): void => void warnings.push(line)
  const open = async (): Promise<{ host: Host; bus: MemoryBus }> => {
    const bus = broker.connect()
    const enclaved = enclave && (() => enclave(options))
    const more = { tickMs: TICK_MS, pid: process.pid, monotonic, random, tell, warn, enclaved, showing }
    return { bus, host: await startHost({ ...options, handlers, bus, ...more }) }
  }
  let handlers = options.handlers
  let running = await open()
  return {
    host: () => running.host,
    async vault() {
      const vault = await running.host.vaults.find(name)
      if (!vault) throw new Error('the vault is gone')
      return vault
    },
    async hand(message, { pool, registry, bus } = {}) {
      const { host } = running
      const told = Promise.withResolvers<Trace>()
      // The host's own pool is its own: what is handed over runs in the one that is given, or must not run.
      const deliverer = {
        bus: { ...running.bus, ...bus },
        registry: registry ?? host.registry,
        pool: pool ?? noPool,
        hold: (id: string) => host.vaults.hold(id),
        now: options.now,
        random,
      }
      await deliver(message, deliverer, startWatch(message.subject, { monotonic, tell: told.resolve }))
      return told.promise
    },
    async kill() {
      running.host.abandon()
      running.bus.abandon()
      await running.host[Symbol.asyncDispose]()
    },
    async start(names) {
      if (names) handlers = names.map(handlerFiles)
      running = await open()
    },
    [Symbol.asyncDispose]: () => running.host[Symbol.asyncDispose](),
  }
}

/** Polls until there is something. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS
  while (performance.now() < deadline) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  throw new Error(`${what}: not within ${PATIENCE_MS} ms`)
}

/** What a host has left, to be read, broken or put back; its lock is of the process alone. */
export async function copyOf({ folder }: Pick<World, 'folder'>, to: string): Promise<string> {
  await cp(folder, to, { recursive: true, filter: (path) => !path.endsWith('.lock') })
  return to
}

/** A pool whose handlers are done only when the test says so: what happens meanwhile happens in between. */
export function gatedPool(pool: Pool): Pool & { readonly entered: Promise<void>; release(): void } {
  const entered = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  return {
    stats: pool.stats,
    drain: () => pool.drain(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
    async run(job) {
      const effects = await pool.run(job)
      entered.resolve()
      await gate.promise
      return effects
    },
    entered: entered.promise,
    release: gate.resolve,
  }
}

const noPool: Pool = {
  run: () => Promise.reject(new Error('a handler was to run')),
  stats: { instances: 0, created: 0, replaced: 0, stopped: 0, running: 0, queued: 0 },
  drain: () => Promise.resolve(),
  [Symbol.asyncDispose]: () => Promise.resolve(),
}

/** A vault with its owner's devices, as an installation makes it. */
async function found(
  folder: string,
  { name, keys, now }: { name: string; keys: ReadonlyMap<string, SigningKey>; now: number },
): Promise<Uint8Array> {
  await using opened = await openFolder(folder, { create: true })
  const [first, ...others] = [...keys].map(([id, { publicKey }]) => ({
    id,
    label: `${name.slice(0, 1).toUpperCase()}${name.slice(1)}'s ${id}`,
    verifyKey: publicKey,
  }))
  if (!first) throw new Error('a vault has a device')
  const fields = { email: 'alice@example.org', shipping_address: '12 Rose Lane', date_of_birth: '1990-04-01' }
  const vault = await opened.vaults.create(name, { device: first, fields, now })
  const records = others.map(({ id, label, verifyKey }) => ({
    namespace: 'system' as const,
    key: `devices/${id}`,
    value: encodeRecord('device', { label, verifyKey, status: 'active', addedAt: now }),
  }))
  if (records.length > 0) await vault.store.commit(records, { now })
  return fingerprint(vault)
}

/** Built before the tests run: `scripts/test-setup.ts`. */
export function handlerFiles(name: string): HandlerFiles {
  const isShipped = existsSync(new URL(`manifests/${name}.json`, root))
  return {
    name,
    manifest: fileOf(isShipped ? `manifests/${name}.json` : `host/plugin/fixtures/${name}/manifest.json`),
    component: fileOf(isShipped ? `plugins/${name}/dist/${name}.wasm` : `.cache/fixtures/${name}.wasm`),
  }
}

function fileOf(path: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(path, root)))
}
