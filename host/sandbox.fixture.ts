/** Two vaults that share sandboxes, and what their stores were ever given. */
import { type OwnerSandboxes, ownerSandboxes, type Sandbox } from '#client/sandbox.ts'
import type { SandboxClauses } from '#host/contracts/sandbox.ts'
import type { Refusal } from '#host/errors.ts'
import type { Change } from '#host/storage/port.ts'
import { noticesOf, type Peers, startPeers } from './peers.fixture.ts'
import { expect } from 'vitest'
import type { World } from './world.fixture.ts'

export const CLAUSES: SandboxClauses = {
  name: 'Rose Lane',
  rights: { creator: 'write', guest: 'write' },
  takeBack: true,
  portability: 'none',
  purge: false,
  bytesMax: 100_000,
}
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (value: Uint8Array | null | undefined): string => new TextDecoder().decode(value ?? undefined)

/** `done`, or the code of the refusal. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'done',
    (error: unknown) => (error as Refusal).code,
  )
}

export interface Shared {
  readonly id: string
  /** Alice created it: hers is the one copy. */
  readonly hers: Sandbox
  readonly his: Sandbox
}

export interface SandboxPeers extends AsyncDisposable {
  readonly peers: Peers
  readonly creator: OwnerSandboxes
  readonly guest: OwnerSandboxes
  readonly atAlice: string
  readonly atBob: string
  /** Alice creates, Bob accepts. */
  share(clauses?: Partial<SandboxClauses>): Promise<Shared>
}

export async function startSandboxes(handlers: readonly string[] = []): Promise<SandboxPeers> {
  const peers = await startPeers({ handlers })
  const { atAlice, atBob } = await peers.connect()
  const creator = ownerSandboxes(peers.alice.alice.conversation)
  const guest = ownerSandboxes(peers.bob.alice.conversation)
  const offered = noticesOf(peers.bob, 'sandbox.offered')
  const accepted = noticesOf(peers.alice, 'sandbox.accepted')
  return {
    peers,
    creator,
    guest,
    atAlice,
    atBob,
    async share(clauses = {}) {
      const id = await creator.create(atAlice, { ...CLAUSES, ...clauses })
      expect(await offered.take()).toMatchObject({ sandbox: id, connection: atBob, alias: 'Alice' })
      await guest.accept(id)
      await accepted.take()
      return { id, hers: creator.open(id, 'creator'), his: guest.open(id, 'guest') }
    },
    [Symbol.asyncDispose]: () => peers[Symbol.asyncDispose](),
  }
}

/** Everything that a vault's store is given from now on, before it is sealed into the log. */
export async function written(world: World): Promise<readonly Change[]> {
  const { store } = await world.vault()
  const all: Change[] = []
  const commit = store.commit.bind(store)
  store.commit = (changes, options) => {
    all.push(...changes)
    return commit(changes, options)
  }
  return all
}

/** Whether a text occurs in any key or value. */
export function holds(changes: readonly Pick<Change, 'key' | 'value'>[], needle: string): boolean {
  return changes.some(({ key, value }) => key.includes(needle) || Buffer.from(value ?? []).includes(needle))
}

/** All that a vault's state is now. */
export async function stateNow(world: World): Promise<Pick<Change, 'key' | 'value'>[]> {
  const { store } = await world.vault()
  return store.namespaces().flatMap((name) => {
    const found: Pick<Change, 'key' | 'value'>[] = []
    let after: string | undefined
    do {
      const page = store.namespace(name).scan({ prefix: '', limit: 256, ...(after === undefined ? {} : { after }) })
      found.push(...page.items.map(([key, { value }]) => ({ key, value })))
      after = page.next
    } while (after !== undefined)
    return found
  })
}
