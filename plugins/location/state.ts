/** What is remembered: with whom the owner shares, and the last that each peer told. */
import { type Namespace, open } from 'trellis:handler/store@0.1.0'

import { payloadOf, refuse } from '../sdk/refuse.ts'
import { decodeUtf8, encodeUtf8 } from '../sdk/utf8.ts'
import type { Position } from './position.ts'

/** What the owner allowed one peer. */
interface Terms {
  /** Decimals of a degree. */
  readonly precision: number
  /** Milliseconds since the epoch. */
  readonly until: number
}

export type Update =
  | (Required<Position> & { readonly state: 'on'; readonly until: number })
  | { readonly state: 'off'; readonly at: number }

const LAST = 'last'
/** What the contract must list. */
const kept = { visibility: 'transparent', category: 'location', sensitivity: null } as const

export function shared(to: string): Terms | null {
  return read(open('handler'), shareKey(to)) as Terms | null
}

export function remember(to: string, terms: Terms): void {
  open('handler').put(shareKey(to), encodeUtf8(JSON.stringify(terms)), undefined, undefined)
}

export function forget(to: string): void {
  open('handler').delete(shareKey(to))
}

export function last(): Update | null {
  return attempt(() => read(open('connection'), LAST)) as Update | null
}

/** In the place of what was there: no track is kept. That sharing stopped stays, against an older word that is late. */
export function keepLast(update: Update): void {
  attempt(() => open('connection').put(LAST, encodeUtf8(JSON.stringify(update)), undefined, kept))
}

function read(space: Namespace, key: string): unknown {
  const item = space.get(key)
  return item === null ? null : (JSON.parse(decodeUtf8(item.value)) as unknown)
}

function shareKey(to: string): string {
  return `share/${to}`
}

function attempt<T>(use: () => T): T {
  try {
    return use()
  } catch (error) {
    if (payloadOf(error) === undefined) throw error
    return refuse('not-kept', 'positions of this connection are not kept here')
  }
}
