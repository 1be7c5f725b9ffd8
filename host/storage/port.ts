/** What other rooms may know of storage. */

export type Visibility = 'transparent' | 'opaque'
export type Sensitivity = 'data' | 'secret' | 'critical'

/**
 * `personal`, `system`, `audit`, what an owner's devices sign and seal (`directory`, `channels`, `entries`, `versions`,
 * `shares`), `connection/<id>`, `handler/<handler id>` or `sandbox/<id>`.
 */
export type NamespaceName =
  | 'personal'
  | 'system'
  | 'audit'
  | DeviceNamespace
  | `connection/${string}`
  | `handler/${string}`
  | `sandbox/${string}`

/** What an owner's devices sign and seal: their vault can neither make nor read it. */
export const deviceNamespaces = ['directory', 'channels', 'entries', 'versions', 'shares'] as const
export type DeviceNamespace = (typeof deviceNamespaces)[number]

export function isDeviceNamespace(name: NamespaceName): name is DeviceNamespace {
  return deviceNamespaces.some((known) => known === name)
}

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

/** One logical write of a commit. A `null` value deletes; any other is the store's: nobody writes into it again. */
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
  /** What a restored item had, in place of what this write would give it. */
  readonly restored?: Restored | undefined
}

/** Of an item that was written elsewhere: it goes on counting from there. */
export type Restored = Pick<Item, 'revision' | 'updatedAt'>

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
  /** Which KEK the frame is sealed under: one more with each renewal. */
  readonly epoch: number
}

/** What an open vault holds in memory: keys and values, and how many. */
export interface StateSize {
  readonly bytes: number
  readonly items: number
}
/** What a vault takes on disk, in bytes. */
export interface DiskSize {
  /** Its frames that no snapshot covers: an erasure or a snapshot lets them go. */
  readonly journal: number
  readonly snapshot: number
}
/** A receipt that somebody outside remembers: what a vault shows later must not lie behind it. */
export type Anchor = Receipt

/** One open vault's state and its journal. */
export interface VaultStore extends AsyncDisposable {
  readonly vault: string
  /** The last commit that is durable. */
  readonly head: Receipt
  /** Calls of `commit` so far, refused ones included: it tells who prepares rows for a commit that it is over. */
  readonly attempts: number
  /** Of all namespaces together. A running figure: reading it costs nothing. */
  readonly size: StateSize
  /** A running figure, too. */
  readonly disk: DiskSize
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
  /** A new KEK is in use, and the old one is not destroyed yet: a renewal was interrupted. `renew` ends it. */
  readonly renewing: boolean
  /**
   * Writes the whole state sealed, durable when it resolves; what the log held of it is free to go. The store does so
   * by itself as its journal grows.
   *
   * @throws Refusal `storage-failed` when it could not be written: the vault goes on with the snapshot before
   */
  snapshot(): Promise<void>
  /**
   * Moves to a new KEK and has the old one destroyed: what was sealed before opens nowhere, ever again.
   *
   * @throws Refusal `storage-failed`: the vault goes on, `renew` again
   */
  renew(keeper: KekKeeper): Promise<void>
}

/** Holds a vault's KEK at rest. Each step is atomic and durable when it resolves. */
export interface KekKeeper {
  /** Keeps both from now on: the KEK in use and its successor. A successor kept before is forgotten. */
  begin(next: Uint8Array): Promise<void>
  /** Keeps the successor alone: the KEK before is destroyed. */
  finish(): Promise<void>
}

/** The KEKs of one vault as they are kept, 32 bytes each. */
export interface VaultKeys {
  /** Of `kek`; `next` has one more. */
  readonly epoch: number
  readonly kek: Uint8Array
  /** The successor, while a renewal is under way. */
  readonly next?: Uint8Array
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

/** The files of one log in the order of their numbers. All but the newest are never written again. */
export interface Segments extends AsyncDisposable {
  /** Ascending. */
  list(): Promise<readonly number[]>
  /** Opens a segment, or makes an empty one; that it is there is durable when this resolves. */
  open(segment: number): Promise<LogStore>
  /** Removes a closed segment; durable when it resolves. */
  remove(segment: number): Promise<void>
  /** Lets go at once, as a crash would. Stores given out are their taker's to abandon. */
  abandon(): void
}

/** Small files that are replaced whole: snapshots, sealed keys. */
export interface BlobStore {
  read(name: string): Promise<Uint8Array | undefined>
  /**
   * Atomic, and durable when it resolves: a crash before leaves the old bytes or the new ones.
   *
   * @throws Refusal `storage-failed`
   */
  write(name: string, chunks: readonly Uint8Array[]): Promise<void>
}

/** Wraps keys at rest. Its kind comes from itself, never from the blob. */
export interface Sealer {
  readonly kind: 'software' | 'memory' | 'protected'
  /** `context` is bound in: a blob sealed for one vault does not open for another. */
  seal(secret: Uint8Array, context: string): Uint8Array
  /** @throws Refusal `key-missing` when this sealer cannot open the blob */
  open(blob: Uint8Array, context: string): Uint8Array
}
