/**
 * One message in, at most one set of effects out.
 *
 *     bytes → decode → Envelope → open → Opened → admit → Admitted → dispatch → Executed → complete → durable → publish
 *
 * Each step takes what the one before gave. This is the one place that catches a Refusal.
 */
import { EVIDENCE } from '#host/contracts/evidence.ts'
import type { Showing } from '#host/crypto/enclave.ts'
import { Refusal } from '#host/errors.ts'
import { COMMIT_ATTEMPTS_MAX } from '#host/limits.ts'
import type { Bus, Message } from '#host/messaging/port.ts'
import type { Pool } from '#host/plugin/pool.ts'
import type { Registry } from '#host/plugin/registry.ts'
import { hearShared, isSharedEvent, relayShared, takeShared } from '#host/vault/account/shared.ts'
import { admit, type Admitted, readmit } from '#host/vault/admit.ts'
import { checkNotBehind } from '#host/vault/anchor.ts'
import { CATALOGUE, catalogue } from '#host/vault/catalogue.ts'
import { commit } from '#host/vault/commit.ts'
import { complete } from '#host/vault/complete.ts'
import { dispatch, type Executed } from '#host/vault/dispatch.ts'
import { evidence } from '#host/vault/evidence.ts'
import { mayWait } from '#host/vault/factor.ts'
import { greet, isGreeting } from '#host/vault/greet.ts'
import { once } from '#host/vault/once.ts'
import { checkTime, type Opened, open, type Rekeying } from '#host/vault/open.ts'
import type { Letter } from '#host/vault/outbox.ts'
import { obey } from '#host/vault/owner.ts'
import { UNLOCK } from '#host/vault/owner-factor.ts'
import type { Device } from '#host/vault/party.ts'
import { hearPeer, isPeerEvent } from '#host/vault/peer-event.ts'
import { present, PUBLISH } from '#host/vault/present.ts'
import { publish } from '#host/vault/publish.ts'
import { refuse } from '#host/vault/refuse.ts'
import { follow } from '#host/vault/rekey.ts'
import { takeRemembered } from '#host/vault/remembered.ts'
import { hearSandbox, isSandboxEvent } from '#host/vault/sandbox/hear.ts'
import { relay, relayed, takeRelayed } from '#host/vault/sandbox/relay.ts'
import { knockOf } from '#host/vault/sealing/knock.ts'
import type { Sealing } from '#host/vault/sealing/sealing.ts'
import { suspend } from '#host/vault/suspend.ts'
import { unknownSession } from '#host/vault/unknown.ts'
import { resumeUnlocked } from '#host/vault/unlocked.ts'
import type { Vault } from '#host/vault/vault.ts'
import type { Lease } from '#host/vault/shelf.ts'
import { type DataEnvelope, decodeEnvelope } from '#host/wire/envelope.ts'
import { parseSubject, type Subject } from '#host/wire/subject.ts'
import type { Watch } from './watch.ts'

/** Where a message came in, once that much is known. The vault stays open until its end. */
interface Arrival extends Disposable {
  readonly vault: Vault
  readonly subject: Subject
  readonly data: Uint8Array
}

/** What delivering needs of the host. */
export interface Deliverer {
  readonly bus: Bus
  readonly registry: Registry
  readonly pool: Pool
  /** A vault, opened now if need be and held open meanwhile; `undefined` when this host does not have it. */
  hold(id: string): Promise<Lease | undefined>
  /** What answers devices before their vault is open; absent where no enclave runs. */
  readonly sealing?: Sealing | undefined
  /** What shows the code that runs; absent where nothing attests. */
  readonly showing?: Showing | undefined
  /** Milliseconds since the epoch. */
  now(): number
  random(length: number): Uint8Array
}

/**
 * Resolves when everything the message caused is durable and handed to the bus: it may be acknowledged.
 *
 * @throws Refusal `vault-locked` for a vault that its owner has to unlock first: whoever can keep the message keeps it
 */
export async function deliver(message: Message, host: Deliverer, watch: Watch): Promise<void> {
  let arrival: Arrival | undefined
  let opened: Opened | undefined
  try {
    if (await knocked(message, host)) return
    arrival = await arrive(message, host)
    if (isGreeting(arrival.subject)) arrival.vault.writer.check()
    const letters = await (isGreeting(arrival.subject)
      ? watch.timed('greet', greet({ ...arrival, ...moment(host), showing: host.showing }))
      : hear(arrival, (event) => (opened = event)))
    await send(arrival.vault, letters)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    watch.refused(error.code)
    if (error.code === 'vault-locked') throw error
    if (arrival) {
      const refused = refuse(error, { ...arrival, opened, ...moment(host) })
      await send(arrival.vault, await watch.timed('refuse', refused))
      if (error.code === 'device-unknown') await send(arrival.vault, unknownSession({ ...arrival, now: host.now() }))
    }
  } finally {
    arrival?.[Symbol.dispose]()
    watch.end()
  }

  async function hear(arrived: Arrival, hold: (event: Opened) => void): Promise<readonly Letter[]> {
    const envelope = decode(arrived.data)
    watch.step('decode')
    const heard = open({ ...arrived, envelope })
    watch.step('open')
    if (heard.kind === 'rekey') return turn(heard, host)
    hold(heard)
    heard.vault.writer.check()
    return once(heard, moment(host), () => handle(heard, host, watch))
  }

  async function send(vault: Vault, letters: readonly Letter[]): Promise<void> {
    await watch.timed('publish', publish(letters, { bus: host.bus, outbox: vault.outbox }))
  }
}

