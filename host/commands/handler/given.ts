/** What a case gives its handler: capabilities in memory, narrowed by the manifest as a vault would. */
import { generateEd25519, signEd25519 } from '#host/crypto/ed25519.ts'
import { grantFor } from '#host/plugin/grant.ts'
import type { Sources } from '#host/plugin/port.ts'
import type { Registered } from '#host/plugin/registry.ts'
import type { Item, Namespace, NamespaceName } from '#host/storage/port.ts'
import type { Case, Stored } from './cases.ts'

/** The live things behind one case's grant; `admitted` are the fields its request asks for. */
export function sourcesOf({ given }: Case, registered: Registered, admitted: readonly string[]): Sources {
  const fields = new Map(Object.entries(given.fields).filter(([name]) => admitted.includes(name)))
  const { connection } = given.keys
  const keys = new Map(connection === undefined ? [] : [['connection', ed25519(connection)]])
  const reaches = (to: string, type: string): boolean =>
    Object.hasOwn(given.reaches, to) && given.reaches[to]?.includes(type) === true
  return grantFor({
    registered,
    permits: given.permits,
    fields,
    connection: namespaceOf('connection/case', given.store),
    handler: namespaceOf(`handler/${registered.name}`, given.handlerStore),
    keys,
    reaches,
  })
}

/** What a case writes for a value, as bytes. */
export function bytesOfStored(stored: Stored): Uint8Array {
  if (typeof stored === 'string') return new TextEncoder().encode(stored)
  if ('json' in stored) return new TextEncoder().encode(JSON.stringify(stored.json))
  return Uint8Array.fromBase64(stored.base64url, { alphabet: 'base64url' })
}

function namespaceOf(name: NamespaceName, store: Readonly<Record<string, Stored>>): Namespace {
  const items = new Map(
    Object.entries(store)
      .map(([key, value]) => [key, itemOf(bytesOfStored(value))] as const)
      .sort(inByteOrder),
  )
  return {
    name,
    get: (key) => items.get(key),
    scan({ prefix, after, limit }) {
      const found = [...items].filter(([key]) => key.startsWith(prefix) && (after === undefined || key > after))
      const page = found.slice(0, limit)
      const last = page.at(-1)?.[0]
      return found.length > limit && last !== undefined ? { items: page, next: last } : { items: page }
    },
  }
}

function itemOf(value: Uint8Array): Item {
  return { value, revision: 1, updatedAt: 0, visibility: 'transparent', sensitivity: 'data' }
}

function inByteOrder([left]: readonly [string, Item], [right]: readonly [string, Item]): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right))
}

function ed25519(seed: string): { publicKey: Uint8Array; sign(message: Uint8Array): Uint8Array } {
  const key = generateEd25519(Uint8Array.fromHex(seed))
  return { publicKey: key.publicKey, sign: (message) => signEd25519(key, message) }
}
