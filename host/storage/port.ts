/** What other rooms may know of storage. */

export type Visibility = 'transparent' | 'opaque'
export type Sensitivity = 'data' | 'secret' | 'critical'

/** `personal`, `system`, `audit`, `connection/<id>`, `handler/<handler id>` or `sandbox/<id>`. */
export type NamespaceName =
  | 'personal'
  | 'system'
  | 'audit'
  | `connection/${string}`
  | `handler/${string}`
  | `sandbox/${string}`

export interface Item {
  readonly value: Uint8Array
  /** 1 for the first write of a key, then one more with each write. */
  readonly revision: number
  /** Milliseconds since the epoch. */
  readonly updatedAt: number
  readonly visibility: Visibility
  readonly sensitivity: Sensitivity
  /** What kind of thing it is, in the words of a contract. */
  readonly category?: string | undefined
  /** Who wrote it last: `connection/<id>`, `device/<id>` or `handler/<id>`. */
  readonly author?: string | undefined
}

/** What an item counts for in its namespace's figure. */
export function itemBytes(key: string, value: Uint8Array): number {
  return Buffer.byteLength(key) + value.length
}

export interface Page {
  readonly items: readonly (readonly [key: string, item: Item])[]
  /** Pass as `after` to read on; absent at the end. */
  readonly next?: string
}

/** One namespace, read only. Holding it is the permission; it cannot name another. */
export interface Namespace {
  readonly name: NamespaceName
  /** Keys and values together. A running figure: reading it costs nothing. */
  readonly bytes: number
  get(key: string): Item | undefined
  /** Keys that start with `prefix`, in byte order, strictly after `after`; at most `limit`. */
  scan(options: { prefix: string; after?: string; limit: number }): Page
}

/** One logical write of a commit. A `null` value deletes. */
export interface Change {
  readonly namespace: NamespaceName
  readonly key: string
  readonly value: Uint8Array | null
  readonly visibility?: Visibility
  readonly sensitivity?: Sensitivity
  /** `null` takes it away. */
  readonly category?: string | null | undefined
  /** Who writes; left out, nobody is named. */
  readonly author?: string | undefined
}

/** A revision the writer relied on: 0 means the key was absent. */
export interface Expectation {
  readonly namespace: NamespaceName
  readonly key: string
  readonly revision: number
}

/** Proof of a commit and of all before it: a place in the vault's chain. */
export interface Receipt {
  /** The last commit of the frame, which may hold some made at the same time. */
  readonly sequence: number
  /** 32 bytes: SHA-256 over the previous chain value and the frame. */
  readonly chain: Uint8Array
}

/** One open vault's state and its journal. */
export interface VaultStore extends AsyncDisposable {
  readonly vault: string
  /** The last commit that is durable. */
  readonly head: Receipt
  /** Calls of `commit` so far, refused ones included: it tells who prepares rows for a commit that it is over. */
  readonly attempts: number
  /** An empty namespace and one that does not exist look the same. */
  namespace(name: NamespaceName): Namespace
  /** Names that hold at least one key, sorted. */
  namespaces(): readonly NamespaceName[]
  /**
   * All of it or none: checks `expected`, applies to memory at once, resolves when the frame that holds it is
   * durable.
   *
   * @throws Refusal `conflict` (synchronously applied to nothing) when an expectation fails; `too-large` for a key,
   *   value or commit over its limit; `malformed` for a key that is empty or no well-formed text, or a namespace of no
   *   known form; `storage-failed` when the log could not be written: the log is then closed for good
   */
  commit(changes: readonly Change[], options: { now: number; expected?: readonly Expectation[] }): Promise<Receipt>
}

/** An append-only log of bytes: a local file today. Operations run one at a time, in the order called. */
export interface LogStore extends AsyncDisposable {
  /** Bytes that are durable. */
  readonly size: number
  /** Resolves when every byte is durable (fdatasync). Any failure is final: later calls reject, `storage-failed`. */
  append(chunks: readonly Uint8Array[]): Promise<void>
  /** Durable bytes from `from` up to `to`, all of them when no range is given. */
  read(range?: { readonly from: number; readonly to: number }): Promise<Uint8Array>
  /** Cuts a torn tail; durable when it resolves. */
  truncate(size: number): Promise<void>
  /** Lets go at once, as a crash would: nothing is flushed, pending appends reject. */
  abandon(): void
}

/** Wraps keys at rest. Its kind comes from itself, never from the blob. */
export interface Sealer {
  readonly kind: 'software' | 'memory'
  /** `context` is bound in: a blob sealed for one vault does not open for another. */
  seal(secret: Uint8Array, context: string): Uint8Array
  /** @throws Refusal `key-missing` when this sealer cannot open the blob */
  open(blob: Uint8Array, context: string): Uint8Array
}
