/** The services and what each holds: its vault, its invitation, its connection. */
import type { Invitation } from '#client/greeting.ts'
import { type Connected, connect, discover, evidenceOf, type ServiceOptions, type Terms } from '#client/service.ts'
import type { ClientStore, Transport } from '#client/transport.ts'
import { EVIDENCE_AGE_MS } from '#enclave/limits.ts'
import type { Trust } from '#enclave/shown.ts'
import { signContract, verifyContract } from '#host/contracts/contract.ts'
import { offeredEvents, publishedEvents } from '#host/contracts/offer.ts'
import { identityId } from '#host/crypto/identity.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import type { VaultStore } from '#host/storage/port.ts'
import { entries } from '#host/vault/read.ts'
import type { Vaults } from '#host/vault/vaults.ts'
import { surroundings } from '../surroundings.ts'
import type { Expected } from './attested.ts'
import { contractOf, SERVICES, type ServiceName } from './cast.ts'

/** How a service gets to know a vault and agrees with its owner. */
export interface Meeting {
  /** Makes the service's vault; gives its fingerprint. */
  found(service: ServiceName): Promise<Uint8Array>
  /** Reads the vault's profile; gives what its handlers answer. */
  discover(service: ServiceName, invitation: Invitation): Promise<string[]>
  /** Asks which code has the vault it was invited to, and checks that it is this; gives what the evidence says. */
  evidence(service: ServiceName, expected: Expected, handler: string): Promise<Proved>
  /** Presents contract version 1; resolves when the owner accepted it, with the event types it may send then. */
  connect(service: ServiceName): Promise<Terms & { readonly offered: readonly string[] }>
  /** Publishes contract version 2; the terms come with `accepted`. */
  publish(service: ServiceName): Promise<void>
  accepted(service: ServiceName): Promise<Terms>
}

/** Evidence that a service accepted. */
interface Proved {
  readonly kind: string
  readonly hardware: boolean
  /** The handler whose manifest was proved to be there. */
  readonly handler: string | undefined
}

export interface Troupe {
  readonly meeting: Meeting
  readonly connection: (service: ServiceName) => Connected
  readonly invitation: (service: ServiceName) => Invitation
}

interface Player {
  readonly options: ServiceOptions
  readonly identity: Uint8Array
  invitation?: Invitation
  connected?: Connected
  renewed?: Promise<Terms>
}

export const REQUEST_LIFE_MS = 3_600_000

export function openTroupe(vaults: Vaults, transport: Transport): Troupe {
  const players = new Map<ServiceName, Player>()
  const player = (service: ServiceName): Player => has(players.get(service), `${service} has no vault yet`)
  const connection = (service: ServiceName): Connected =>
    has(player(service).connected, `${service} is not connected yet`)
  const invitation = (service: ServiceName): Invitation => has(player(service).invitation, `${service} is not invited`)
  const contract = (service: ServiceName, version: number): Uint8Array => {
    const { options, identity } = player(service)
    return signContract(
      nativeCrypto,
      contractOf(service, version, { identity, now: surroundings.now() }),
      options.signing,
    )
  }
  const meeting: Meeting = {
    async found(service) {
      const { signing, store } = await foundVaultOf(service, vaults)
      const options = { ...surroundings, transport, store: storeIn(store), signing }
      const identity = identityId(nativeCrypto, signing.publicKey)
      players.set(service, { options, identity })
      return identity
    },
    async discover(service, invited) {
      const { handlers } = await discover(invited, player(service).options)
      player(service).invitation = invited
      return handlersIn(handlers)
    },
    async evidence(service, { key, measurement }, handler) {
      const { options } = player(service)
      const profile = await discover(invitation(service), options)
      const trust: Trust = {
        roots: { nitro: [], software: [key], revoked: new Set() },
        policy: { kind: 'software', measurements: [measurement], registers: new Map(), maxAgeMs: EVIDENCE_AGE_MS },
      }
      const shown = await evidenceOf(invitation(service), { profile, trust, handler }, options)
      return { kind: shown.kind, hardware: shown.hardware, handler: shown.handler?.id }
    },
    async connect(service) {
      const { options } = player(service)
      const profile = await discover(invitation(service), options)
      const offer = { profile, contract: contract(service, 1) }
      player(service).connected = await connect(invitation(service), offer, options)
      const terms = connection(service).terms()
      const signed = verifyContract(nativeCrypto, offer.contract, options.signing.publicKey)
      const events = offeredEvents(signed.contract, { handlers: profile.handlers, declined: terms.declined })
      return { ...terms, offered: events.map(({ type }) => type) }
    },
    async publish(service) {
      const renewed = connection(service).publishContract(contract(service, 2), { lifeMs: REQUEST_LIFE_MS })
      player(service).renewed = renewed
      // Whoever waits for it hears of a refusal there.
      renewed.catch(() => {})
    },
    accepted: (service) => has(player(service).renewed, `${service} has published nothing`),
  }
  return { meeting, connection, invitation }
}

/** The service's own vault, with an operator key that nobody uses in the demo. */
function foundVaultOf(service: ServiceName, vaults: Vaults): ReturnType<Vaults['create']> {
  const device = { id: 'operator', label: 'operator', verifyKey: generateSigningKey().publicKey }
  return vaults.create(service, { device, fields: { name: SERVICES[service] }, now: surroundings.now() })
}

/** The client's store in the service's own vault: sealed and durable like everything there. */
export function storeIn(store: VaultStore): ClientStore {
  const system = store.namespace('system')
  return {
    get: (key) => system.get(`client/${key}`)?.value,
    under: (prefix) => entries(system, `client/${prefix}`).map(([, value]) => value),
    async put(changes) {
      const writes = [...changes].map(([key, value]) => ({ namespace: 'system', key: `client/${key}`, value }) as const)
      await store.commit(writes, { now: surroundings.now() })
    },
  }
}

/** `handler version (event types)`, for a person. */
function handlersIn(published: unknown): string[] {
  const handlers = Map.groupBy(publishedEvents(published), ({ handler, version }) => `${handler} ${version}`)
  return [...handlers].map(([name, events]) => `${name} (${events.map(({ type }) => type).join(', ')})`)
}

function has<T>(value: T | undefined, otherwise: string): T {
  if (value === undefined) throw new Error(otherwise)
  return value
}
