/** A vault's store: state in memory, each commit a part of one frame of the journal. */
import { Refusal } from '#host/errors.ts'
import { FRAME_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX } from '#host/limits.ts'
import type { Lane } from './group.ts'
import { frameBound, type Journal, type Stretch } from './journal.ts'
import type { Change, Expectation, Namespace, NamespaceName, Receipt, VaultStore } from './port.ts'
import type { State, Write } from './state.ts'
import { isNamespaceName } from './writes.ts'

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
  #attempts = 0
  #head: Receipt
  #gathering: Gathering | undefined
  #last: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(parts: { vault: string; lane: Lane; journal: Journal; state: State }) {
    this.vault = parts.vault
    this.#lane = parts.lane
    this.#journal = parts.journal
    this.#state = parts.state
    this.#head = parts.journal.head
  }

  get head(): Receipt {
    return this.#head
  }

  get attempts(): number {
    return this.#attempts
  }

  namespace(name: NamespaceName): Namespace {
    return this.#state.handle(name)
  }

  namespaces(): readonly NamespaceName[] {
    return this.#state.names()
  }

  async commit(
    changes: readonly Change[],
    { now, expected = [] }: { now: number; expected?: readonly Expectation[] },
  ): Promise<Receipt> {
    this.#attempts++
    if (this.#lane.failure !== undefined) throw this.#lane.failure
    if (this.#closed) throw new Error(`the store of vault ${this.vault} is closed`)
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
    gathering.stretches.push(...stretches)
    return gathering.written.promise
  }

  /** The frame that waits to be written, or a new one when there is none with room. */
  #gather(bytes: number): Gathering {
    const waiting = this.#gathering
    if (waiting !== undefined && waiting.bytes + bytes <= FRAME_BYTES_MAX) return waiting
    const written = Promise.withResolvers<Receipt>()
    const gathering: Gathering = { commits: 0, stretches: [], bytes: 0, written }
    this.#gathering = gathering
    this.#last = written.promise
    this.#write(gathering).then(written.resolve, written.reject)
    return gathering
  }

  async #write(gathering: Gathering): Promise<Receipt> {
    let head = this.#head
    await this.#lane.append({
      get commits() {
        return gathering.commits
      },
      seal: () => {
        if (this.#gathering === gathering) this.#gathering = undefined
        const frame = this.#journal.seal(gathering)
        head = this.#journal.head
        return frame
      },
    })
    this.#head = head
    return head
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    // Whoever waits for that commit hears of its failure; closing has nothing to add.
    await this.#last.catch(() => {})
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

/** One per namespace, in the order of their first change. Values are copied: the caller keeps its own bytes. */
function stretchesOf(changes: readonly Change[], now: number): Stretch[] {
  const byNamespace = new Map<NamespaceName, Write[]>()
  for (const { namespace, key, value, visibility, sensitivity, category, author } of changes) {
    const write = { key, value: value && new Uint8Array(value), visibility, sensitivity, category, author }
    const writes = byNamespace.get(namespace)
    if (writes === undefined) byNamespace.set(namespace, [write])
    else writes.push(write)
  }
  return Array.from(byNamespace, ([namespace, writes]) => ({ namespace, now, writes }))
}
