/** What a case gives its handler: capabilities in memory, narrowed by the manifest as a vault would. */
import { type Signer, signerOf } from '#host/crypto/signer.ts'
import { CONTRACT_STORAGE_BYTES_MAX } from '#host/limits.ts'
import { grantFor, type HeldCredential } from '#host/plugin/grant.ts'
import type { Cap, SharedSandbox, Sources } from '#host/plugin/port.ts'
import type { Registered } from '#host/plugin/registry.ts'
import { type Item, itemBytes, type Namespace, type NamespaceName } from '#host/storage/port.ts'
import type { Case, GivenCredential, GivenSandbox, Stored } from './cases.ts'

/** The live things behind one case's grant; `admitted` are the fields its request asks for. */
export function sourcesOf({ given }: Case, registered: Registered, admitted: readonly string[]): Sources {
  const fields = new Map(Object.entries(given.fields).filter(([name]) => admitted.includes(name)))
  const keys = new Map(Object.entries(given.keys).map(([alias, key]) => [alias, keyOf(key)]))
  const credentials = new Map(
    Object.entries(given.credentials)
      .filter(([, { expires }]) => expires === null || given.now < expires)
      .map(([alias, credential]) => [alias, heldOf(alias, credential)] as const)
      .sort(inByteOrder),
  )
  const reaches = (to: string, type: string): boolean =>
    Object.hasOwn(given.reaches, to) && given.reaches[to]?.includes(type) === true
  return grantFor({
    registered,
    permits: { ...given.permits, store: capOf(given.permits.store) },
    fields,
    connection: namespaceOf('connection/case', given.store),
    handler: namespaceOf(`handler/${registered.name}`, given.handlerStore),
    sandboxes: Object.entries(given.sandboxes).map(sharedOf),
    keys,
    credentials,
    admitted,
    reaches,
  })
}

/** The areas of a sandbox, under the names that a vault gives them. */
function sharedOf([id, { mutual, own, writable, bytesMax }]: [string, GivenSandbox]): SharedSandbox {
  const cap = { categories: [], bytesMax }
  const areas = { own: { namespace: namespaceOf(`sandbox/${id}-creator`, own), writable: true, cap } }
  if (mutual === undefined) return { id, areas }
  return { id, areas: { ...areas, mutual: { namespace: namespaceOf(`sandbox/${id}-mutual`, mutual), writable, cap } } }
}

/** Shows what is proven, and to which nonce: a case can tell, which of a true proof it could not. */
function heldOf(alias: string, { claims, ...metadata }: GivenCredential): HeldCredential {
  return {
    metadata: { alias, ...metadata, claims: Object.keys(claims) },
    prove({ disclose, nonce }) {
      const shown = Object.fromEntries(disclose.map((name) => [name, claims[name]]))
      const proof = { credential: alias, shown, nonce: nonce.toBase64({ alphabet: 'base64url', omitPadding: true }) }
      return Promise.resolve(new TextEncoder().encode(JSON.stringify(proof)))
    },
  }
}

/** What a case writes for a value, as bytes. */
export function bytesOfStored(stored: Stored): Uint8Array {
  if (typeof stored === 'string') return new TextEncoder().encode(stored)
  if ('json' in stored) return new TextEncoder().encode(JSON.stringify(stored.json))
  return Uint8Array.fromBase64(stored.base64url, { alphabet: 'base64url' })
}

/** `true` stands for a contract that lets everything be stored that can be. */
function capOf(store: Case['given']['permits']['store']): Cap | null {
  if (typeof store === 'object') return store
  return store ? { categories: null, bytesMax: CONTRACT_STORAGE_BYTES_MAX } : null
}

function namespaceOf(name: NamespaceName, store: Readonly<Record<string, Stored>>): Namespace {
  const items = new Map(
    Object.entries(store)
      .map(([key, value]) => [key, itemOf(value)] as const)
      .sort(inByteOrder),
  )
  const bytes = [...items].reduce((sum, [key, { value }]) => sum + itemBytes(key, value), 0)
  return {
    name,
    bytes,
    get: (key) => items.get(key),
    scan({ prefix, after, limit }) {
      const found = [...items].filter(([key]) => key.startsWith(prefix) && (after === undefined || key > after))
      const page = found.slice(0, limit)
      const last = page.at(-1)?.[0]
      return found.length > limit && last !== undefined ? { items: page, next: last } : { items: page }
    },
  }
}

function itemOf(stored: Stored): Item {
  const { visibility = 'transparent', category, sensitivity = 'data' } = typeof stored === 'string' ? {} : stored
  const value = bytesOfStored(stored)
  return { value, revision: 1, updatedAt: 0, visibility, sensitivity, category: category ?? undefined }
}

function inByteOrder([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right))
}

function keyOf(key: Case['given']['keys'][string]): Signer {
  if (typeof key === 'string') return signerOf('ed25519', Uint8Array.fromHex(key))
  return signerOf(key.algorithm, Uint8Array.fromHex(key.secret))
}
