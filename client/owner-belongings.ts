/** What the vault keeps for its owner, and what is kept in it by others. */
import { type KeyAlgorithm, keyAlgorithms } from '#host/crypto/key-algorithm.ts'
import { check, z } from '#host/schema.ts'
import type { Cbor } from '#host/wire/cbor.ts'
import { type Stops, stopsOf } from './owner-browse.ts'

const credentialEntry = z.object({
  alias: z.string(),
  label: z.string(),
  kind: z.string(),
  issuer: z.string(),
  claims: z.array(z.string()),
  /** Milliseconds since the epoch; null for never. */
  expires: z.number().nullable(),
  addedAt: z.number(),
  /** A proof needs the PIN. */
  critical: z.boolean(),
})
const credentialEntries = z.object({ credentials: z.array(credentialEntry) })
const ran = z.object({ reply: z.instanceof(Uint8Array).nullable() })
const kept = z.object({
  items: z.array(
    z.object({
      key: z.string(),
      category: z.string().nullable(),
      visibility: z.enum(['transparent', 'opaque']),
      /** Bytes of the value. */
      size: z.number(),
      revision: z.number(),
      /** Milliseconds since the epoch. */
      updated: z.number(),
      /** Null for what is opaque, or too large for a page. */
      value: z.instanceof(Uint8Array).nullable(),
    }),
  ),
  next: z.string().nullable(),
  /** Keys and values together, and how many its contract allows. */
  bytes: z.number(),
  bytesMax: z.number(),
})
const cells = z.array(z.union([z.string(), z.number(), z.null()]))
const found = z.object({ columns: z.array(z.string()), rows: z.array(cells), next: cells.nullable() })
const ownedKey = z.object({
  alias: z.string(),
  algorithm: z.enum(keyAlgorithms),
  publicKey: z.instanceof(Uint8Array),
  createdAt: z.number(),
  /** A signature needs the PIN. */
  critical: z.boolean(),
})
const ownedKeys = z.object({ keys: z.array(ownedKey) })

/** A key that handlers sign with, as its owner sees it. */
export type OwnedKey = z.infer<typeof ownedKey>
/** One credential of the vault. */
export type CredentialEntry = z.infer<typeof credentialEntry>
/** Rows of a search or a report. `next` goes into the following one as `after`. */
export type Found = z.infer<typeof found>
export interface SearchOptions {
  readonly filter?: string
  readonly after?: Found['next']
  readonly limit?: number
}
/** A page of what a connection keeps in the vault. `next` goes into the following request as `after`. */
export type KeptPage = z.infer<typeof kept>

export interface OwnerBelongings {
  putField(name: string, value: string): Promise<void>
  /**
   * Runs a handler's event on the own vault: JSON in, JSON out, `null` when there is nothing to say. `connection` is
   * the id of the one whose namespace the handler works on.
   */
  run(type: string, body: unknown, connection?: string): Promise<unknown>
  /** What a connection keeps in the vault, by key. */
  items(connection: string, range?: { prefix?: string; after?: string; limit?: number }): Promise<KeptPage>
  /** Says what stops working without it; `remove` says so before. */
  removeItem(connection: string, key: string): Promise<Stops>
  /**
   * Rows of what the vault holds or of its audit trail, a page at a time. The filter is a line like
   * `category:receipts size>1000 -alias:Acme invoice`; a value that is opaque, secret or critical is found by its key
   * alone.
   */
  search(table: 'items' | 'audit', options?: SearchOptions): Promise<Found>
  /** One of the vault's fixed reports: `namespaces`, `categories`, `askers`, `refusals`, `days`. */
  report(name: string, filter?: string, after?: Found['next']): Promise<Found>
  /** A fresh key in the vault, for the handlers that need one of this name. */
  createKey(alias: string, algorithm: KeyAlgorithm): Promise<OwnedKey>
  /** Makes a key critical: a signature of it needs the PIN from now on. */
  protectKey(alias: string): Promise<void>
  /** All of them in the order of their names; `identity` is the vault's own for documents. */
  keys(): Promise<readonly OwnedKey[]>
  /** Hands the vault a credential; one of the same alias is replaced. `label` is how the owner calls it. */
  addCredential(alias: string, options: { label: string; credential: Uint8Array }): Promise<void>
  /** What credentials there are, expired ones included; never a value. */
  credentials(): Promise<readonly CredentialEntry[]>
  /** Makes a credential critical: a proof from it needs the PIN from now on. */
  protectCredential(alias: string): Promise<void>
  /** Says what stops working without it; `remove` says so before. */
  removeCredential(alias: string): Promise<Stops>
}

export function ownerBelongings(command: (type: string, body: Cbor) => Promise<Cbor>): OwnerBelongings {
  return {
    async items(connection, range = {}) {
      return check(kept, await command('connection.items', { connection, ...range }), 'malformed', 'items')
    },
    async search(table, { filter = '', after, limit } = {}) {
      const body = { in: table, filter, ...(after && { after }), ...(limit !== undefined && { limit }) }
      return check(found, await command('vault.search', body), 'malformed', 'what was found')
    },
    async report(name, filter = '', after = null) {
      const body = { name, filter, ...(after && { after }) }
      return check(found, await command('vault.report', body), 'malformed', 'the report')
    },
    removeItem: (connection, key) => stopsOf(command('connection.remove-item', { connection, key })),
    putField: (name, value) => done(command('field.put', { name, value })),
    async createKey(alias, algorithm) {
      return check(ownedKey, await command('key.create', { alias, algorithm }), 'malformed', 'key')
    },
    protectKey: (alias) => done(command('key.protect', { alias })),
    async keys() {
      return check(ownedKeys, await command('key.list', {}), 'malformed', 'keys').keys
    },
    addCredential: (alias, options) => done(command('credential.add', { alias, ...options })),
    async credentials() {
      return check(credentialEntries, await command('credential.list', {}), 'malformed', 'the credentials').credentials
    },
    protectCredential: (alias) => done(command('item.protect', { namespace: 'personal', key: `credential/${alias}` })),
    removeCredential: (alias) => stopsOf(command('credential.remove', { alias })),
    async run(type, body, connection) {
      const about = connection === undefined ? {} : { connection }
      const request = { type, body: new TextEncoder().encode(JSON.stringify(body)), ...about }
      const { reply } = check(ran, await command('handler.run', request), 'malformed', 'what the handler replied')
      return reply && (JSON.parse(new TextDecoder().decode(reply)) as unknown)
    },
  }
}

async function done(command: Promise<Cbor>): Promise<void> {
  await command
}
