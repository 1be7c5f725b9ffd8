/** A service that connects to a world's vault, and can also send what no honest one would. */
import type { Connected, ServiceOptions } from '#client/service.ts'
import { connect, discover } from '#client/service.ts'
import type { Request } from '#client/conversation.ts'
import type { Invitation } from '#client/greeting.ts'
import { forgetfulStore, type Transport } from '#client/transport.ts'
import { type Contract, type ContractField, signContract, type Tier } from '#host/contracts/contract.ts'
import { identityId } from '#host/crypto/identity.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import type { SigningKey } from '#host/crypto/port.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import type { Message } from '#host/messaging/port.ts'
import type { Registry } from '#host/plugin/registry.ts'
import type { VineEvent } from '#host/wire/event.ts'
import { newEventId, parseEventType } from '#host/wire/id.ts'
import type { Reply } from '#host/wire/reply.ts'
import { random, type World } from './world.fixture.ts'

export const HOUR_MS = 3_600_000
const utf8 = new TextEncoder()

export interface Asker {
  readonly options: ServiceOptions
  readonly invitation: Invitation
  readonly connected: Connected
  readonly line: Line
  /** Signs a version of its contract. */
  contract(version: number, changes?: Partial<Contract>): Uint8Array
  request(type: string, body?: unknown): Promise<Request>
  /** The final answer; a `replied` body as JSON. */
  ask(type: string, body?: unknown): Promise<Told>
  /** A request whose message is handed back instead of being sent: its answer is waited for as ever. */
  hold(type: string, body?: unknown): Promise<Request & { readonly message: Message }>
  /** One event sealed and not sent. */
  seal(type: string, body?: unknown, changes?: Partial<VineEvent>): Message
}

/** What a service needs of the world it is in. */
export type Place = Pick<World, 'clock' | 'now' | 'alice' | 'offers'> & {
  readonly broker: { connect(): Transport }
  readonly host: { readonly registry: Pick<Registry, 'handlers'> }
}

export type Told = Exclude<Reply, { status: 'replied' }> | { readonly status: 'replied'; readonly body: unknown }

const field = (name: string, tier: Tier): ContractField => ({
  name,
  tier,
  purpose: `to use ${name}`,
  retention: { kind: 'until-revoked' },
})

const FIELDS: readonly ContractField[] = [
  field('email', 'required'),
  field('phone', 'optional'),
  field('shipping_address', 'on-demand'),
  field('date_of_birth', 'consent'),
]

/** Version `version` of a contract that asks for every event type and permission. */
function contractOf(
  world: Place,
  { name, signing, version }: { name: string; signing: SigningKey; version: number },
): Contract {
  const handlers = world.host.registry.handlers.flatMap(({ manifest }) => manifest.events.map(({ type }) => type))
  return {
    service: { name, identity: identityId(nativeCrypto, signing.publicKey), links: {} },
    id: `${name.toLowerCase()}-terms`,
    version,
    publishedAt: world.clock.now,
    fields: FIELDS,
    permissions: {
      events: [...new Set([...handlers, 'payment.request'])],
      store: { categories: ['counts'], bytesMax: 1_000 },
      messages: true,
      authentication: true,
      payment: true,
    },
    limits: { requestsPerHour: 10_000, storageBytes: 1_000 },
  }
}

/** A transport that can keep back what it is to publish next. */
interface Line {
  readonly transport: Transport
  hold(): Promise<Message>
}

function heldLine(bus: Transport): Line {
  let holding: ((message: Message) => void) | undefined
  return {
    transport: {
      subscribe: (pattern, receive) => bus.subscribe(pattern, receive),
      publish(subject, data, options) {
        if (!holding) return bus.publish(subject, data, options)
        holding({ subject, data })
        holding = undefined
        return Promise.resolve()
      },
    },
    hold() {
      const { promise, resolve } = Promise.withResolvers<Message>()
      holding = resolve
      return promise
    },
  }
}

/** Invites, presents, accepts: a service with an active connection. */
export async function connectService(
  world: Place,
  name: string,
  {
    changes = {},
    declined = [],
    kind = 'service',
  }: { changes?: Partial<Contract>; declined?: readonly string[]; kind?: 'service' | 'peer' } = {},
): Promise<Asker> {
  const signing = generateSigningKey()
  const line = heldLine(world.broker.connect())
  const options = {
    transport: line.transport,
    store: forgetfulStore(),
    signing,
    crypto: nativeCrypto,
    now: world.now,
    random,
  }
  const contract = (version: number, more: Partial<Contract> = {}): Uint8Array =>
    signContract(nativeCrypto, { ...contractOf(world, { name, signing, version }), ...changes, ...more }, signing)
  const invitation = await world.alice.invite(name, kind)
  const profile = await discover(invitation, options)
  const connecting = connect(invitation, { profile, contract: contract(1) }, options)
  await world.alice.accept(await world.offers.take(), declined)
  return serviceOf(world, { options, invitation, contract, line, connected: await connecting })
}

/** The same service over another conversation, as after a restart of its own. */
export function serviceOf(
  world: Place,
  parts: Pick<Asker, 'options' | 'invitation' | 'contract' | 'connected' | 'line'>,
): Asker {
  const { conversation, terms } = parts.connected
  const request = (type: string, body?: unknown): Promise<Request> =>
    conversation.request(type, bytesOf(body), { lifeMs: HOUR_MS })
  return {
    ...parts,
    request,
    async hold(type, body) {
      const held = parts.line.hold()
      return { ...(await request(type, body)), message: await held }
    },
    async ask(type, body) {
      return told(await (await request(type, body)).answer)
    },
    seal: (type, body, changes = {}) =>
      conversation.seal({
        id: newEventId(random),
        type: parseEventType(type),
        ts: world.clock.now,
        exp: world.clock.now + HOUR_MS,
        contractVersion: terms().version,
        causation: null,
        body: bytesOf(body),
        ...changes,
      }),
  }
}

function bytesOf(body: unknown): Uint8Array {
  return utf8.encode(JSON.stringify(body ?? null))
}

/** An answer with its body as JSON. */
export function told(reply: Reply): Told {
  return reply.status === 'replied'
    ? { ...reply, body: JSON.parse(new TextDecoder().decode(reply.body)) as unknown }
    : reply
}
