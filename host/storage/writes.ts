/**
 * What is inside a frame's seals, as msgpack: flat lists, one after the other.
 *
 * Only our own bytes get here (the AEAD has opened), so what cannot be read is another version's or our bug: an Error.
 */
import { pack, unpack } from '#host/wire/pack.ts'
import type { PackWriter } from './pack-writer.ts'
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
export function encodeWrites(writer: PackWriter, stretches: readonly TimedWrites[]): Uint8Array {
  writer.list(2 * stretches.length)
  for (const { now, writes } of stretches) {
    writer.number(now)
    let length = 0
    for (const { category, author, restored } of writes) {
      length += 3 + (category === undefined ? 0 : 1) + (author === undefined ? 0 : 1) + (restored ? 2 : 0)
    }
    writer.list(length)
    for (const write of writes) encodeWrite(writer, write)
  }
  return writer.take()
}

function encodeWrite(writer: PackWriter, write: Write): void {
  const { key, value, visibility, sensitivity, category, author, restored } = write
  const attributes = 4 * visibilities.indexOf(visibility) + sensitivities.indexOf(sensitivity)
  const named = (category === undefined ? 0 : HAS_CATEGORY) + (author === undefined ? 0 : HAS_AUTHOR)
  writer.text(key)
  if (value === null) writer.none()
  else writer.bytes(value)
  writer.number(attributes + named + (restored === undefined ? 0 : IS_RESTORED))
  if (category === null) writer.none()
  else if (category !== undefined) writer.text(category)
  if (author !== undefined) writer.text(author)
  if (restored === undefined) return
  writer.number(restored.revision)
  writer.number(restored.updatedAt)
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

/** What is sealed in parts: ciphertext and tag. */
export interface SealedGroup {
  readonly namespace: NamespaceName
  readonly parts: readonly Uint8Array[]
}

/**
 * `[commits, keyring, groups]`, the last two as `[name, sealed, …]`; a format follows where it changes. In parts, among
 * which are those of the groups.
 */
export function encodeBody(
  writer: PackWriter,
  { commits, keyring, groups, format }: Omit<Body, 'groups'> & { readonly groups: readonly SealedGroup[] },
): readonly Uint8Array[] {
  const body: Uint8Array[] = []
  writer.list(format === undefined ? 3 : 4)
  writer.number(commits)
  writer.list(2 * keyring.length)
  for (const { namespace, sealed } of keyring) {
    writer.text(namespace)
    writer.bytes(sealed)
  }
  writer.list(2 * groups.length)
  for (const { namespace, parts } of groups) {
    writer.text(namespace)
    writer.bytesHead(parts.reduce((sum, { length }) => sum + length, 0))
    body.push(writer.take(), ...parts)
  }
  if (format !== undefined) writer.number(format)
  body.push(writer.take())
  return body
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
