/** A vault's store: state in memory, each commit a part of one frame of the journal. */
import type { KeyObject } from 'node:crypto'

import { Refusal } from '#host/errors.ts'
import { FRAME_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX } from '#host/limits.ts'
import type { Lane } from './group.ts'
import { frameBound, type Journal, type Stretch } from './journal.ts'
import { KEY_BYTES, wrapKey } from './keys.ts'
import { SNAPSHOT_JOURNAL_BYTES_MIN, SNAPSHOT_JOURNAL_PARTS } from './limits.ts'
import type {
  BlobStore,
  Change,
  DiskSize,
  Expectation,
  KekKeeper,
  Namespace,
  NamespaceName,
  Receipt,
  StateSize,
  VaultStore,
} from './port.ts'
import { sealSnapshot } from './snapshot.ts'
import type { State, Write } from './state.ts'
import { isNamespaceName } from './writes.ts'

/** Where the snapshots of this vault go. */
export interface Snapshots {
  readonly store: BlobStore
  /** Names the vault, and its snapshot in hex. */
  readonly tag: Uint8Array
  /** Of the snapshot that there is; 0 for none. */
  readonly bytes: number
}

interface StoreParts {
  readonly vault: string
  readonly lane: Lane
  readonly journal: Journal
  readonly state: State
  readonly snapshots: Snapshots | undefined
  readonly random: (length: number) => Uint8Array
  readonly renewing: boolean
}

/** Commits that wait for the log to take their frame. */
interface Gathering {
  commits: number
  readonly stretches: Stretch[]
  bytes: number
  readonly written: PromiseWithResolvers<Receipt>
}

/**
 * Memory is ahead of the disk while a commit is under way: what depends on it leaves the process only after the commit
 * resolves. After `storage-failed` memory may hold what the disk does not: drop the store and open it from a new log.
 */
export class JournaledStore implements VaultStore {
  readonly vault: string
  readonly #lane: Lane
  readonly #journal: Journal
  readonly #state: State
  readonly #snapshots: Snapshots | undefined
  readonly #random: (length: number) => Uint8Array
  #attempts = 0
  #head: Receipt
  #gathering: Gathering | undefined
  /** Gatherings that are applied to memory and not sealed yet: none, and memory is what the journal's head says. */
  #unsealed = 0
  #level: PromiseWithResolvers<void> | undefined
  #last: Promise<unknown> = Promise.resolve()
  #keeping: Promise<unknown> = Promise.resolve()
  #isKeeping = false
  /** Of frames since the last snapshot was begun. */
  #journalBytes: number
  #disk: DiskSize
  #dueBytes: number
  #renewing: boolean
  #closed = false

  constructor(parts: StoreParts) {
    this.vault = parts.vault
    this.#lane = parts.lane
    this.#journal = parts.journal
    this.#state = parts.state
    this.#snapshots = parts.snapshots
    this.#random = parts.random
    this.#head = parts.journal.head
    this.#journalBytes = parts.lane.bytes
    this.#disk = { journal: parts.lane.bytes, snapshot: parts.snapshots?.bytes ?? 0 }
    this.#dueBytes = dueAfter(this.#disk.snapshot)
    this.#renewing = parts.renewing
  }

  get head(): Receipt {
    return this.#head
  }

  get renewing(): boolean {
    return this.#renewing
  }

  get attempts(): number {
    return this.#attempts
  }

  get size(): StateSize {
    return this.#state.size
  }

  get disk(): DiskSize {
    return this.#disk
  }

  namespace(name: NamespaceName): Namespace {
    return this.#state.handle(name)
  }

  namespaces(): readonly NamespaceName[] {
    return this.#state.names()
  }

