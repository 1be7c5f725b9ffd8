/** The bus over a NATS server: core for ordinary messages, JetStream for the lanes. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream'

import { ACK_WAIT_MS } from '#host/limits.ts'

import { answered, checkVersion, type NatsOptions, openConnection, watch } from './nats-connect.ts'
import { provisionLanes, spaceOf } from './nats-lanes.ts'
import { type Link, publisherOf } from './nats-publish.ts'
import { plainBytes, type Pull, pullLanes, surfaceFaults } from './nats-pull.ts'
import { laneTable } from './pattern.ts'
import type { Bus, Message, Subscription } from './port.ts'

/**
 * Connects. A connection that is lost later comes back by itself; what is published meanwhile waits or is refused.
 *
 * @throws Refusal `bus-unavailable` when nobody answers or the server is too old
 */
export async function natsBus(options: NatsOptions): Promise<Bus> {
  const space = spaceOf(options.space)
  const warn = options.warn ?? (() => {})
  const connection = await openConnection(options)
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
