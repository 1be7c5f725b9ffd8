/**
 * What is inside a frame's seals, as msgpack: flat lists, one after the other.
 *
 * Only our own bytes get here (the AEAD has opened), so what cannot be read is another version's or our bug: an Error.
 */
import { pack, unpack } from '#host/wire/pack.ts'
import type { Item, NamespaceName, Sensitivity, Visibility } from './port.ts'
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

/**
 * `[now, writes, …]`, writes as `[key, value | null, metadata, …]`; metadata = 4 × visibility + sensitivity, 0 for what
 * stays as it is, and 16 more when the category (`null`: none) follows.
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
  for (const { key, value, visibility, sensitivity, category } of writes) {
    const metadata = 4 * visibilities.indexOf(visibility) + sensitivities.indexOf(sensitivity)
    if (category === undefined) flat.push(key, value, metadata)
    else flat.push(key, value, metadata + HAS_CATEGORY, category)
  }
  return flat
}

function unflatWrites(flat: readonly unknown[]): Write[] {
  const writes: Write[] = []
  for (let at = 0; at < flat.length; at += 3) {
    const [key, value, metadata, next] = flat.slice(at, at + 4)
    if (typeof key !== 'string' || typeof metadata !== 'number') throw unreadable()
    if (value !== null && !(value instanceof Uint8Array)) throw unreadable()
    const category = metadata < HAS_CATEGORY ? undefined : next
    if (category !== undefined && category !== null && typeof category !== 'string') throw unreadable()
    if (metadata >= HAS_CATEGORY) at += 1
    const visibility = visibilities[(metadata >> 2) & 3]
    writes.push({ key, value, visibility, sensitivity: sensitivities[metadata & 3], category })
  }
  return writes
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

/** Items as they are: `[key, value, revision, updated at, metadata, category | null, …]`. */
export function encodeItems(items: readonly (readonly [key: string, item: Item])[]): Uint8Array {
  const flat: unknown[] = []
  for (const [key, { value, revision, updatedAt, visibility, sensitivity, category }] of items) {
    const metadata = 4 * visibilities.indexOf(visibility) + sensitivities.indexOf(sensitivity)
    flat.push(key, value, revision, updatedAt, metadata, category ?? null)
  }
  return pack(flat)
}

export function* decodeItems(bytes: Uint8Array): Generator<readonly [key: string, item: Item]> {
  const flat = listOf(unpack(bytes))
  for (let at = 0; at < flat.length; at += 6) {
    const [key, value, revision, updatedAt, metadata, category] = flat.slice(at, at + 6)
    if (typeof key !== 'string' || !(value instanceof Uint8Array) || typeof metadata !== 'number') throw unreadable()
    if (typeof revision !== 'number' || typeof updatedAt !== 'number') throw unreadable()
    if (category !== null && typeof category !== 'string') throw unreadable()
    const visibility = visibilities[metadata >> 2]
    const sensitivity = sensitivities[metadata & 3]
    if (visibility === undefined || sensitivity === undefined) throw unreadable()
    yield [key, { value, revision, updatedAt, visibility, sensitivity, category: category ?? undefined }]
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

/** `personal`, `system`, `audit`, or `connection/`, `handler/` or `sandbox/` with an id of 1 to 64 of a-z 0-9 _ -. */
export function isNamespaceName(name: string): name is NamespaceName {
  return /^(?:personal|system|audit|(?:connection|handler|sandbox)\/[a-z0-9_-]{1,64})$/.test(name)
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw unreadable()
  return value
}

function unreadable(): Error {
  return new Error('a sealed frame holds what this version cannot read: it may be from a newer one')
}
