/**
 * The lanes as JetStream streams: CRIT (file, a work queue) and BEST (memory), each cut into partitions by the vault.
 *
 * One `subject_transform` serves every subject family, since it names no family: `<family>.<vault>.<rest>` is stored as
 * `MS.<partition>.<family>.<vault>.<rest>`, and taking the first two tokens off gives the original back.
 */
import { isDeepStrictEqual } from 'node:util'

import type { ConsumerConfig, JetStreamManager, StreamConfig } from '@nats-io/jetstream'
import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream'

import { Refusal } from '#host/errors.ts'
import {
  BEST_EFFORT_AGE_MS_MAX,
  BEST_EFFORT_LANE_BYTES_MAX,
  CRITICAL_AGE_MS_MAX,
  CRITICAL_LANE_BYTES_MAX,
  DUPLICATE_WINDOW_MS,
  MESSAGE_BYTES_MAX,
  PARTITION_UNSETTLED_MAX,
  PARTITIONS,
  STREAM_CONSUMERS_MAX,
} from '#host/limits.ts'

import { laneTable, type LaneTable } from './pattern.ts'
import type { Lanes } from './port.ts'

const NANOS_PER_MS = 1_000_000
const SPACE = /^[a-z0-9_-]{1,32}$/

/** Names on a server that several systems share: each has its streams and the first token of its subjects. */
export interface Space {
  /** Empty, or one token and a dot. */
  readonly prefix: string
  readonly streams: Readonly<Record<keyof Lanes, string>>
}

/** @throws Error when the name is no token */
export function spaceOf(name: string | undefined): Space {
  if (name === undefined) return { prefix: '', streams: { critical: 'CRIT', bestEffort: 'BEST' } }
  if (!SPACE.test(name)) throw new Error(`not a space: ${JSON.stringify(name)}`)
  return { prefix: `${name}.`, streams: { critical: `${name}_CRIT`, bestEffort: `${name}_BEST` } }
}

/** Durable consumers of a stream, one per partition. */
export const partitionNames: readonly string[] = Array.from({ length: PARTITIONS }, (_, index) => `p${index}`)

/** The subject as it was published, without `MS.<partition>.`. */
export function publishedSubject(stored: string): string {
  return stored.split('.').slice(2).join('.')
}

/**
 * Makes streams and consumers or changes those that are there, and reads the result back.
 *
 * A pattern that moves between lanes is in neither for a moment: its durable publishes are refused and sent again.
 *
 * @throws Refusal `bus-unavailable` naming what the server refused or ignored
 */
export async function provisionLanes(options: {
  manager: JetStreamManager
  space: Space
  lanes: Lanes
  ackWaitMs: number
}): Promise<void> {
  const { manager, space, lanes } = options
  const critical = criticalStream(space, lanes.critical)
  const bestEffort = bestEffortStream(space, lanes.bestEffort)
  for (const stream of [critical, bestEffort]) await shrink(manager, stream)
  for (const stream of [critical, bestEffort]) await ensureStream(manager, stream)
  const consumers = partitionNames.flatMap((name, partition) => [
    ensureConsumer(manager, critical.name, criticalConsumer({ name, partition, ackWaitMs: options.ackWaitMs })),
    ensureConsumer(manager, bestEffort.name, bestEffortConsumer({ name, partition })),
  ])
  await Promise.all(consumers)
}

/** The lanes as the streams have them now; `undefined` when this client may not ask. */
export async function readLanes(manager: JetStreamManager, space: Space): Promise<LaneTable | undefined> {
  async function patterns(stream: string): Promise<readonly string[]> {
    const info = await orAbsent(manager.streams.info(stream))
    const subjects = info?.config.subjects ?? []
    return subjects.filter((subject) => subject !== nothing(stream)).map((s) => s.slice(space.prefix.length))
  }
  try {
    const [critical, bestEffort] = [await patterns(space.streams.critical), await patterns(space.streams.bestEffort)]
    return laneTable({ critical, bestEffort })
  } catch {
    return undefined
  }
}

type Stream = Partial<StreamConfig> & Pick<StreamConfig, 'name' | 'subjects'>
type Consumer = Partial<ConsumerConfig> & { readonly durable_name: string }

/** A stream without subjects would capture its own name: this one nobody publishes on. */
function nothing(stream: string): string {
  return `nothing.${stream}`
}

function laneStream(name: string, space: Space, patterns: readonly string[]): Stream {
  const subjects = patterns.map((pattern) => space.prefix + pattern)
  return {
    name,
    subjects: subjects.length > 0 ? subjects : [nothing(name)],
    subject_transform: {
      src: `${space.prefix}*.*.>`,
      dest: `MS.{{partition(${PARTITIONS},2)}}.{{wildcard(1)}}.{{wildcard(2)}}.>`,
    },
    duplicate_window: Math.min(DUPLICATE_WINDOW_MS, BEST_EFFORT_AGE_MS_MAX) * NANOS_PER_MS,
    max_msg_size: MESSAGE_BYTES_MAX,
    max_consumers: STREAM_CONSUMERS_MAX,
  }
}

