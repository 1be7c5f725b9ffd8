/** Every namespace as an owner's device browses and tidies it. */
import { check, z } from '#host/schema.ts'
import type { Cbor } from '#host/wire/cbor.ts'

const facts = {
  key: z.string(),
  category: z.string().nullable(),
  visibility: z.enum(['transparent', 'opaque']),
  sensitivity: z.enum(['data', 'secret', 'critical']),
  /** Bytes of the value. */
  size: z.number(),
  revision: z.number(),
  /** Milliseconds since the epoch. */
  updated: z.number(),
  /** `connection/<id>`, `device/<id>` or `handler/<id>`; null when it is not known. */
  author: z.string().nullable(),
}
const spaces = z.object({
  namespaces: z.array(z.object({ name: z.string(), bytes: z.number(), alias: z.string().nullable() })),
})
const page = z.object({
  items: z.array(z.object({ ...facts, value: z.instanceof(Uint8Array).nullable() })),
  next: z.string().nullable(),
})
/** What a contract in force needed of what was removed. */
const stopping = z.object({
  stops: z.array(z.object({ connection: z.string(), alias: z.string(), what: z.string() })),
})
const removal = stopping.extend({ removed: z.boolean() })

const connected = z.object({
  connections: z.array(
    z.object({
      connection: z.string(),
      alias: z.string(),
      kind: z.enum(['service', 'peer']),
      status: z.enum(['invited', 'dialing', 'proposed', 'active', 'severed']),
      /** Optional fields that the owner declined. */
      declined: z.array(z.string()),
      /** Users that entries are shared with over it, 32 bytes each. */
      users: z.array(z.instanceof(Uint8Array)),
      /** The contract in force. */
      contract: z.object({ service: z.string(), version: z.int() }).nullable(),
    }),
  ),
})
const unlocked = z.object({ until: z.number() })

export type BrowsedPage = z.infer<typeof page>
/** What was removed, or what would stop working without it. */
export type Removal = z.infer<typeof removal>

export type Stops = z.infer<typeof stopping>['stops']

export async function stopsOf(answer: Promise<Cbor>): Promise<Stops> {
  return check(stopping, await answer, 'malformed', 'what stops').stops
}

export interface OwnerBrowse {
  /** Every connection there ever was, severed ones included. */
  connections(): Promise<z.infer<typeof connected>['connections']>
  namespaces(): Promise<z.infer<typeof spaces>['namespaces']>
  /** What is in one, by key. `next` goes into the following request as `after`. */
  browse(namespace: string, range?: { prefix?: string; after?: string; limit?: number }): Promise<BrowsedPage>
  /** Says what would stop working; with `confirm` it removes. */
  remove(item: { namespace: string; key: string; confirm?: boolean }): Promise<Removal>
  /** Makes an item critical: from now on it needs the PIN. */
  protect(namespace: string, key: string): Promise<void>
  /** Sets the PIN, and for how long one opens what is critical: 0 for one event, 15 minutes at most. */
  setFactor(factor: { pin: string; windowMs: number; current?: string }): Promise<void>
  /** Opens what is critical; says until when, in milliseconds since the epoch. */
  unlock(pin: string): Promise<number>
  lock(): Promise<void>
  renameConnection(connection: string, alias: string): Promise<void>
  renameCredential(alias: string, label: string): Promise<void>
}

export function ownerBrowse(command: (type: string, body: Cbor) => Promise<Cbor>): OwnerBrowse {
  return {
    async connections() {
      return check(connected, await command('connection.list', {}), 'malformed', 'the connections').connections
    },
    async namespaces() {
      return check(spaces, await command('namespace.list', {}), 'malformed', 'the namespaces').namespaces
    },
    async browse(namespace, range = {}) {
      return check(page, await command('namespace.items', { namespace, ...range }), 'malformed', 'items')
    },
    async remove(item) {
      return check(removal, await command('item.remove', item), 'malformed', 'what was removed')
    },
    protect: (namespace, key) => done(command('item.protect', { namespace, key })),
    setFactor: (factor) => done(command('factor.set', factor)),
    async unlock(pin) {
      return check(unlocked, await command('vault.unlock', { pin }), 'malformed', 'when it closes').until
    },
    lock: () => done(command('vault.lock', {})),
    renameConnection: (connection, alias) => done(command('connection.rename', { connection, alias })),
    renameCredential: (alias, label) => done(command('credential.rename', { alias, label })),
  }
}

async function done(command: Promise<Cbor>): Promise<void> {
  await command
}