  commit(
    changes: readonly Change[],
    { now, expected = [] }: { now: number; expected?: readonly Expectation[] },
  ): Promise<Receipt> {
    // One promise for all of a frame: an async function would make two more for each of a crowd.
    try {
      return this.#commit(changes, { now, expected })
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #commit(
    changes: readonly Change[],
    { now, expected }: { now: number; expected: readonly Expectation[] },
  ): Promise<Receipt> {
    this.#attempts++
    if (this.#lane.failure !== undefined) throw this.#lane.failure
    // Its owner locked or moved it while this was in hand: whoever opens it next does it.
    if (this.#closed) throw new Refusal('vault-locked', `vault ${this.vault} was closed meanwhile: send it again`)
    for (const change of changes) checkChange(change)
    this.#checkExpected(expected)
    const stretches = stretchesOf(changes, now)
    const bytes = frameBound(stretches)
    if (bytes > FRAME_BYTES_MAX) {
      throw new Refusal('too-large', `a commit of ${bytes} bytes, at most ${FRAME_BYTES_MAX}: write less at once`)
    }
    for (const { namespace, writes } of stretches) {
      for (const write of writes) this.#state.apply(namespace, write, now)
    }
    const gathering = this.#gather(bytes)
    gathering.commits++
    gathering.bytes += bytes
    for (const stretch of stretches) gathering.stretches.push(stretch)
    return gathering.written.promise
  }

  /** The frame that waits to be written, or a new one when there is none with room. */
  #gather(bytes: number): Gathering {
    const waiting = this.#gathering
    if (waiting !== undefined && waiting.bytes + bytes <= FRAME_BYTES_MAX) return waiting
    const written = Promise.withResolvers<Receipt>()
    const gathering: Gathering = { commits: 0, stretches: [], bytes: 0, written }
    this.#gathering = gathering
    this.#unsealed++
    this.#last = written.promise
    this.#write(gathering).then(written.resolve, written.reject)
    return gathering
  }

  async #write(gathering: Gathering): Promise<Receipt> {
    let head = (): Receipt => this.#head
    await this.#lane.append({
      get commits() {
        return gathering.commits
      },
      seal: () => {
        if (this.#gathering === gathering) this.#gathering = undefined
        const sequence = this.#journal.head.sequence + 1
        const sealed = this.#journal.seal(gathering)
        head = sealed.head
        const bytes = sealed.parts.reduce((sum, { length }) => sum + length, 0)
        this.#journalBytes += bytes
        this.#disk = { ...this.#disk, journal: this.#disk.journal + bytes }
        if (--this.#unsealed === 0) this.#level?.resolve()
        return { sequence, parts: sealed.parts, meanwhile: head }
      },
    })
    this.#head = head()
    if (this.#snapshots && this.#journalBytes > this.#dueBytes && !this.#isKeeping) void this.#keepUp()
    return this.#head
  }

  /** A snapshot nobody waits for. One that fails is tried again when as much journal has come again. */
  async #keepUp(): Promise<void> {
    this.#isKeeping = true
    try {
      await this.snapshot()
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      this.#dueBytes += SNAPSHOT_JOURNAL_BYTES_MIN
    } finally {
      this.#isKeeping = false
    }
  }

  snapshot(): Promise<void> {
    return this.#inTurn(() => this.#keep())
  }

  renew(keeper: KekKeeper): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#renewing) {
        const next = this.#random(KEY_BYTES)
        await keeper.begin(next)
        await this.#keep(wrapKey(next))
      } else await this.#keep()
      await keeper.finish()
      this.#renewing = false
    })
  }

  /** One snapshot or renewal at a time. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#keeping.then(work)
    this.#keeping = done.catch(() => {})
    return done
  }

  async #keep(next?: KeyObject): Promise<void> {
    const snapshots = this.#snapshots
    if (!snapshots) throw new Error(`the store of vault ${this.vault} has no place for snapshots`)
    while (this.#unsealed > 0) {
      if (this.#lane.failure !== undefined) throw this.#lane.failure
      this.#level ??= Promise.withResolvers()
      await Promise.race([this.#level.promise, this.#last.catch(() => {})])
      this.#level = undefined
    }
    if (this.#lane.failure !== undefined) throw this.#lane.failure
    // From here to the next `await` nothing is committed: memory, journal and snapshot are at one point.
    if (next) {
      this.#journal.turn(next)
      this.#renewing = true
    } else this.#journal.detach()
    const { head, kek } = this.#journal
    const covered = this.#disk.journal
    const chunks = sealSnapshot({ head, state: this.#state }, { tag: snapshots.tag, kek, random: this.#random })
    this.#journalBytes = 0
    // What it holds must be in the log before: an unacknowledged commit may not outlive its own failure.
    await this.#last
    await snapshots.store.write(snapshots.tag.toHex(), chunks)
    const snapshot = chunks.reduce((sum, { length }) => sum + length, 0)
    this.#dueBytes = dueAfter(snapshot)
    this.#disk = { journal: this.#disk.journal - covered, snapshot }
    await this.#lane.cover(head.sequence)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    // Whoever waits for that commit hears of its failure; closing has nothing to add.
    await this.#last.catch(() => {})
    // Opened again, it should not have to replay more than it reads.
    const isLong = this.#journalBytes > Math.max(SNAPSHOT_JOURNAL_BYTES_MIN, this.#disk.snapshot)
    if (this.#snapshots && isLong && !this.#isKeeping && !this.#lane.failure) await this.#keepUp()
    await this.#keeping
    this.#lane.release()
  }

  #checkExpected(expected: readonly Expectation[]): void {
    const unmet = this.#state.unmet(expected)
    if (unmet === undefined) return
    const { expectation, found } = unmet
    throw new Refusal(
      'conflict',
      `${expectation.namespace} ${expectation.key} is at revision ${found}, not ${expectation.revision}: read it again`,
    )
  }
}

/** How much journal is worth the next snapshot, after one of so many bytes. */
function dueAfter(snapshotBytes: number): number {
  return Math.max(SNAPSHOT_JOURNAL_BYTES_MIN, SNAPSHOT_JOURNAL_PARTS * snapshotBytes)
}

