/**
 * The services' side of the demo: each has a vault of its own, sealed and journaled, and talks vine/1 from it. In one
 * process with the host or in one of its own the calls are the same: everything that crosses is plain data.
 */
import type { Request } from '#client/conversation.ts'
import type { Connected } from '#client/service.ts'
import type { Transport } from '#client/transport.ts'
import type { Vaults } from '#host/vault/vaults.ts'
import { newEventId, parseEventType } from '#host/wire/id.ts'
import type { Reply } from '#host/wire/reply.ts'
import { surroundings } from '../surroundings.ts'
import { SERVICES, type ServiceName } from './cast.ts'
import { newChallenge, verifyChallenge } from './challenge.ts'
import { type Meeting, openTroupe, REQUEST_LIFE_MS } from './troupe.ts'

/** What the demo asks of the services. Arguments and results cross process borders. */
export interface Services extends Meeting {
  /** Sends a request; its answers are waited for by number. */
  ask(service: ServiceName, type: string, body: unknown): Promise<number>
  /** Resolves when the vault said that it asked its owner. */
  pending(request: number): Promise<void>
  answer(request: number): Promise<Answer>
  /** Sends a request and keeps its envelope: `sendAgain` sends the very same bytes. */
  sendOnce(service: ServiceName, type: string, body: unknown): Promise<void>
  sendAgain(): Promise<void>
  /** Seals for one connection and publishes on the other's subject. */
  sendOnLaneOf(service: ServiceName, other: ServiceName): Promise<void>
  /** Asks the vault to sign a nonce; whether the signature verifies with the connection's key. */
  challenge(service: ServiceName): Promise<boolean>
}

/** An answer with its body as JSON. */
export type Answer = Exclude<Reply, { status: 'replied' }> | { readonly status: 'replied'; readonly body: unknown }

const utf8 = new TextEncoder()

export function openServices(vaults: Vaults, transport: Transport): Services {
  const troupe = openTroupe(vaults, transport)
  const requests: Request[] = []
  let kept: { subject: string; data: Uint8Array } | undefined

  const send = (service: ServiceName, type: string, body: unknown): Promise<Request> => {
    const { conversation } = troupe.connection(service)
    return conversation.request(type, utf8.encode(JSON.stringify(body)), { lifeMs: REQUEST_LIFE_MS })
  }

  return {
    ...troupe.meeting,
    ask: async (service, type, body) => requests.push(await send(service, type, body)) - 1,
    pending: async (request) => requests[request]?.pending,
    async answer(request) {
      const reply = await requests[request]?.answer
      if (!reply) throw new Error(`no request ${request}`)
      if (reply.status !== 'replied') return reply
      return { ...reply, body: JSON.parse(new TextDecoder().decode(reply.body)) as unknown }
    },
    async sendOnce(service, type, body) {
      kept = sealed(troupe.connection(service), type, body)
      await transport.publish(kept.subject, kept.data, { durable: true })
    },
    async sendAgain() {
      if (!kept) throw new Error('nothing was sent yet')
      await transport.publish(kept.subject, kept.data, { durable: true })
    },
    async sendOnLaneOf(service, other) {
      const { subject, data } = sealed(troupe.connection(service), 'data.request', { fields: ['shipping_address'] })
      const [own, foreign] = [service, other].map((name) => troupe.invitation(name).connection)
      await transport.publish(subject.replace(String(own), String(foreign)), data, { durable: true })
    },
    async challenge(service) {
      const { body, challenge } = newChallenge(SERVICES[service], surroundings)
      const reply = await (await send(service, 'auth.challenge', body)).answer
      const key = troupe.connection(service).authentication
      return reply.status === 'replied' && verifyChallenge(challenge, reply.body, key)
    },
  }
}

function sealed(
  { conversation, terms }: Connected,
  type: string,
  body: unknown,
): { subject: string; data: Uint8Array } {
  const now = surroundings.now()
  return conversation.seal({
    id: newEventId(surroundings.random),
    type: parseEventType(type),
    ts: now,
    exp: now + REQUEST_LIFE_MS,
    contractVersion: terms().version,
    causation: null,
    body: utf8.encode(JSON.stringify(body)),
  })
}