/** An opened event to whoever it is for: the owner's commands, the host's own types, a handler. */
async function handle(opened: Opened, host: Deliverer, watch: Watch): Promise<readonly Letter[]> {
  const { party, event } = opened
  checkTime(event, host.now())
  if (party.party === 'device') return hearDevice(opened, party, { host, watch })
  checkNotBehind(opened.vault)
  if (event.type === PUBLISH) return watch.timed('present', present(opened, party, moment(host)))
  const answered = takeRelayed(opened, party, moment(host)) ?? takeShared(opened, party, moment(host))
  if (answered) return answered
  if (isSandboxEvent(opened)) return watch.timed('sandbox', hearSandbox(opened, party, moment(host)))
  if (isSharedEvent(opened)) return watch.timed('shared', hearShared(opened, party, moment(host)))
  if (event.type === CATALOGUE) {
    return watch.timed('catalogue', catalogue(opened, party, { registry: host.registry, ...moment(host) }))
  }
  if (event.type === EVIDENCE) {
    return watch.timed('evidence', evidence(opened, party, { showing: host.showing, ...moment(host) }))
  }
  if (isPeerEvent(opened)) return watch.timed('settle', hearPeer(opened, party, moment(host)))
  const admitted = admit(opened, host.registry, { connection: party, approved: false, now: host.now() })
  watch.step('admit')
  if (admitted.kind === 'asking') return watch.timed('suspend', suspend(admitted, moment(host)))
  return execute(admitted, host, watch)
}

/** A command, or what another vault hosts: first of all whether this is the vault that the device knows. */
async function hearDevice(
  heard: Opened,
  device: Device,
  { host, watch }: { host: Deliverer; watch: Watch },
): Promise<readonly Letter[]> {
  const opened = await takeRemembered(heard, device, moment(host))
  const elsewhere = relayed(opened)
  if (elsewhere) return watch.timed('relay', relay(opened, device, { ...elsewhere, ...moment(host) }))
  if (isSharedEvent(opened)) return watch.timed('relay', relayShared(opened, device, moment(host)))
  return watch.timed('obey', command(opened, device, host))
}

/** A device's command; after the PIN, what waited for it: the device has its answer by then. */
async function command(opened: Opened, device: Device, host: Deliverer): Promise<readonly Letter[]> {
  const options = { registry: host.registry, pool: host.pool, ...moment(host) }
  const letters = await obey(opened, device, options)
  if (opened.event.type !== UNLOCK) return letters
  await publish(letters, { bus: host.bus, outbox: opened.vault.outbox })
  return resumeUnlocked(opened.vault, options)
}

/** Runs the handler and commits; again, judged anew, when what it relied on has changed meanwhile. */
async function execute(first: Admitted, host: Deliverer, watch: Watch): Promise<readonly Letter[]> {
  let admitted = first
  for (let attempt = 1; ; attempt++) {
    const executed = await watch.timed('dispatch', run(admitted, host))
    try {
      if (executed === 'locked') {
        const factor = { approved: admitted.approved, answer: null }
        const asking = { ...admitted, kind: 'asking', question: null, factor } as const
        return await watch.timed('suspend', suspend(asking, moment(host)))
      }
      const { question } = executed.effects
      if (question)
        return await watch.timed('suspend', suspend({ ...admitted, kind: 'asking', question }, moment(host)))
      return await watch.timed('commit', complete(executed, moment(host)))
    } catch (error) {
      const conflict = error instanceof Refusal && error.code === 'conflict'
      if (!conflict) throw error
      admitted = readmit(admitted, host.registry, host.now())
      if (attempt === COMMIT_ATTEMPTS_MAX) throw error
    }
  }
}

/** `locked`: it needs the owner's PIN, and waits for it. */
async function run(admitted: Admitted, host: Deliverer): Promise<Executed | 'locked'> {
  try {
    return await dispatch(admitted, { pool: host.pool, now: host.now() })
  } catch (error) {
    if (error instanceof Refusal && mayWait(error, admitted)) return 'locked'
    throw error
  }
}

/** The session moves to its next epoch: no event, no handler, no row. */
function turn(heard: Rekeying, host: Deliverer): Promise<readonly Letter[]> {
  const { changes, messages } = follow(heard, moment(host))
  return commit({ vault: heard.vault, ...moment(host), changes, plain: messages, rows: [] })
}

/** A device at the outer shell: answered there, whether the vault is open or not. */
async function knocked({ subject: text, data }: Message, { sealing, bus }: Deliverer): Promise<boolean> {
  const subject = parseSubject(text)
  const knock = knockOf(subject)
  if (!knock) return false
  if (!sealing) throw new Refusal('provision-invalid', 'no enclave runs here: nothing is sealed')
  const answer = await (knock.asks === 'evidence'
    ? sealing.challenged(subject.vault, data)
    : sealing.ordered(subject.vault, data))
  await bus.publish(knock.answerTo, answer)
  return true
}

/** @throws Refusal `malformed`, `vault-unknown` */
async function arrive({ subject: text, data }: Message, host: Deliverer): Promise<Arrival> {
  const subject = parseSubject(text)
  if (subject.direction === 'forService' || subject.direction === 'forApp')
    throw new Refusal('misrouted', 'not for a vault')
  const lease = await host.hold(subject.vault)
  if (!lease) throw new Refusal('vault-unknown', 'this host does not have that vault')
  return { vault: lease.vault, subject, data, [Symbol.dispose]: () => lease[Symbol.dispose]() }
}

/** @throws Refusal `malformed` also for a handshake envelope where a sealed event belongs */
function decode(data: Uint8Array): DataEnvelope {
  const envelope = decodeEnvelope(data)
  if (envelope.kind === 'hello' || envelope.kind === 'accept')
    throw new Refusal('malformed', 'no event in this envelope')
  return envelope
}

function moment(host: Deliverer): { now: number; random: (length: number) => Uint8Array } {
  return { now: host.now(), random: (length) => host.random(length) }
}
