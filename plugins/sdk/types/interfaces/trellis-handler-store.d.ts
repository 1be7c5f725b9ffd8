declare module 'trellis:handler/store@0.1.0' {
  /**
   * `connection` is the asker's own namespace; `handler` is this handler's own in this vault, one for all connections.
   * `sandbox/<id>/mutual` and `sandbox/<id>/own` are areas of a sandbox that the asker shares and this vault hosts.
   */
  export function open(label: string): Namespace
  export type Error = ErrorUnavailable | ErrorConflict | ErrorTooLarge | ErrorWrongCategory | ErrorFull
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
  /**
   * Nothing of this category may be kept here: the contract does not list it, or it is no name.
   */
  export interface ErrorWrongCategory {
    tag: 'wrong-category'
  }
  /**
   * The bytes that the contract allows are used up: so many are left.
   */
  export interface ErrorFull {
    tag: 'full'
    val: number
  }
  /**
   * Whether the owner may see the value, or only that it is there.
   * # Variants
   *
   * ## `"transparent"`
   *
   * ## `"opaque"`
   */
  export type Visibility = 'transparent' | 'opaque'
  /**
   * What it takes to see or use a value: a `secret` is never shown to the owner's devices, and what is `critical` needs
   * the owner's second factor.
   * # Variants
   *
   * ## `"data"`
   *
   * ## `"secret"`
   *
   * ## `"critical"`
   */
  export type Sensitivity = 'data' | 'secret' | 'critical'
  export interface Attributes {
    visibility: Visibility
    /**
     * What kind of thing it is: one of those the contract lists; none for the handler's own book-keeping.
     */
    category: string | null
    /**
     * At least this much: what the key has, its category demands or the owner said stays when that is stricter.
     */
    sensitivity: Sensitivity | null
  }
  export interface Item {
    key: string
    value: Uint8Array
    /**
     * Grows with every write of this key.
     */
    revision: number
    visibility: Visibility
    category: string | null
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
     * Compare-and-swap when `expected` is given (0: the key must be absent); else the last write wins. Without
     * `attributes` a key keeps those it has, and a new one is transparent and of no category.
     */
    put(key: string, value: Uint8Array, expected: number | undefined, attributes: Attributes | undefined): void
    delete(key: string): void
    /**
     * Keys that start with `prefix`, in byte order, strictly after `after`; at most `limit`, and at most 256.
     */
    scan(prefix: string, after: string | undefined, limit: number): Page
    [Symbol.dispose](): void
  }
}
