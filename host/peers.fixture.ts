/** Two worlds, each with a host, a broker and a vault of its own, and a wire between the brokers. */
import { randomBytes } from 'node:crypto'

import type { Sharing } from '#host/contracts/sharing.ts'
import { type Mailbox, mailbox } from '#host/commands/demo/mailbox.ts'
import { decodeCbor } from '#host/wire/cbor.ts'
import { type EventId, newEventId } from '#host/wire/id.ts'
import type { PassedOn } from './vault/passed.ts'
import { startWorld, until, type World, type WorldOptions } from './world.fixture.ts'

export interface Peers extends AsyncDisposable {
  readonly alice: World
  readonly bob: World
  /** Both clocks go on. */
  pass(ms: number): void
  /** What crosses the wire: whoever sets it false cuts it. */
  readonly wire: { up: boolean; readonly crossed: string[] }
  /** Connects Alice's vault to Bob's; each calls the other what the name says. */
  connect(names?: { alice: string; bob: string }): Promise<{ readonly atAlice: string; readonly atBob: string }>
}

/** Everything that the fixtures' handlers and ours take. */
export const SHARED: Sharing = {
  events: ['relays.take', 'relays.hint', 'messaging.receive', 'location.update'],
  store: { categories: ['messages', 'location'], bytesMax: 4_000_000 },
  messages: true,
  authentication: true,
  requestsPerHour: 10_000,
}

export async function startPeers(options: Omit<WorldOptions, 'vault'>): Promise<Peers> {
  await using parts = new AsyncDisposableStack()
  const alice = parts.use(await startWorld(options))
  const bob = parts.use(await startWorld({ ...options, vault: 'bob' }))
  const wire = { up: true, crossed: [] as string[] }
  await lay(alice, bob, ['MessageSpace.bob.fromService.>', 'MessageSpace.alice.forService.>'])
  await lay(bob, alice, ['MessageSpace.alice.fromService.>', 'MessageSpace.bob.forService.>'])
  const owned = parts.move()

  async function lay(from: World, to: World, patterns: readonly string[]): Promise<void> {
    const [near, far] = [from.broker.connect(), to.broker.connect()]
    for (const pattern of patterns) {
      await near.subscribe(pattern, ({ subject, data }) => {
        if (!wire.up) return
        wire.crossed.push(subject)
        void far.publish(subject, data, { durable: true })
      })
    }
  }

  return {
    alice,
    bob,
    wire,
    pass(ms) {
      alice.clock.now += ms
      bob.clock.now += ms
    },
    async connect(names = { alice: 'Alice', bob: 'Bob' }) {
      const invitation = await bob.alice.invitePeer(names.alice, { name: names.bob, sharing: SHARED })
      const atAlice = await alice.alice.connectPeer(names.bob, invitation, { name: names.alice, sharing: SHARED })
      await bob.alice.accept(await bob.offers.take(), [])
      await alice.alice.accept(await alice.offers.take(), [])
      await until('both may send, and know it', async () => {
        const { record } = (await bob.vault()).connections.values().find(({ id }) => id === invitation.connection) ?? {}
        return record?.peer?.asks?.accepted && (await isQuiet(alice))
      })
      return { atAlice, atBob: invitation.connection }
    },
    [Symbol.asyncDispose]() {
      // What is still on its way has nowhere to go.
      wire.up = false
      return owned.disposeAsync()
    },
  }
}

/** While it works, as many requests wait for the other vault as may. */
export async function withFull<Asked>(
  passed: PassedOn<Asked>,
  most: number,
  work: () => Promise<unknown>,
): Promise<void> {
  const one = await until('one waits', () => passed.values().next().value)
  const added: EventId[] = []
  while (passed.size < most) {
    const id = newEventId(randomBytes)
    added.push(id)
    passed.set(id, one)
  }
  await work()
  for (const id of added) passed.delete(id)
}

/** Whether no event of this vault waits for a peer's answer. */
export async function isQuiet(world: World): Promise<boolean> {
  const { system } = await world.vault()
  return system.scan({ prefix: 'post/', limit: 1 }).items.length === 0
}

/** Notices of one type to a world's phone: the vault's own are vine-CBOR, those of handlers JSON. */
export function noticesOf(
  world: World,
  type: string,
  read: (body: Uint8Array) => unknown = decodeCbor,
): Mailbox<unknown> {
  const box = mailbox<unknown>()
  world.alice.conversation.on(type, ({ body }) => box.put(read(body)))
  return box
}

export function readJson(body: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(body)) as unknown
}
