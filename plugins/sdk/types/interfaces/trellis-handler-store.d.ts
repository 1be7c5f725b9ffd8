declare module 'trellis:handler/store@0.1.0' {
  /**
   * `connection` is the asker's own namespace; `handler` is this handler's own in this vault, one for all connections.
   */
  export function open(label: string): Namespace
  export type Error = ErrorUnavailable | ErrorConflict | ErrorTooLarge
  /**
   * No such label in the grant, or no right to do this there: the answer does not say which.
   */
  export interface ErrorUnavailable {
    tag: 'unavailable'
  }
  /**
   * The revision is not the one expected: read again and retry.
   */
  export interface ErrorConflict {
    tag: 'conflict'
  }
  /**
   * The key or the value is over the limit, which is given in bytes.
   */
  export interface ErrorTooLarge {
    tag: 'too-large'
    val: number
  }
  export interface Item {
    key: string
    value: Uint8Array
    /**
     * Grows with every write of this key.
     */
    revision: number
  }
  export interface Page {
    items: Array<Item>
    /**
     * Pass it as `after` to read on; none at the end.
     */
    next: string | null
  }

  export class Namespace implements Disposable {
    /**
     * This type does not have a public constructor.
     */
    private constructor()
    get(key: string): Item | null
    /**
     * Compare-and-swap when `expected` is given (0: the key must be absent); else the last write wins.
     */
    put(key: string, value: Uint8Array, expected: number | undefined): void
    delete(key: string): void
    /**
     * Keys that start with `prefix`, in byte order, strictly after `after`; at most `limit`, and at most 256.
     */
    scan(prefix: string, after: string | undefined, limit: number): Page
    [Symbol.dispose](): void
  }
}
