/** The vaults of a host that are open right now, and what is known of the closed ones without opening them. */
import { EVICT_LOOKS } from '#host/storage/limits.ts'
import type { RefusalMeter } from '#host/storage/refusal-meter.ts'
import type { VaultId } from '#host/wire/id.ts'
import { isIdle, openBytes, recency, settle, wakeAt } from './eviction.ts'
import type { Vault } from './vault.ts'
import type { WakeTimes } from './wake.ts'

/** An open vault that stays open until this is let go of. */
export interface Lease extends Disposable {
  readonly vault: Vault
}

export interface ShelfOptions {
  /** Opens a vault; `refusals` is what an earlier opening counted in this hour. */
  readonly load: (id: VaultId, refusals: RefusalMeter | undefined) => Promise<Vault | undefined>
  /** Frees what can be made again, before a vault is closed. */
  readonly relieve: () => Promise<void>
  readonly openBytesMax: number
  readonly random: (length: number) => Uint8Array
}

export class Shelf implements AsyncDisposable {
  readonly #options: ShelfOptions
  readonly #opened = new Map<VaultId, Vault>()
  readonly #opening = new Map<VaultId, Promise<Vault | undefined>>()
  readonly #closing = new Map<VaultId, Promise<void>>()
  readonly #leases = new Map<VaultId, number>()
  readonly #wakes = new Map<VaultId, number | null>()
  /** Of closed vaults that were refused something this hour. */
  readonly #meters = new Map<VaultId, RefusalMeter>()
  readonly #recent = recency(openBytes)
  #clearing: Promise<void> | undefined
  #restarted = Promise.resolve()

  constructor(options: ShelfOptions) {
    this.#options = options
  }

  get open(): readonly Vault[] {
    return [...this.#opened.values()]
  }

  keep(vault: Vault): Vault {
    this.#opened.set(vault.id, vault)
    this.#wakes.delete(vault.id)
    this.#recent.touch(vault)
    return vault
  }

  find(id: VaultId): Promise<Vault | undefined> {
    const vault = this.#opened.get(id)
    if (vault) {
      this.#recent.touch(vault)
      return Promise.resolve(vault)
    }
    const loading = this.#opening.get(id) ?? this.#load(id).finally(() => this.#opening.delete(id))
    this.#opening.set(id, loading)
    return loading
  }

  async hold(id: VaultId): Promise<Lease | undefined> {
    // Counted before the vault is there, so that nobody closes it in between.
    const leave = this.#enter(id)
    try {
      const vault = await this.find(id)
      if (vault) return { vault, [Symbol.dispose]: leave }
      leave()
      return undefined
    } catch (error) {
      leave()
      throw error
    }
  }

  holdOpen(id: VaultId): Lease | undefined {
    const vault = this.#opened.get(id)
    return vault && { vault, [Symbol.dispose]: this.#enter(id) }
  }

  makeRoom(now: number): Promise<void> {
    if (this.#recent.bytes <= this.#options.openBytesMax) return Promise.resolve()
    this.#clearing ??= this.#clear(now).finally(() => (this.#clearing = undefined))
    return this.#clearing
  }

  due(now: number): readonly VaultId[] {
    for (const [id, meter] of this.#meters) {
      meter.due(now)
      if (meter.standing === 'empty') this.#meters.delete(id)
    }
    return [...this.#wakes].flatMap(([id, at]) => (at !== null && at <= now ? [id] : []))
  }

  wakeTimes(now: number): WakeTimes {
    const idle = this.open.filter((vault) => isIdle(vault, now))
    return new Map([...this.#wakes, ...idle.map((vault) => [vault.id, wakeAt(vault) ?? null] as const)])
  }

  remember(id: VaultId, at: number | null): void {
    this.#wakes.set(id, at)
  }

  /** Lets go of one as it is: what it has in hand fails, and is delivered again. */
  async drop(id: VaultId): Promise<void> {
    const vault = this.#opened.get(id) ?? (await this.#opening.get(id)?.catch(() => undefined))
    if (!vault || this.#opened.get(id) !== vault) return
    this.#opened.delete(id)
    this.#recent.remove(vault)
    this.#wakes.set(id, null)
    await vault[Symbol.asyncDispose]()
  }

  /** Lets go of every open vault as it is, and does `work`: whoever asks for one meanwhile waits for both. */
  async restart(work: () => Promise<void>): Promise<void> {
    const stale = this.open
    this.#opened.clear()
    for (const vault of stale) {
      this.#recent.remove(vault)
      // What it had in hand is looked at as soon as it can be opened again.
      this.#wakes.set(vault.id, 0)
    }
    this.#restarted = Promise.all(stale.map((vault) => vault[Symbol.asyncDispose]())).then(work)
    await this.#restarted
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([...this.#opening.values(), ...this.#closing.values()])
    await Promise.all(this.open.map((vault) => vault[Symbol.asyncDispose]()))
  }

  async #load(id: VaultId): Promise<Vault | undefined> {
    await this.#restarted
    await this.#closing.get(id)
    const refusals = this.#meters.get(id)
    this.#meters.delete(id)
    const vault = await this.#options.load(id, refusals)
    return vault && this.keep(vault)
  }

  #enter(id: VaultId): () => void {
    this.#leases.set(id, (this.#leases.get(id) ?? 0) + 1)
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      const left = (this.#leases.get(id) ?? 1) - 1
      if (left === 0) this.#leases.delete(id)
      else this.#leases.set(id, left)
      const vault = this.#opened.get(id)
      if (vault) this.#recent.weigh(vault)
    }
  }

  /** One that cannot be closed goes to the end, so that the next round looks at others. */
  async #clear(now: number): Promise<void> {
    await this.#options.relieve()
    for (const vault of this.#recent.oldest(EVICT_LOOKS)) {
      if (this.#recent.bytes <= this.#options.openBytesMax) return
      // Closing another one took time: this one may be closed by now.
      if (this.#opened.get(vault.id) !== vault) continue
      if (this.#leases.has(vault.id) || !isIdle(vault, now)) this.#recent.touch(vault)
      else await this.#close(vault, now)
    }
  }

  /** From here on whoever asks for it waits until it is closed, and opens it anew. */
  #close(vault: Vault, now: number): Promise<void> {
    const { id } = vault
    this.#opened.delete(id)
    this.#recent.remove(vault)
    this.#wakes.set(id, wakeAt(vault) ?? null)
    if (vault.refusals.standing !== 'empty') this.#meters.set(id, vault.refusals)
    const closed = settle(vault, { now, random: this.#options.random })
      .then(() => vault[Symbol.asyncDispose]())
      .finally(() => this.#closing.delete(id))
    this.#closing.set(id, closed)
    return closed
  }
}
