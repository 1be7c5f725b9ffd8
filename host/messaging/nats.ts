/** The bus over a NATS server: core for ordinary messages, JetStream for the lanes. */
import { jetstream, type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import {
  connect,
  type ConnectionOptions,
  type NatsConnection,
  NoRespondersError,
  RequestError,
} from '@nats-io/transport-node'

import { Refusal } from '#host/errors.ts'
import { ACK_WAIT_MS, BROKER_ANSWER_MS_MAX, BROKER_RECONNECT_MS, MESSAGE_BYTES_MAX } from '#host/limits.ts'
import { check, z } from '#host/schema.ts'

import { provisionLanes, readLanes, type Space, spaceOf } from './nats-lanes.ts'
import { plainBytes, type Pull, pullLanes, surfaceFaults } from './nats-pull.ts'
import { checkSubject, laneTable, type LaneTable } from './pattern.ts'
import type { Bus, Message, Subscription } from './port.ts'

export interface NatsOptions {
  /** `nats://[user[:password]@]host[:port]`, or several with commas. */
  readonly url: string
  /** Shown in the server's connection list. */
  readonly name: string
  /** Where answers of the broker arrive; a credential's permissions name it. */
  readonly inboxPrefix: string
  /** Keeps systems on one server apart: the first token of every subject and the prefix of every stream. */
  readonly space?: string
  /** A delivery that is not settled by then comes again. Provisioning sets it for every client. */
  readonly ackWaitMs?: number
  /** One line for the operator: an old server, a lost connection, a denied subject. */
  readonly warn?: (line: string) => void
}

/** Sub-protocols the streams need: `subject_transform` and `sync_interval` came with it. */
const VERSION_MIN = [2, 10, 0] as const
/** Older ones have published security holes (CVE lists up to 2.14.2). */
const VERSION_SAFE = [2, 14, 3] as const

/** What a stream answers when it has stored a message, or why it has not. */
const pubAck = z.object({
  stream: z.string().optional(),
  error: z.object({ description: z.string().optional() }).optional(),
})

/**
 * Connects. A connection that is lost later comes back by itself; what is published meanwhile waits or is refused.
 *
 * @throws Refusal `bus-unavailable` when nobody answers or the server is too old
 */
export async function natsBus(options: NatsOptions): Promise<Bus> {
  const space = spaceOf(options.space)
  const warn = options.warn ?? (() => {})
  const connection = await open(options)
  try {
    checkVersion(connection.info?.version ?? '', warn)
    const manager = await jetstreamManager(connection, { checkAPI: false })
    void watch(connection, warn)
    return busOf({ connection, manager, space, warn, ackWaitMs: options.ackWaitMs ?? ACK_WAIT_MS })
  } catch (error) {
    await connection.close()
    throw error
  }
}

/** Everything a bus needs besides its own state. */
interface Link {
  readonly connection: NatsConnection
  readonly manager: JetStreamManager
  readonly space: Space
  readonly ackWaitMs: number
  readonly warn: (line: string) => void
}

function busOf(link: Link): Bus {
  const { connection, space } = link
  const pulls = new Set<Pull>()
  const publisher = publisherOf(link)

  async function subscribe(pattern: string, receive: (message: Message) => void): Promise<Subscription> {
    const subscription = connection.subscribe(space.prefix + pattern, {
      callback: (error, message) => {
        if (error) link.warn(`nats: subscription ${pattern}: ${error.message}`)
        else {
          const subject = message.subject.slice(space.prefix.length)
          surfaceFaults(() => receive({ subject, data: plainBytes(message.data) }))
        }
      },
    })
    await connection.flush()
    return {
      async drain() {
        if (!subscription.isClosed() && !connection.isClosed()) await subscription.drain()
      },
    }
  }

  async function close(finish: () => Promise<void>): Promise<void> {
    if (connection.isClosed()) return
    // A server that went away answers nothing; the client would wait for ever.
    await answered(finish()).catch((error: unknown) => link.warn(`nats: closed without the broker: ${String(error)}`))
    await connection.close()
  }

  return {
    kind: 'nats',
    async provision(lanes) {
      const table = laneTable(lanes)
      await provisionLanes({ manager: link.manager, space, lanes: table.lanes, ackWaitMs: link.ackWaitMs })
      publisher.provisioned(table)
    },
    publish: (subject, data, how) => publisher.publish({ subject, data }, how?.durable === true),
    subscribe: (pattern, receive) => answered(subscribe(pattern, receive)),
    async consume(receive, { inFlight }) {
      const { ackWaitMs, warn } = link
      const pull = await pullLanes({ client: jetstream(connection), space, receive, inFlight, ackWaitMs, warn })
      pulls.add(pull)
      return {
        async drain() {
          await pull.drain()
          pulls.delete(pull)
        },
      }
    },
    async drain() {
      await Promise.all([...pulls].map((pull) => pull.drain()))
      await close(() => connection.drain())
    },
    async [Symbol.asyncDispose]() {
      await close(async () => {
        await Promise.all([...pulls].map((pull) => pull.leave()))
        await connection.flush()
      })
    },
  }
}

interface Publisher {
  publish(message: Message, durable: boolean): Promise<void>
  /** From now on the lanes are known and not asked for. */
  provisioned(table: LaneTable): void
}

/**
 * Durable means a PubAck of the stream that captures the subject. Whether one does cannot be seen from "no responders"
 * (nobody answers while a cluster elects a leader, and a listener that does not answer looks like a slow stream), so the
 * lanes are known from provisioning or read from the server; only a client that may not read them has to guess.
 *
 * No `Nats-Msg-Id` is set: the window is shared by the whole stream, and another sender's id would drop our message.
 */
function publisherOf(link: Link): Publisher {
  const { connection, manager, space } = link
  let table: LaneTable | undefined
  let own = false

  async function streamOf(subject: string): Promise<string | undefined> {
    let lane = table?.laneOf(subject)
    if (lane === undefined && !own) {
      table = await readLanes(manager, space)
      if (!table) return 'unknown'
      lane = table.laneOf(subject)
    }
    return lane && space.streams[lane]
  }

  async function store(message: Message, stream: string): Promise<void> {
    const subject = space.prefix + message.subject
    const answer = await connection
      .request(subject, message.data, { timeout: BROKER_ANSWER_MS_MAX })
      .catch((error: unknown) => {
        if (stream === 'unknown' && isNoResponders(error)) return undefined
        throw unavailable(error)
      })
    if (!answer) return
    checkStored(answer.data, stream)
  }

  return {
    provisioned(fresh) {
      table = fresh
      own = true
    },
    async publish(message, durable) {
      checkSubject(message.subject)
      const max = Math.min(MESSAGE_BYTES_MAX, connection.info?.max_payload ?? MESSAGE_BYTES_MAX)
      const size = message.data.length
      if (size > max) throw new Refusal('too-large', `a message of ${size} bytes: at most ${max}`)
      const stream = durable ? await streamOf(message.subject) : undefined
      if (stream !== undefined) {
        await store(message, stream)
        return
      }
      try {
        connection.publish(space.prefix + message.subject, message.data)
      } catch (error) {
        throw unavailable(error)
      }
    },
  }
}

function checkStored(answer: Uint8Array, stream: string): void {
  const ack = check(pubAck, parseJson(answer), 'bus-unavailable', 'the answer to a durable publish')
  if (ack.error) {
    throw new Refusal('bus-unavailable', `not stored: ${ack.error.description ?? 'no reason'}: send again`)
  }
  // A tenant that answers in the stream's place does not know which one it is, and may not write to our inbox anyway.
  if (ack.stream === undefined || (stream !== 'unknown' && ack.stream !== stream)) {
    throw new Refusal('bus-unavailable', `stored in ${ack.stream ?? 'no stream'}, not in ${stream}: check the server`)
  }
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}

function isNoResponders(error: unknown): boolean {
  return error instanceof NoRespondersError || (error instanceof RequestError && error.isNoResponders())
}

function unavailable(error: unknown): Refusal {
  const reason = error instanceof Error ? error.message : String(error)
  return new Refusal('bus-unavailable', `the broker did not take it (${reason}): send again`, { cause: error })
}

/** Bounds what the client would wait for without end while it is cut off. */
async function answered<T>(work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error('no answer')), BROKER_ANSWER_MS_MAX)
  try {
    return await Promise.race([work, late.promise])
  } catch (error) {
    throw unavailable(error)
  } finally {
    clearTimeout(timer)
  }
}

