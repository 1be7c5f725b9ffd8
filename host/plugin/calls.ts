/** The closed table of host calls that leave a cell, and how they lie in shared memory. */
import { unreachable } from '#host/errors.ts'
import { CREDENTIAL_CLAIMS_MAX, NONCE_BYTES_MAX, NONCE_BYTES_MIN } from '#host/limits.ts'

import type { FrameReader, FrameWriter } from './frame.ts'

export type Call =
  | { readonly op: 'get'; readonly label: string; readonly key: string }
  | ScanCall
  | { readonly op: 'sign'; readonly alias: string; readonly message: Uint8Array }
  | ProveCall
  /** Whether an event of this type may be sent to the connection of this alias: no bytes, or `unavailable`. */
  | { readonly op: 'reach'; readonly alias: string; readonly type: string }

export interface ScanCall {
  readonly op: 'scan'
  readonly label: string
  readonly prefix: string
  readonly after: string | undefined
  readonly limit: number
}

export interface ProveCall {
  readonly op: 'prove'
  readonly alias: string
  readonly disclose: readonly string[]
  readonly nonce: Uint8Array
}

/** One key as it stands in the vault. */
export interface StoredItem {
  readonly key: string
  readonly value: Uint8Array
  readonly revision: number
  readonly visibility: 'transparent' | 'opaque'
  readonly category: string | undefined
}

/** An item as it leaves the vault. */
export function storedItem(
  key: string,
  item: Omit<StoredItem, 'key' | 'category'> & { readonly category?: string | undefined },
): StoredItem {
  const { value, revision, visibility, category } = item
  return { key, value, revision, visibility, category }
}

/** A value the handler is likely to read, or that it is absent: an answer to the `get` that has not been asked. */
export interface Carried {
  readonly label: string
  readonly key: string
  readonly item: StoredItem | undefined
}

/** A key some event asked for, and the revision it was told. */
export interface KeyRead {
  readonly label: string
  readonly key: string
  readonly revision: number
}

export type Answer =
  /** Not in the grant, or not there: the answer does not say which. */
  | { readonly kind: 'unavailable' }
  /** The event is over its limit of calls or keys: the cell ends it. */
  | { readonly kind: 'over' }
  /** The key does not sign a message of this size. */
  | { readonly kind: 'message-size' }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** No item: the key is absent from a granted namespace. */
  | { readonly kind: 'item'; readonly item: StoredItem | undefined }
  | { readonly kind: 'page'; readonly items: readonly StoredItem[]; readonly next: string | undefined }

const ops = ['get', 'scan', 'sign', 'prove', 'reach'] as const satisfies readonly Call['op'][]
const kinds = [
  'unavailable',
  'over',
  'bytes',
  'item',
  'page',
  'message-size',
] as const satisfies readonly Answer['kind'][]

export function encodeCall(call: Call, into: FrameWriter): void {
  into.u8(ops.indexOf(call.op))
  switch (call.op) {
    case 'get':
      into.text(call.label)
      return into.text(call.key)
    case 'scan':
      into.text(call.label)
      into.text(call.prefix)
      into.u32(call.limit)
      return encodeOptional(call.after, into)
    case 'sign':
      into.text(call.alias)
      return into.bytes(call.message)
    case 'prove':
      into.text(call.alias)
      into.u32(call.disclose.length)
      for (const name of call.disclose) into.text(name)
      return into.bytes(call.nonce)
    case 'reach':
      into.text(call.alias)
      return into.text(call.type)
    default:
      return unreachable(call)
  }
}

/** @throws RangeError when the frame is no call */
export function decodeCall(from: FrameReader): Call {
  const op = ops[from.u8()]
  switch (op) {
    case 'get':
      return { op, label: from.text(), key: from.text() }
    case 'scan':
      return { op, label: from.text(), prefix: from.text(), limit: from.u32(), after: decodeOptional(from) }
    case 'sign':
      return { op, alias: from.text(), message: from.bytes() }
    case 'prove': {
      const alias = from.text()
      const disclose = Array.from({ length: namesIn(from) }, () => from.text())
      return { op, alias, disclose, nonce: nonceIn(from) }
    }
    case 'reach':
      return { op, alias: from.text(), type: from.text() }
    case undefined:
      throw new RangeError('no such host call')
    default:
      return unreachable(op)
  }
}

/** The names that follow. @throws RangeError when they are more than a credential has claims */
function namesIn(from: FrameReader): number {
  const count = from.u32()
  if (count > CREDENTIAL_CLAIMS_MAX) throw new RangeError('names more claims than a credential has')
  return count
}

/** @throws RangeError when it is nothing to bind a proof to: the cell that is as it should be asks for no such proof */
function nonceIn(from: FrameReader): Uint8Array {
  const nonce = from.bytes()
  if (nonce.length < NONCE_BYTES_MIN || nonce.length > NONCE_BYTES_MAX) throw new RangeError('a nonce out of bounds')
  return nonce
}

export function encodeAnswer(answer: Answer, into: FrameWriter): void {
  into.u8(kinds.indexOf(answer.kind))
  switch (answer.kind) {
    case 'unavailable':
    case 'over':
    case 'message-size':
      return
    case 'bytes':
      return into.bytes(answer.bytes)
    case 'item':
      into.u8(answer.item === undefined ? 0 : 1)
      if (answer.item !== undefined) encodeItem(answer.item, into)
      return
    case 'page':
      into.u32(answer.items.length)
      for (const item of answer.items) encodeItem(item, into)
      return encodeOptional(answer.next, into)
    default:
      return unreachable(answer)
  }
}

/** @throws RangeError when the frame is no answer */
export function decodeAnswer(from: FrameReader): Answer {
  const kind = kinds[from.u8()]
  switch (kind) {
    case 'unavailable':
    case 'over':
    case 'message-size':
      return { kind }
    case 'bytes':
      return { kind, bytes: from.bytes() }
    case 'item':
      return { kind, item: from.u8() === 0 ? undefined : decodeItem(from) }
    case 'page': {
      const items = Array.from({ length: from.u32() }, () => decodeItem(from))
      return { kind, items, next: decodeOptional(from) }
    }
    case undefined:
      throw new RangeError('no such answer')
    default:
      return unreachable(kind)
  }
}

/** Bytes an item takes in an answer, beyond its key, value and category. */
export const ITEM_OVERHEAD_BYTES = 24

export function encodeItem(item: StoredItem, into: FrameWriter): void {
  into.text(item.key)
  into.bytes(item.value)
  into.u53(item.revision)
  into.u8(item.visibility === 'opaque' ? 1 : 0)
  encodeOptional(item.category, into)
}

/** @throws RangeError when the frame is no item */
export function decodeItem(from: FrameReader): StoredItem {
  const [key, value, revision] = [from.text(), from.bytes(), from.u53()]
  const visibility = from.u8() === 1 ? 'opaque' : 'transparent'
  return { key, value, revision, visibility, category: decodeOptional(from) }
}

function encodeOptional(value: string | undefined, into: FrameWriter): void {
  into.u8(value === undefined ? 0 : 1)
  if (value !== undefined) into.text(value)
}

function decodeOptional(from: FrameReader): string | undefined {
  return from.u8() === 0 ? undefined : from.text()
}
