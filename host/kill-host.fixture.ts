/**
 * A host in a process of its own, on a folder and a bus of its own: its parent's messages come and go over the channel
 * between the two. It ends itself with SIGKILL where its plan says.
 */
import { openMemoryBroker } from '#host/commands/bus.ts'
import { ALICE } from '#host/commands/demo/cast.ts'
import { surroundings } from '#host/commands/surroundings.ts'
import type { Bus } from '#host/messaging/port.ts'
import type { VaultStore } from '#host/storage/port.ts'
import { type Host, startHost } from './host.ts'
import type { Plan, Step, Word } from './kill-steps.fixture.ts'

/** What is late on a machine that others share is no failure here. */
const PATIENCE_MS = 120_000
/** Turns of the event loop in which a commit is sealed and on its way to the disk. */
const WRITING_TURNS = 3

type Reached = (step: string) => void

function tellParent(word: Word): void {
  process.send?.(word)
}

function die(): void {
  process.kill(process.pid, 'SIGKILL')
}

async function live({ folder, handlers, step, count, upkeep }: Plan): Promise<void> {
  let left = count
  let taken = 0
  const started = Promise.withResolvers<Host>()
  const reached: Reached = (name) => {
    if (name === 'take' && ++taken === upkeep?.at) void keep(started.promise, upkeep.what)
    if (name === step && --left === 0) die()
  }
  const broker = await openMemoryBroker(folder)
  const outside = broker.connect()
  for (const pattern of ['MessageSpace.*.forService.>', 'OwnerSpace.*.forApp.>']) {
    await outside.subscribe(pattern, ({ subject, data }) => tellParent({ kind: 'message', subject, data }))
  }
  const host = await startHost({
    ...surroundings,
    folder,
    handlers,
    bus: stepping(broker.connect(), reached),
    cells: 1,
    pid: process.pid,
    warn: (line) => console.error(line),
    reached,
    commitDeadlineMs: PATIENCE_MS,
    cellStartMs: PATIENCE_MS,
  })
  started.resolve(host)
  const { store } = await vaultOf(host)
  if (step === 'write') whileWriting(store, () => reached('write'))
  process.on('message', (word: Word) => {
    if (word.kind === 'message') void outside.publish(word.subject, word.data, { durable: true })
  })
  tellParent({ kind: 'ready' })
}

async function keep(started: Promise<Host>, what: 'snapshot' | 'renewal'): Promise<void> {
  const host = await started
  const vault = await vaultOf(host)
  await (what === 'snapshot' ? vault.store.snapshot() : host.vaults.renew(vault))
}

async function vaultOf(host: Host) {
  const vault = await host.vaults.find(ALICE.vault)
  if (!vault) throw new Error('the vault is gone')
  return vault
}

/** Tells of what happens around `deliver`. */
function stepping(bus: Bus, reached: (step: Step) => void): Bus {
  return {
    ...bus,
    publish(subject, data, options) {
      reached('send')
      return bus.publish(subject, data, options)
    },
    consume(receive, options) {
      const take: typeof receive = (delivery) => {
        reached('take')
        receive({
          ...delivery,
          async ack() {
            await delivery.ack()
            reached('acknowledge')
          },
        })
      }
      return bus.consume(take, options)
    },
  }
}

/** Somewhere between the commit and its durability, differently far each time. */
function whileWriting(store: VaultStore, reached: () => void): void {
  const commit = store.commit.bind(store)
  let turns = 0
  store.commit = (changes, options) => {
    const writing = commit(changes, options)
    later((turns = (turns + 1) % WRITING_TURNS), reached)
    return writing
  }
}

function later(turns: number, work: () => void): void {
  if (turns === 0) work()
  else setImmediate(() => later(turns - 1, work))
}

process.once('message', ({ plan }: Word & { kind: 'plan' }) => void live(plan))
// A spare that is not needed any more.
process.once('disconnect', () => process.exit())