async function open(options: NatsOptions): Promise<NatsConnection> {
  const urls = options.url.split(',').map(parseUrl)
  const servers = urls.map((url) => url.host)
  const [{ username, password } = { username: '', password: '' }] = urls
  const login: ConnectionOptions = password
    ? { user: decodeURIComponent(username), pass: decodeURIComponent(password) }
    : username
      ? { token: decodeURIComponent(username) }
      : {}
  try {
    return await connect({
      ...login,
      servers,
      ...(urls.some((url) => url.protocol === 'tls:') ? { tls: {} } : {}),
      name: options.name,
      inboxPrefix: options.inboxPrefix,
      timeout: BROKER_ANSWER_MS_MAX,
      maxReconnectAttempts: -1,
      reconnectTimeWait: BROKER_RECONNECT_MS,
      // Stack traces of every request cost more than the request.
      noAsyncTraces: true,
    })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Refusal(
      'bus-unavailable',
      `no nats server at ${servers.join(', ')} (${reason}): start one or name another`,
      {
        cause: error,
      },
    )
  }
}

/** The message names no user and no password. */
function parseUrl(text: string): URL {
  const url = URL.parse(text.includes('://') ? text : `nats://${text}`)
  if (url?.host && (url.protocol === 'nats:' || url.protocol === 'tls:')) return url
  throw new Refusal('bus-unavailable', 'not a nats address: write nats://host:port')
}

/** @throws Refusal when the server cannot do what the lanes need */
export function checkVersion(version: string, warn: (line: string) => void): void {
  const parts = version.split(/[.-]/, 3).map(Number)
  if (isBelow(parts, VERSION_MIN)) {
    const min = VERSION_MIN.join('.')
    throw new Refusal(
      'bus-unavailable',
      `nats-server ${version} is too old: use ${min}, better ${VERSION_SAFE.join('.')}`,
    )
  }
  if (isBelow(parts, VERSION_SAFE)) {
    warn(`nats-server ${version} has known security holes: use ${VERSION_SAFE.join('.')} or newer`)
  }
}

function isBelow(version: readonly number[], floor: readonly number[]): boolean {
  for (const [index, least] of floor.entries()) {
    const part = version[index] ?? Number.NaN
    if (!(part >= least)) return true
    if (part > least) return false
  }
  return false
}

async function watch(connection: NatsConnection, warn: (line: string) => void): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === 'disconnect') warn('nats: connection lost, trying again')
    if (status.type === 'reconnect') warn('nats: connected again')
    if (status.type === 'error') warn(`nats: ${status.error.message}`)
  }
}
