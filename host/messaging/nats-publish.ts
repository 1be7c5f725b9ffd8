/** Sends messages: ordinary ones and go on, durable ones until the stream has answered. */
import type { JetStreamManager } from '@nats-io/jetstream'
import { type NatsConnection, NoRespondersError, RequestError } from '@nats-io/transport-node'

import { Refusal } from '#host/errors.ts'
import { BROKER_ANSWER_MS_MAX, MESSAGE_BYTES_MAX } from '#host/limits.ts'
import { check, z } from '#host/schema.ts'

import { unavailable } from './nats-connect.ts'
import { readLanes, type Space } from './nats-lanes.ts'
import { checkSubject, type LaneTable } from './pattern.ts'
import type { Message } from './port.ts'

/** What a stream answers when it has stored a message, or why it has not. */
const pubAck = z.object({
  stream: z.string().optional(),
  error: z.object({ description: z.string().optional() }).optional(),
})

/** Everything a bus needs besides its own state. */
export interface Link {
  readonly connection: NatsConnection
  readonly manager: JetStreamManager
  readonly space: Space
  readonly ackWaitMs: number
  readonly warn: (line: string) => void
}

export interface Publisher {
  publish(message: Message, durable: boolean): Promise<void>
  /** From now on the lanes are known and not asked for. */
  provisioned(table: LaneTable): void
}

/**
 * Durable means a PubAck of the stream that captures the subject. Whether one does cannot be seen from "no responders":
 * nobody answers while a cluster elects a leader either, and a listener that does not answer looks like a slow stream.
 * So the lanes are known from provisioning or read from the server; only a client that may not read them has to guess.
 *
 * No `Nats-Msg-Id` is set: the window is shared by the whole stream, and another sender's id would drop our message.
 */
export function publisherOf(link: Link): Publisher {
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