function checkChange({ namespace, key, value }: Change): void {
  const name: string = namespace
  if (!isNamespaceName(name)) throw new Refusal('malformed', `namespace ${name}: there is none of this form`)
  if (key === '' || !key.isWellFormed()) {
    throw new Refusal('malformed', `a key in ${namespace} is empty or not well-formed text: choose another`)
  }
  // Three bytes are the most that one UTF-16 unit becomes.
  if (key.length * 3 > KEY_BYTES_MAX && Buffer.byteLength(key) > KEY_BYTES_MAX) {
    throw new Refusal('too-large', `a key in ${namespace} has over ${KEY_BYTES_MAX} bytes: shorten it`)
  }
  if (value !== null && value.length > VALUE_BYTES_MAX) {
    throw new Refusal('too-large', `${namespace} ${key}: ${value.length} bytes, at most ${VALUE_BYTES_MAX}: split it`)
  }
}

/** One per namespace, in the order of their first change. */
function stretchesOf(changes: readonly Change[], now: number): Stretch[] {
  const [only] = changes
  if (only !== undefined && changes.length === 1) return [{ namespace: only.namespace, now, writes: [writeOf(only)] }]
  const byNamespace = new Map<NamespaceName, Write[]>()
  for (const change of changes) {
    const { namespace } = change
    const write = writeOf(change)
    const writes = byNamespace.get(namespace)
    if (writes === undefined) byNamespace.set(namespace, [write])
    else writes.push(write)
  }
  return Array.from(byNamespace, ([namespace, writes]) => ({ namespace, now, writes }))
}

function writeOf({ key, value, visibility, sensitivity, category, author, restored }: Change): Write {
  return { key, value: value && owned(value), visibility, sensitivity, category, author, restored }
}

/** The value itself where it is all of its buffer; a copy of what would keep something larger, or shared, alive. */
function owned(value: Uint8Array): Uint8Array {
  const isWhole = value.buffer instanceof ArrayBuffer && value.buffer.byteLength === value.length
  return isWhole && value.constructor === Uint8Array ? value : new Uint8Array(value)
}
