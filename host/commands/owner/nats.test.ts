import { afterAll, beforeAll, expect, test } from 'vitest'

import { startHost } from '#host/host.ts'
import { type NatsServer, startNatsServer } from '../../../scripts/nats-server.ts'
import { connectNats } from '../bus.ts'
import { surroundings } from '../surroundings.ts'
import { add, list } from './entries.ts'
import { openDevice } from './folder.ts'
import { type Owners, page, startOwners } from './owner.fixture.ts'

const COMMAND_MS_MAX = 240_000
const SPACE = 'owner-test'

const parts = new AsyncDisposableStack()
let owners: Owners
let server: NatsServer

beforeAll(async () => {
  owners = parts.use(await startOwners())
  await owners.signUp('alice', 'phone')
  server = parts.use(await startNatsServer())
  const bus = parts.use(await connectNats(server.url, { name: 'trellis-host', space: SPACE }))
  const quiet = { warn: () => {}, cells: 1, pid: process.pid, handlers: [] }
  parts.use(await startHost({ ...surroundings, ...quiet, folder: owners.data, bus }))
}, COMMAND_MS_MAX)
afterAll(() => parts.disposeAsync())

test(
  'a host that runs is reached over NATS; a folder that it holds is not hosted twice',
  async () => {
    const at = { device: owners.path('phone'), nats: server.url, space: SPACE }
    const told = page()
    await add({ ...at, title: 'Router', content: new TextEncoder().encode('hunter2') }, told)
    await list(at, told)
    expect(told.lines.at(-1)).toContain('Router')
    await expect(list(owners.at('phone'), page())).rejects.toMatchObject({ code: 'storage-failed' })
  },
  COMMAND_MS_MAX,
)

test(
  'one command at a time works on a device, and lets go of it when it fails',
  async () => {
    const at = { device: owners.path('phone'), nats: server.url, space: SPACE }
    {
      await using _held = await openDevice(at.device)
      await expect(list(at, page())).rejects.toMatchObject({ code: 'storage-failed' })
    }
    await expect(list({ ...at, space: 'elsewhere', wait: 1 }, page())).rejects.toMatchObject({
      code: 'bus-unavailable',
    })
    await list(at, page())
  },
  COMMAND_MS_MAX,
)
