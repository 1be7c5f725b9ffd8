/**
 * The services' side of the demo: each has a vault of its own, sealed and journaled, and talks vine/1 from it. In one
 * process with the host or in one of its own the calls are the same: everything that crosses is plain data.
 */
import type { Request } from '#client/conversation.ts'
import type { Invitation } from '#client/greeting.ts'
import { type Connected, connect, discover, type ServiceOptions, type Terms } from '#client/service.ts'
import type { ClientStore, Transport } from '#client/transport.ts'
import { signContract } from '#host/contracts/contract.ts'
import { identityId } from '#host/crypto/identity.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import type { VaultStore } from '#host/storage/port.ts'
import { newEventId, parseEventType } from '#host/wire/id.ts'
import type { Reply } from '#host/wire/reply.ts'
import type { Vaults } from '#host/vault/vaults.ts'
import { surroundings } from '../surroundings.ts'
import { contractOf, SERVICES, type ServiceName } from './cast.ts'
import { newChallenge, verifyChallenge } from './challenge.ts'

/** What the demo asks of the services. Arguments and results cross process borders. */
export interface Services {
  /** Makes the service's vault; gives its fingerprint. */
  found(service: ServiceName): Promise<Uint8Array>
  /** Reads the vault's profile; gives what its handlers answer. */
  discover(service: ServiceName, invitation: Invitation): Promise<string[]>
  /** Presents contract version 1; resolves when the owner accepted it. */
  connect(service: ServiceName): Promise<Terms>
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
  /** Publishes contract version 2; the terms come with `accepted`. */
  publish(service: ServiceName): Promise<void>
  accepted(service: ServiceName): Promise<Terms>
}

/** An answer with its body as JSON. */
export type Answer = Exclude<Reply, { status: 'replied' }> | { readonly status: 'replied'; readonly body: unknown }

interface Player {
  readonly options: ServiceOptions
  readonly identity: Uint8Array
  invitation: Invitation | undefined
  connected: Connected | undefined
  renewed: Promise<Terms> | undefined
}

const REQUEST_LIFE_MS = 3_600_000
const utf8 = new TextEncoder()

export function openServices(vaults: Vaults, transport: Transport): Services {
  const players = new Map<ServiceName, Player>()
  const requests: Request[] = []
  let kept: { subject: string; data: Uint8Array } | undefined

  const player = (service: ServiceName): Player => {
    const found = players.get(service)
    if (!found) throw new Error(`${service} has no vault yet`)
    return found
  }
  const connection = (service: ServiceName): Connected => {
    const { connected } = player(service)
    if (!connected) throw new Error(`${service} is not connected`)
    return connected
  }
  const contract = (service: ServiceName, version: number): Uint8Array => {
    const { options, identity } = player(service)
    return signContract(contractOf(service, version, { identity, now: surroundings.now() }), options.signing)
  }
  const send = async (service: ServiceName, type: string, body: unknown): Promise<Request> =>
    connection(service).conversation.request(type, utf8.encode(JSON.stringify(body)), { lifeMs: REQUEST_LIFE_MS })

  return {
    async found(service) {
      // The service's own operator key; nobody pairs with this vault in the demo.
      const operator = generateSigningKey().verifyKey.raw
      const birth = {
        device: { id: 'operator', label: 'operator', verifyKey: operator },
        fields: { name: SERVICES[service] },
        now: surroundings.now(),
      }
      const { signing, store } = await vaults.create(service, birth)
      const options = { ...surroundings, transport, store: storeIn(store), signing }
      const identity = identityId(signing.verifyKey.raw)
      players.set(service, { options, identity, invitation: undefined, connected: undefined, renewed: undefined })
      return identity
    },
    async discover(service, invitation) {
      const { options } = player(service)
      const profile = await discover(invitation, options)
      player(service).invitation = invitation
      return handlersIn(profile.handlers)
    },
    async connect(service) {
      const { options, invitation } = player(service)
      if (!invitation) throw new Error(`${service} was not invited`)
      const profile = await discover(invitation, options)
      player(service).connected = await connect(invitation, { profile, contract: contract(service, 1) }, options)
      return connection(service).terms()
    },
    ask: async (service, type, body) => requests.push(await send(service, type, body)) - 1,
    pending: async (request) => requests[request]?.pending,
    async answer(request) {
      const reply = await requests[request]?.answer
      if (!reply) throw new Error(`no request ${request}`)
      return reply.status === 'replied'
        ? { ...reply, body: JSON.parse(new TextDecoder().decode(reply.body)) as unknown }
        : reply
    },
    async sendOnce(service, type, body) {
      kept = sealed(connection(service), type, body)
      await transport.publish(kept.subject, kept.data, { durable: true })
    },
    async sendAgain() {
      if (!kept) throw new Error('nothing was sent yet')
      await transport.publish(kept.subject, kept.data, { durable: true })
    },
    async sendOnLaneOf(service, other) {
      const { subject, data } = sealed(connection(service), 'data.request', { fields: ['shipping_address'] })
      const [own, foreign] = [player(service).invitation?.connection, player(other).invitation?.connection]
      if (own === undefined || foreign === undefined) throw new Error('both services are connected by now')
      await transport.publish(subject.replace(own, foreign), data, { durable: true })
    },
    async challenge(service) {
      const { body, challenge } = newChallenge(SERVICES[service], surroundings)
      const reply = await (await send(service, 'auth.challenge', body)).answer
      return reply.status === 'replied' && verifyChallenge(challenge, reply.body, connection(service).authentication)
    },
    async publish(service) {
      const renewed = connection(service).publishContract(contract(service, 2), { lifeMs: REQUEST_LIFE_MS })
      player(service).renewed = renewed
      // Whoever waits for it hears of a refusal there.
      renewed.catch(() => {})
    },
    async accepted(service) {
      const { renewed } = player(service)
      if (!renewed) throw new Error(`${service} has published nothing`)
      return renewed
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

/** The client's store in the service's own vault: sealed and durable like everything there. */
function storeIn(store: VaultStore): ClientStore {
  const system = store.namespace('system')
  return {
    get: (key) => system.get(`client/${key}`)?.value,
    async put(changes) {
      const writes = [...changes].map(([key, value]) => ({ namespace: 'system', key: `client/${key}`, value }) as const)
      await store.commit(writes, { now: surroundings.now() })
    },
  }
}

/** `event type (handler version)`, for a person. */
function handlersIn(published: unknown): string[] {
  if (typeof published !== 'string') throw new Error('a profile holds its manifests as JSON')
  const manifests = JSON.parse(published) as readonly { handler: string; version: string; events: { type: string }[] }[]
  return manifests.map(
    ({ handler, version, events }) => `${handler} ${version} (${events.map(({ type }) => type).join(', ')})`,
  )
}
