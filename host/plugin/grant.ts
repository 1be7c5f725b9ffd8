/** What one invocation may touch: manifest ∩ contract ∩ this event. */
import { HANDLER_STORAGE_BYTES_MAX } from '#host/limits.ts'
import type { Namespace } from '#host/storage/port.ts'

import { CONNECTION_KEY } from './manifest.ts'
import type {
  Cap,
  CredentialMetadata,
  GrantedCredential,
  GrantedKey,
  GrantedNamespace,
  ProofRequest,
  SharedSandbox,
  Sources,
} from './port.ts'
import type { Registered } from './registry.ts'
import type { LabelGrant } from './report.ts'

/** What a handler may keep in a namespace of its own. */
export const handlerCap: Cap = { categories: null, bytesMax: HANDLER_STORAGE_BYTES_MAX }

/** The contract's permissions that narrow a manifest's needs. */
export interface ContractPermits {
  /** What the asker's namespace may hold; without it a needed one is read only. */
  readonly store: Cap | null
  /** Without it no event goes to the connection. */
  readonly messages: boolean
  /** Without it the connection's own key does not sign. */
  readonly authentication: boolean
}

/** A credential of the vault, with all its claims. */
export interface HeldCredential {
  readonly metadata: CredentialMetadata
  /** `undefined` while it waits for the owner: the event comes to nothing then. */
  prove(request: ProofRequest): Promise<Uint8Array> | undefined
}

export interface GrantOptions {
  readonly registered: Registered
  readonly permits: ContractPermits
  /** Values of the admitted fields. A field the owner does not keep is simply absent. */
  readonly fields: ReadonlyMap<string, string>
  /** The asker's own namespace; absent when the owner asks. */
  readonly connection: Namespace | undefined
  /** The handler's own namespace in this vault. What it keeps there is its own: no contract speaks of it. */
  readonly handler: Namespace
  /** Sandboxes that the asker shares; none where another vault hosts them, which keeps the one copy. */
  readonly sandboxes?: readonly SharedSandbox[]
  /** Keys of the vault by alias: `connection`, `identity`, and those the owner made. */
  readonly keys: Pick<Sources['keys'], 'get'>
  /** The vault's credentials that have not expired, by alias. */
  readonly credentials: ReadonlyMap<string, HeldCredential>
  /** Names of the fields that the event was admitted for. */
  readonly admitted: readonly string[]
  /** Whether another connection takes events of a type. */
  readonly reaches?: NonNullable<Sources['reaches']>
}

/** Absent and forbidden look alike: what is not in the answer cannot be reached. */
export function grantFor(options: GrantOptions): Sources {
  const { registered, permits, connection, handler } = options
  const { needs } = registered.manifest
  const rights = needs.namespaces
  const namespaces = new Map<string, GrantedNamespace>()
  if (rights.connection !== undefined && connection) {
    namespaces.set('connection', {
      namespace: connection,
      writable: rights.connection === 'rw' && permits.store !== null,
      ...(permits.store && { cap: permits.store }),
    })
  }
  if (rights.handler !== undefined) {
    namespaces.set('handler', { namespace: handler, writable: rights.handler === 'rw', cap: handlerCap })
  }
  for (const [label, granted] of sharedAreas(options)) namespaces.set(label, granted)
  return {
    fields: needs.fields ? options.fields : new Map(),
    namespaces,
    keys: keysFor(options),
    credentials: grantCredentials(options),
    // What the asker's contract permits is about the asker: other connections have terms of their own.
    outbox: new Set(needs.outbox.filter((target) => target !== 'connection' || permits.messages)),
    ...(needs.outbox.includes('connections') && options.reaches ? { reaches: options.reaches } : {}),
  }
}

/** By label, `sandbox/<sandbox>/<area>`: the terms' rights, no wider than the manifest's. */
function sharedAreas({ registered, sandboxes = [] }: GrantOptions): (readonly [string, GrantedNamespace])[] {
  const rights = registered.manifest.needs.namespaces
  return sandboxes.flatMap(({ id, areas }) =>
    (['mutual', 'own'] as const).flatMap((area): (readonly [string, GrantedNamespace])[] => {
      const granted = areas[area]
      const right = rights[`sandbox/${area}`]
      if (!granted || right === undefined) return []
      return [[`sandbox/${id}/${area}`, { ...granted, writable: granted.writable && right === 'rw' }]]
    }),
  )
}

/** A granted namespace as its cell is told of it. */
export function labelGrant([label, { namespace, writable, cap }]: readonly [string, GrantedNamespace]): LabelGrant {
  return { label, writable, ...(cap && { cap: { ...cap, bytesUsed: namespace.bytes } }) }
}

/** Of the keys it needs those that are there, in the algorithm its manifest names, if it names one. */
function keysFor({ registered, permits, keys }: GrantOptions): Sources['keys'] {
  const granted = new Map<string, GrantedKey>()
  for (const { alias, algorithm } of registered.manifest.needs.keys) {
    if (alias === CONNECTION_KEY && !permits.authentication) continue
    const key = keys.get(alias)
    if (key && (algorithm === undefined || algorithm === key.algorithm)) granted.set(alias, key)
  }
  return granted
}

/**
 * An event that asks for fields reaches the credentials that have some of them, and of these the admitted claims alone.
 * One that asks for none sees what there is and proves nothing.
 */
function grantCredentials({ registered, credentials, admitted }: GrantOptions): Sources['credentials'] {
  const { event, manifest } = registered
  const right = manifest.needs.credentials
  if (right === undefined) return new Map()
  return new Map(
    [...credentials].flatMap(([alias, held]): (readonly [string, GrantedCredential])[] => {
      if (event.fields === null) return [[alias, { metadata: held.metadata, prove: () => undefined }]]
      const claims = held.metadata.claims.filter((name) => admitted.includes(name))
      if (claims.length === 0) return []
      const may = (names: readonly string[]): boolean =>
        right === 'prove' && names.length > 0 && names.every((name) => claims.includes(name))
      const prove: GrantedCredential['prove'] = (request) => {
        const disclose = [...new Set(request.disclose)]
        return may(disclose) ? held.prove({ ...request, disclose }) : undefined
      }
      return [[alias, { metadata: { ...held.metadata, claims }, prove }]]
    }),
  )
}
