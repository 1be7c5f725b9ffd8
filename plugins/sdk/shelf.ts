/** JSON under the keys of the handler's own namespace. */
import { type Namespace, open } from 'trellis:handler/store@0.1.0'

import { parseJson } from './json.ts'
import { payloadOf, refuse } from './refuse.ts'
import { encodeUtf8 } from './utf8.ts'

export interface Shelf {
  /** `undefined` when nothing is there. */
  readonly read: (key: string) => unknown
  readonly write: (key: string, value: unknown) => void
  /** Works with the namespace itself; without room for a write the event is refused with `code`, to be tried again. */
  readonly attempt: <T>(use: (space: Namespace) => T) => T
}

export function openShelf(full: { readonly code: string; readonly message: string }): Shelf {
  function attempt<T>(use: (space: Namespace) => T): T {
    try {
      return use(open('handler'))
    } catch (error) {
      const payload = payloadOf(error)
      if (typeof payload !== 'object' || payload === null || !('tag' in payload) || payload.tag !== 'full') throw error
      return refuse(full.code, full.message, { retry: true })
    }
  }
  return {
    attempt,
    read(key) {
      const item = attempt((space) => space.get(key))
      return item === null ? undefined : parseJson(item.value)
    },
    write(key, value) {
      attempt((space) => space.put(key, encodeUtf8(JSON.stringify(value)), undefined, undefined))
    },
  }
}
