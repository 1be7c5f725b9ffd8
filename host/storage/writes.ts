/**
 * What is inside a frame's seals, as msgpack: flat lists, one after the other.
 *
 * Only our own bytes get here (the AEAD has opened), so what cannot be read is another version's or our bug: an Error.
 */
import { pack, unpack } from '#host/wire/pack.ts'
import type { NamespaceName, Sensitivity, Visibility } from './port.ts'
import type { Write } from './state.ts'

const visibilities: readonly (Visibility | undefined)[] = [undefined, 'transparent', 'opaque']
const sensitivities: readonly (Sensitivity | undefined)[] = [undefined, 'data', 'secret', 'critical']

/** Something sealed under a namespace's name: its key, or its writes. */
export interface SealedPart {
  readonly namespace: NamespaceName
  readonly sealed: Uint8Array
}

/** `[key, value | null, metadata, …]`; metadata = 4 × visibility + sensitivity, 0 for what stays as it is. */
export function encodeWrites(writes: readonly Write[]): Uint8Array {
  const flat: (string | Uint8Array | number | null)[] = []
  for (const { key, value, visibility, sensitivity } of writes) {
    flat.push(key, value, 4 * visibilities.indexOf(visibility) + sensitivities.indexOf(sensitivity))
  }
  return pack(flat)
}

export function decodeWrites(bytes: Uint8Array): Write[] {
  const flat = listOf(unpack(bytes))
  const writes: Write[] = []
  for (let at = 0; at < flat.length; at += 3) {
    const [key, value, metadata] = flat.slice(at, at + 3)
    if (typeof key !== 'string' || typeof metadata !== 'number') throw unreadable()
    if (value !== null && !(value instanceof Uint8Array)) throw unreadable()
    writes.push({ key, value, visibility: visibilities[metadata >> 2], sensitivity: sensitivities[metadata & 3] })
  }
  return writes
}

/** `[now, keyring, groups]`, the last two as `[name, sealed, …]`. */
export function encodeBody(body: {
  now: number
  keyring: readonly SealedPart[]
  groups: readonly SealedPart[]
}): Uint8Array {
  return pack([body.now, flatParts(body.keyring), flatParts(body.groups)])
}

export function decodeBody(bytes: Uint8Array): { now: number; keyring: SealedPart[]; groups: SealedPart[] } {
  const [now, keyring, groups] = listOf(unpack(bytes))
  if (typeof now !== 'number') throw unreadable()
  return { now, keyring: decodeParts(keyring), groups: decodeParts(groups) }
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
