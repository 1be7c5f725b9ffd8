/** What a client needs of its surroundings. A `Bus` of the host is a transport; so is one over a WebSocket. */
import type { Suite } from '#host/crypto/port.ts'

export interface Transport {
  publish(subject: string, data: Uint8Array, options?: { durable?: boolean }): Promise<void>
  subscribe(
    pattern: string,
    receive: (message: { readonly subject: string; readonly data: Uint8Array }) => void,
  ): Promise<{ drain(): Promise<void> }>
}

/** Where a client keeps its conversation: sealed, and durable when `put` resolves. */
export interface ClientStore {
  get(key: string): Uint8Array | undefined
  /** Values of all keys that start so, in the order of the keys. */
  under(prefix: string): readonly Uint8Array[]
  /** All of it or none; `null` deletes. */
  put(changes: ReadonlyMap<string, Uint8Array | null>): Promise<void>
}

/** Cryptography, time and randomness, given by whoever starts the client. */
export interface Surroundings {
  /** `native.ts` in Node, `portable.ts` in a browser. */
  readonly crypto: Suite
  readonly now: () => number
  readonly random: (length: number) => Uint8Array
}

/** A store that forgets with the process: for a device that pairs anew, and for tests. `items` is what is in it. */
export function forgetfulStore(items: Map<string, Uint8Array> = new Map()): ClientStore {
  return {
    get: (key) => items.get(key),
    under: (prefix) =>
      [...items.keys()]
        .filter((key) => key.startsWith(prefix))
        .sort()
        .flatMap((key) => items.get(key) ?? []),
    put(changes) {
      for (const [key, value] of changes) {
        if (value) items.set(key, value)
        else items.delete(key)
      }
      return Promise.resolve()
    },
  }
}
