/** One connection to a NATS server: who answers, whether it is new enough, and what happens when it goes away. */
import { connect, type ConnectionOptions, type NatsConnection } from '@nats-io/transport-node'

import { Refusal } from '#host/errors.ts'
import { BROKER_ANSWER_MS_MAX, BROKER_RECONNECT_MS } from '#host/limits.ts'

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

/** A failure of the client or the broker, as the sender may see it. */
export function unavailable(error: unknown): Refusal {
  const reason = error instanceof Error ? error.message : String(error)
  return new Refusal('bus-unavailable', `the broker did not take it (${reason}): send again`, { cause: error })
}

/** Bounds what the client would wait for without end while it is cut off. */
export async function answered<T>(work: Promise<T>): Promise<T> {
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

/**
 * Connects; a connection that is lost later is tried again without end.
 *
 * @throws Refusal `bus-unavailable` when nobody answers
 */
export async function openConnection(options: NatsOptions): Promise<NatsConnection> {
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

/** Tells the operator what happens to the connection, until it closes. */
export async function watch(connection: NatsConnection, warn: (line: string) => void): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === 'disconnect') warn('nats: connection lost, trying again')
    if (status.type === 'reconnect') warn('nats: connected again')
    if (status.type === 'error') warn(`nats: ${status.error.message}`)
  }
}
