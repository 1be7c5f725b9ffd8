/**
 * One message in, at most one set of effects out.
 *
 *     bytes → decode → Envelope → open → Opened → admit → Admitted → dispatch → Executed → complete → durable → publish
 *
 * Each step takes what the one before gave. This is the one place that catches a Refusal.
 */
import { Refusal } from '#host/errors.ts'
import { COMMIT_ATTEMPTS_MAX } from '#host/limits.ts'
import type { Message } from '#host/messaging/port.ts'
import { admit, type Admitted, readmit } from '#host/vault/admit.ts'
import { checkNotBehind } from '#host/vault/anchor.ts'
import { commit, settled } from '#host/vault/commit.ts'
import { complete } from '#host/vault/complete.ts'
import { dispatch, type Executed } from '#host/vault/dispatch.ts'
import { mayWait } from '#host/vault/factor.ts'
import { greet, isGreeting } from '#host/vault/greet.ts'
import { once } from '#host/vault/once.ts'
import { checkTime, type Opened, open, type Rekeying } from '#host/vault/open.ts'
import type { Letter } from '#host/vault/outbox.ts'
import { publish } from '#host/vault/publish.ts'
import { refuse } from '#host/vault/refuse.ts'
import { follow } from '#host/vault/rekey.ts'
import { suspend } from '#host/vault/suspend.ts'
import type { Vault } from '#host/vault/vault.ts'
import { type DataEnvelope, decodeEnvelope } from '#host/wire/envelope.ts'
import { parseSubject, type Subject } from '#host/wire/subject.ts'
import type { Watch } from './watch.ts'
import { hearDevice, hearOwn, knocked } from './answer.ts'
import { type Deliverer, moment } from './deliverer.ts'

/** Where a message came in, once that much is known. The vault stays open until its end. */
interface Arrival extends Disposable {
  readonly vault: Vault
  readonly subject: Subject
  readonly data: Uint8Array
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
    const letters = await (isGreeting(arrival.subject) ? welcome(arrival) : hear(arrival, (event) => (opened = event)))
    await settled(letters, { vault: arrival.vault, ...moment(host) })
    await send(arrival.vault, letters)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    watch.refused(error.code)
    if (error.code === 'vault-locked') throw error
    if (arrival) {
      const refused = refuse(error, { ...arrival, opened, ...moment(host) })
      await send(arrival.vault, await watch.timed('refuse', refused))
    }
  } finally {
    arrival?.[Symbol.dispose]()
    watch.end()
  }

  async function welcome(arrived: Arrival): Promise<readonly Letter[]> {
    arrived.vault.writer.check()
    return watch.timed('greet', greet({ ...arrived, ...moment(host), showing: host.showing }))
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
  const own = await hearOwn(opened, party, { host, watch })
  if (own) return own
  const admitted = admit(opened, host.registry, { connection: party, approved: false, now: host.now() })
  watch.step('admit')
  if (admitted.kind === 'asking') return watch.timed('suspend', suspend(admitted, moment(host)))
  return execute(admitted, host, watch)
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
