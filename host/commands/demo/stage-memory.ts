/** The stage in one process: memory bus, the host dropped mid-flight when it is killed. */
import { join } from 'node:path'

import { pairDevice } from '#client/owner.ts'
import { forgetfulStore } from '#client/transport.ts'
import { startHost, type Host } from '#host/host.ts'
import type { MemoryBus } from '#host/messaging/memory.ts'
import { openMemoryBroker } from '../bus.ts'
import { handlersOf } from '../image.ts'
import { openFolder } from '../open.ts'
import { surroundings } from '../surroundings.ts'
import { warn } from '../warn.ts'
import { expectedOf, showingIn } from './attested.ts'
import { ALICE } from './cast.ts'
import { foundAlice } from './found.ts'
import { openServices } from './services.ts'
import type { Seen, Stage } from './stage.ts'

const CELLS = 2

export async function memoryStage(folder: string, image: string): Promise<Stage> {
  await using parts = new AsyncDisposableStack()
  const { signing, identity } = await foundAlice(join(folder, 'alice'))
  const { image: measured, ...expected } = await expectedOf(folder, image)
  const handlers = handlersOf(measured.image)
  const broker = parts.use(await openMemoryBroker(folder))
  const seen: Seen[] = []

  async function start(): Promise<{ host: Host; bus: MemoryBus }> {
    const bus = broker.connect()
    const host: Host = await startHost({
      ...surroundings,
      folder: join(folder, 'alice'),
      bus,
      handlers,
      cells: CELLS,
      pid: process.pid,
      warn,
      showing: () => showingIn(join(folder, 'alice'), measured),
      tell: (trace) => void seen.push({ trace, instances: host.stats().instances }),
    })
    return { host, bus }
  }

  let running = await start()
  const { vaults } = parts.use(await openFolder(join(folder, 'services'), { create: true }))
  const services = openServices(vaults, parts.use(broker.connect()))
  const alice = await pairDevice({
    ...surroundings,
    vault: ALICE.vault,
    identity,
    device: ALICE.device,
    signing,
    transport: parts.use(broker.connect()),
    store: forgetfulStore(),
  })
  const owned = parts.move()
  return {
    title: 'memory bus, one process',
    alice,
    services,
    expected,
    seen,
    async crash() {
      running.host.abandon()
      running.bus.abandon()
      await running.host[Symbol.asyncDispose]()
      running = await start()
    },
    async close() {
      await running.host[Symbol.asyncDispose]()
      await owned.disposeAsync()
    },
    async [Symbol.asyncDispose]() {
      running.host.abandon()
      await owned.disposeAsync()
    },
  }
}
