/** What one invocation may touch: manifest ∩ contract ∩ this event. */
import type { Namespace } from '#host/storage/port.ts'

import type { Sources } from './port.ts'
import type { Registered } from './registry.ts'

/** The contract's permissions that narrow a manifest's needs. */
export interface ContractPermits {
  /** Without it a needed namespace is read only. */
  readonly store: boolean
  /** Without it no event goes to the connection. */
  readonly messages: boolean
  /** Without it no key signs. */
  readonly authentication: boolean
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
  /** The connection's keys by alias. */
  readonly keys: Sources['keys']
  /** Whether another connection takes events of a type. */
  readonly reaches?: NonNullable<Sources['reaches']>
}

/** Absent and forbidden look alike: what is not in the answer cannot be reached. */
export function grantFor(options: GrantOptions): Sources {
  const { registered, permits, connection, handler } = options
  const { needs } = registered.manifest
  const rights = needs.namespaces
  const namespaces = new Map<string, { readonly namespace: Namespace; readonly writable: boolean }>()
  if (rights.connection !== undefined && connection) {
    namespaces.set('connection', { namespace: connection, writable: rights.connection === 'rw' && permits.store })
  }
  if (rights.handler !== undefined) {
    namespaces.set('handler', { namespace: handler, writable: rights.handler === 'rw' })
  }
  const aliases = permits.authentication ? needs.keys.map(({ alias }) => alias) : []
  return {
    fields: needs.fields ? options.fields : new Map(),
    namespaces,
    keys: new Map([...options.keys].filter(([alias]) => aliases.some((granted) => granted === alias))),
    // What the asker's contract permits is about the asker: other connections have terms of their own.
    outbox: new Set(needs.outbox.filter((target) => target !== 'connection' || permits.messages)),
    ...(needs.outbox.includes('connections') && options.reaches ? { reaches: options.reaches } : {}),
  }
}
