/**
 * What is inside a frame's seals, as msgpack: flat lists, one after the other.
 *
 * Only our own bytes get here (the AEAD has opened), so what cannot be read is another version's or our bug: an Error.
 */
import { pack, unpack } from '#host/wire/pack.ts'
import {
  deviceNamespaces,
  type Item,
  type NamespaceName,
  type Restored,
  type Sensitivity,
  type Visibility,
} from './port.ts'
import type { Write } from './state.ts'

const visibilities: readonly (Visibility | undefined)[] = [undefined, 'transparent', 'opaque']
const sensitivities: readonly (Sensitivity | undefined)[] = [undefined, 'data', 'secret', 'critical']

/** Something sealed under a namespace's name: its key, or its writes. */
export interface SealedPart {
  readonly namespace: NamespaceName
  readonly sealed: Uint8Array
}

/** One commit's writes to one namespace. */
export interface TimedWrites {
  /** Milliseconds since the epoch: when the keys were last written. */
  readonly now: number
  readonly writes: readonly Write[]
}

const HAS_CATEGORY = 16
const HAS_AUTHOR = 32
const IS_RESTORED = 64

/**
 * `[now, writes, …]`, writes as `[key, value | null, metadata, …]`; metadata = 4 × visibility + sensitivity, 0 for what
 * stays as it is, 16 more when the category (`null`: none) follows, 32 more when then the author does, and 64
 * more when then revision and time of a restored item do.
 */
export function encodeWrites(stretches: readonly TimedWrites[]): Uint8Array {
  return pack(stretches.flatMap(({ now, writes }) => [now, flatWrites(writes)]))
}

export function decodeWrites(bytes: Uint8Array): TimedWrites[] {
  const flat = listOf(unpack(bytes))
  const stretches: TimedWrites[] = []
  for (let at = 0; at < flat.length; at += 2) {
    const [now, writes] = flat.slice(at, at + 2)
    if (typeof now !== 'number') throw unreadable()
    stretches.push({ now, writes: unflatWrites(listOf(writes)) })
  }
  return stretches
}

function flatWrites(writes: readonly Write[]): unknown[] {
  const flat: unknown[] = []
  for (const { key, value, visibility, sensitivity, category, author, restored } of writes) {
    const attributes = 4 * visibilities.indexOf(visibility) + sensitivities.indexOf(sensitivity)
    const named = (category === undefined ? 0 : HAS_CATEGORY) + (author === undefined ? 0 : HAS_AUTHOR)
    flat.push(key, value, attributes + named + (restored === undefined ? 0 : IS_RESTORED))
    if (category !== undefined) flat.push(category)
    if (author !== undefined) flat.push(author)
    if (restored !== undefined) flat.push(restored.revision, restored.updatedAt)
  }
  return flat
}

function unflatWrites(flat: readonly unknown[]): Write[] {
  const writes: Write[] = []
  for (let at = 0; at < flat.length;) {
    const [key, value, metadata] = flat.slice(at, at + 3)
    at += 3
    if (typeof key !== 'string' || typeof metadata !== 'number') throw unreadable()
    if (value !== null && !(value instanceof Uint8Array)) throw unreadable()
    const category = metadata & HAS_CATEGORY ? flat[at++] : undefined
    const author = metadata & HAS_AUTHOR ? flat[at++] : undefined
    if (category !== undefined && category !== null && typeof category !== 'string') throw unreadable()
    if (author !== undefined && typeof author !== 'string') throw unreadable()
    const restored = metadata & IS_RESTORED ? restoredOf(flat[at++], flat[at++]) : undefined
    const visibility = visibilities[(metadata >> 2) & 3]
    writes.push({ key, value, visibility, sensitivity: sensitivities[metadata & 3], category, author, restored })
  }
  return writes
}

function restoredOf(revision: unknown, updatedAt: unknown): Restored {
  if (typeof revision !== 'number' || typeof updatedAt !== 'number') throw unreadable()
  return { revision, updatedAt }
}

/** What a frame holds when its outer seal is open. */
export interface Body {
  readonly commits: number
  readonly keyring: readonly SealedPart[]
  readonly groups: readonly SealedPart[]
  /** The state format from here on, where it changes. */
  readonly format?: number | undefined
}

/** `[commits, keyring, groups]`, the last two as `[name, sealed, …]`; a format follows where it changes. */
export function encodeBody({ commits, keyring, groups, format }: Body): Uint8Array {
  return pack([commits, flatParts(keyring), flatParts(groups), ...(format === undefined ? [] : [format])])
}

export function decodeBody(bytes: Uint8Array): Body {
  const [commits, keyring, groups, format] = listOf(unpack(bytes))
  if (typeof commits !== 'number' || !(commits >= 1)) throw unreadable()
  if (format !== undefined && typeof format !== 'number') throw unreadable()
  return { commits, keyring: decodeParts(keyring), groups: decodeParts(groups), format }
}

/** Items as they are: `[key, value, revision, updated at, metadata, category | null, author | null, …]`. */
export function encodeItems(items: readonly (readonly [key: string, item: Item])[]): Uint8Array {
  const flat: unknown[] = []
  for (const [key, { value, revision, updatedAt, visibility, sensitivity, category, author }] of items) {
    const metadata = 4 * visibilities.indexOf(visibility) + sensitivities.indexOf(sensitivity)
    flat.push(key, value, revision, updatedAt, metadata, category ?? null, author ?? null)
  }
  return pack(flat)
}

export function* decodeItems(bytes: Uint8Array): Generator<readonly [key: string, item: Item]> {
  const flat = listOf(unpack(bytes))
  for (let at = 0; at < flat.length; at += 7) {
    const [key, value, revision, updatedAt, metadata, category, author] = flat.slice(at, at + 7)
    if (typeof key !== 'string' || !(value instanceof Uint8Array) || typeof metadata !== 'number') throw unreadable()
    if (typeof revision !== 'number' || typeof updatedAt !== 'number') throw unreadable()
    if (category !== null && typeof category !== 'string') throw unreadable()
    if (author !== null && typeof author !== 'string') throw unreadable()
    const visibility = visibilities[metadata >> 2]
    const sensitivity = sensitivities[metadata & 3]
    if (visibility === undefined || sensitivity === undefined) throw unreadable()
    const named = { category: category ?? undefined, author: author ?? undefined }
    yield [key, { value, revision, updatedAt, visibility, sensitivity, ...named }]
  }
}

function flatParts(parts: readonly SealedPart[]): (string | Uint8Array)[] {
  return parts.flatMap(({ namespace, sealed }) => [namespace, sealed])
}

function decodeParts(value: unknown): SealedPart[] {
  const flat = listOf(value)
  const parts: SealedPart[] = []
  for (let at = 0; at < flat.length; at += 2) {
    const [name, sealed] = flat.slice(at, at + 2)
    if (typeof name !== 'string' || !isNamespaceName(name) || !(sealed instanceof Uint8Array)) throw unreadable()
    parts.push({ namespace: name, sealed })
  }
  return parts
}

const single = ['personal', 'system', 'audit', ...deviceNamespaces].join('|')
const namespacePattern = new RegExp(`^(?:${single}|(?:connection|handler|sandbox)/[a-z0-9_-]{1,64})$`)

/** One of a fixed name, or `connection/`, `handler/` or `sandbox/` with an id of 1 to 64 of a-z 0-9 _ -. */
export function isNamespaceName(name: string): name is NamespaceName {
  return namespacePattern.test(name)
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw unreadable()
  return value
}

function unreadable(): Error {
  return new Error('a sealed frame holds what this version cannot read: it may be from a newer one')
}