/** A work queue: what is acknowledged leaves, so that `discard: new` holds back only what nobody has handled. */
function criticalStream(space: Space, patterns: readonly string[]): Stream {
  return {
    ...laneStream(space.streams.critical, space, patterns),
    storage: 'file',
    retention: 'workqueue',
    discard: 'new',
    max_bytes: CRITICAL_LANE_BYTES_MAX,
    max_age: CRITICAL_AGE_MS_MAX * NANOS_PER_MS,
    duplicate_window: DUPLICATE_WINDOW_MS * NANOS_PER_MS,
    deny_purge: true,
  }
}

/** Answers who asks (no `no_ack`): a durable publish on this lane would wait for its PubAck in vain otherwise. */
function bestEffortStream(space: Space, patterns: readonly string[]): Stream {
  return {
    ...laneStream(space.streams.bestEffort, space, patterns),
    storage: 'memory',
    retention: 'limits',
    discard: 'old',
    max_bytes: BEST_EFFORT_LANE_BYTES_MAX,
    max_age: BEST_EFFORT_AGE_MS_MAX * NANOS_PER_MS,
  }
}

/** Delivers until acknowledged, however often: giving up in the broker would be a silent loss. */
function criticalConsumer(options: { name: string; partition: number; ackWaitMs: number }): Consumer {
  return {
    durable_name: options.name,
    filter_subject: `MS.${options.partition}.>`,
    ack_policy: 'explicit',
    ack_wait: options.ackWaitMs * NANOS_PER_MS,
    max_deliver: -1,
    max_ack_pending: PARTITION_UNSETTLED_MAX,
  }
}

function bestEffortConsumer(options: { name: string; partition: number }): Consumer {
  return { durable_name: options.name, filter_subject: `MS.${options.partition}.>`, ack_policy: 'none' }
}

/** First takes away what a stream shall not have any more, so that another may have it. */
async function shrink(manager: JetStreamManager, stream: Stream): Promise<void> {
  const info = await orAbsent(manager.streams.info(stream.name))
  if (!info) return
  const kept = info.config.subjects.filter((subject) => stream.subjects.includes(subject))
  if (kept.length === info.config.subjects.length) return
  const subjects = kept.length > 0 ? kept : [nothing(stream.name)]
  await refused(`stream ${stream.name}`, manager.streams.update(stream.name, { subjects }))
}

async function ensureStream(manager: JetStreamManager, stream: Stream): Promise<void> {
  const what = `stream ${stream.name}`
  const present = await orAbsent(manager.streams.info(stream.name))
  if (!present) await refused(what, manager.streams.add(stream))
  else if (ignoredSettings(stream, present.config).length > 0) {
    await refused(what, manager.streams.update(stream.name, stream))
  }
  checkSettings(what, stream, (await refused(what, manager.streams.info(stream.name))).config)
}

async function ensureConsumer(manager: JetStreamManager, stream: string, consumer: Consumer): Promise<void> {
  const what = `consumer ${stream}/${consumer.durable_name}`
  const present = await orAbsent(manager.consumers.info(stream, consumer.durable_name))
  if (!present) await refused(what, manager.consumers.add(stream, consumer))
  else if (ignoredSettings(consumer, present.config).length > 0) {
    await refused(what, manager.consumers.update(stream, consumer.durable_name, consumer))
  }
  const result = await refused(what, manager.consumers.info(stream, consumer.durable_name))
  checkSettings(what, consumer, result.config)
}

/** Settings that read back otherwise than they were asked for: old servers drop what they do not know. */
export function ignoredSettings(asked: object, got: object): string[] {
  const actual = new Map<string, unknown>(Object.entries(got))
  return Object.entries(asked)
    .filter(([key, value]) => !isDeepStrictEqual(ordered(value), ordered(actual.get(key))))
    .map(([key, value]) => `${key} (asked ${JSON.stringify(value)}, is ${JSON.stringify(actual.get(key)) ?? 'absent'})`)
}

function ordered(value: unknown): unknown {
  return Array.isArray(value) ? value.map(String).toSorted() : value
}

function checkSettings(what: string, asked: object, got: object): void {
  const ignored = ignoredSettings(asked, got)
  if (ignored.length === 0) return
  throw new Refusal('bus-unavailable', `${what}: the server ignored ${ignored.join(', ')}: use a newer nats-server`)
}

async function refused<T>(what: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Refusal('bus-unavailable', `${what}: the server refused it: ${reason}`, { cause: error })
  }
}

async function orAbsent<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    const absent: readonly number[] = [JetStreamApiCodes.StreamNotFound, JetStreamApiCodes.ConsumerNotFound]
    if (error instanceof JetStreamApiError && absent.includes(error.code)) return undefined
    throw error
  }
}
