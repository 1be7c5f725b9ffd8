/** A whole image and the host in it, started as an operator does. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

import { buildImage, openImage, writeImage } from '#enclave/image.ts'
import { measureImage, softwareMeasurement } from '#enclave/measure.ts'
import { copyOf, startWorld, type World } from '#host/world.fixture.ts'
import { makeImage, makeWholeImage } from '../../scripts/build-image.ts'
import { bundle } from '../../scripts/bundle-host.ts'
import { startNatsServer } from '../../scripts/nats-server.ts'
import { askOnce, foundAlice, pairPhone } from './alice.fixture.ts'
import { connectNats } from './bus.ts'
import { type Running, startTrellis, trellis } from './run.fixture.ts'
import { up } from './up.ts'

const LOOK_MS = 20
/** With a network and without. */
const STANDING = [
  'files elsewhere',
  'files of the image',
  'writing elsewhere',
  'writing to the image',
  'processes',
  'threads',
  'node:sqlite',
  'addons',
  'WASI',
  'the inspector',
  'code from text',
  '__proto__',
  'changing what is built in',
]
/** Processes that hash 150 MB, on a machine with other work. */
vi.setConfig({ testTimeout: 120_000 })

let folder: string
let image: string
let world: World

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trellis-hardened-'))
  image = join(folder, 'image')
  await makeWholeImage(image)
  world = await startWorld({ handlers: ['counts'] })
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const copyOfData = (name: string): Promise<string> => copyOf(world, join(folder, name))

/** Ready, or over. */
async function started(...args: readonly string[]): Promise<Running> {
  const host = startTrellis('up', '--trace', ...args)
  const over = host.ended.then(() => true)
  while (!host.out().includes('"ready"')) {
    if (await Promise.race([over, setTimeout(LOOK_MS, false)])) break
  }
  return host
}

/** Lines of a host that was up and was stopped. */
async function upAndDown(...args: readonly string[]) {
  return stopped(await started(...args))
}

async function stopped(host: Running) {
  host.stop()
  const { code, out, errors } = await host.ended
  const lines: Record<string, unknown>[] = out
    .trim()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
  return { code, lines, errors: errors.filter((line) => !line.includes('memory bus')) }
}

test('an image holds all that runs it, and every module its engine gets', async () => {
  const { files, handlers, runtime, ...head } = await openImage(image)
  const kinds = Map.groupBy(files, ({ kind }) => kind)
  expect(kinds.get('boot')?.map(({ path }) => path)).toEqual(['boot.mjs'])
  expect(kinds.get('host')?.map(({ path }) => path)).toEqual(['host/main.mjs'])
  expect(kinds.get('config')).toBeUndefined()
  expect(kinds.get('component')).toHaveLength(handlers.length)
  expect(handlers.every(({ core, version }) => core.length > 0 && /^0\.\d\.0$/u.test(version))).toBe(true)
  expect(runtime).toMatchObject({ version: process.versions.node, platform: process.platform, arch: process.arch })
  expect(head).toMatchObject({ format: 2, release: 0, policy: { releaseKeys: [], minimumRelease: 0 } })
})

test('hardened: every wall is tried, vaults open, cells start, and it stops as asked', async () => {
  const data = await copyOfData('hardened')
  const { code, lines, errors } = await upAndDown('--hardened', '--data', data, '--image', image)
  expect({ code, errors }).toEqual({
    code: 0,
    errors: [expect.stringMatching(/made a new key/), expect.stringMatching(/software, hardware: false/)],
  })
  expect(lines).toEqual([
    expect.objectContaining({
      kind: 'measured',
      measurement: softwareMeasurement(measureImage(await openImage(image))).toHex(),
    }),
    {
      kind: 'walls',
      standing: [...STANDING, 'the network'],
      missing: [expect.stringMatching(/^one thread/), expect.stringMatching(/^signals/)],
    },
    { kind: 'ready', vaults: ['alice'] },
    { kind: 'stopped' },
  ])
})

test('hardened, over NATS: it serves a governed event, and its owner searches', async () => {
  const data = join(folder, 'nats')
  const alice = await foundAlice(data)
  await using server = await startNatsServer()
  const host = await started('--hardened', '--data', data, '--image', image, '--nats', server.url)
  await using bus = await connectNats(server.url, { name: 'trellis-owner' })
  const phone = await pairPhone(alice, bus)
  expect(await askOnce(phone, bus)).toEqual({ fields: { shipping_address: '12 Rose Lane' } })
  expect((await phone.search('items', { filter: 'shipping' })).rows).toHaveLength(1)
  await phone.conversation.close()
  const { code, lines } = await stopped(host)
  expect(code).toBe(0)
  expect(lines.find(({ kind }) => kind === 'walls')).toEqual({
    kind: 'walls',
    standing: STANDING,
    missing: [/^one thread/, /^signals/, /^the network beyond/].map((says) => expect.stringMatching(says)),
  })
  expect(lines).toContainEqual(expect.objectContaining({ kind: 'event', instances: 1 }))
})

test('an image with a host runs that host, hardened or not', async () => {
  const { code, lines } = await upAndDown('--data', await copyOfData('plain'), '--image', image)
  expect(code).toBe(0)
  expect(lines.map(({ kind }) => kind)).toEqual(['measured', 'ready', 'stopped'])
})

describe('up is refused', () => {
  test('hardened, of an image without a host', async () => {
    const handlers = join(folder, 'handlers')
    await makeImage(handlers)
    const { code, errors } = await trellis('up', '--hardened', '--data', join(folder, 'none'), '--image', handlers)
    expect({ code, errors }).toEqual({ code: 1, errors: [expect.stringMatching(/handlers brings no host/)] })
    const options = { data: join(folder, 'none'), image: handlers, hardened: true }
    await expect(up(options)).rejects.toMatchObject({ code: 'not-hardened' })
  })

  test('when the engine would get another module than was listed', async () => {
    const handlers = join(folder, 'other-core')
    await makeImage(handlers)
    const { files } = await openImage(handlers)
    const core = new Map([['messaging', [{ size: 1, sha384: 'a'.repeat(96) }]]])
    const paths = files.map(({ path }) => path)
    await writeImage(handlers, await buildImage(handlers, paths, { core }))
    const { code, errors } = await trellis('up', '--data', join(folder, 'none'), '--image', handlers)
    expect({ code, errors }).toEqual({
      code: 1,
      errors: ['trellis: image: messaging: its core modules are not those the image lists: build the image again'],
    })
  })

  test('hardened, when the walls were not put up: each is named', async () => {
    const data = await copyOfData('open')
    const args = [join(image, 'boot.mjs'), 'up', '--hardened', '--data', data]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    const lines = await Array.fromAsync(createInterface({ input: child.stderr }))
    expect(lines.find((line) => line.startsWith('trellis:'))).toBe(
      'trellis: up: open are files elsewhere, files of the image, writing elsewhere, writing to the image, ' +
        'processes, node:sqlite, addons, WASI, the inspector, code from text, __proto__, ' +
        'changing what is built in, the network: ' +
        'start it with trellis up --hardened',
    )
    if (child.exitCode === null) await once(child, 'exit')
    expect(child.exitCode).toBe(1)
  })

  test.each<[string, (copy: string) => Promise<unknown>, RegExp]>([
    ['a changed host', (copy) => flip(join(copy, 'host/main.mjs')), /host\/main\.mjs has another content/],
    ['a changed handler', (copy) => flip(join(copy, 'components/messaging.wasm')), /messaging\.wasm has another/],
    ['an added file', (copy) => writeFile(join(copy, 'host/more.mjs'), ''), /host\/more\.mjs is there but not listed/],
    ['a link', linkWit, /wit\/world\.wit is a link/],
  ])('with %s', async (name, change, says) => {
    const copy = join(folder, name.replaceAll(' ', '-'))
    await cp(image, copy, { recursive: true })
    await change(copy)
    const { code, out, errors } = await trellis('up', '--hardened', '--data', folder, '--image', copy)
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(errors).toEqual([expect.stringMatching(says)])
  })
})

async function flip(path: string): Promise<void> {
  const bytes = new Uint8Array(await readFile(path))
  await writeFile(path, bytes.with(1_000, (bytes[1_000] ?? 0) ^ 1))
}

async function linkWit(copy: string): Promise<void> {
  await rm(join(copy, 'wit/world.wit'))
  await symlink(join(image, 'wit/world.wit'), join(copy, 'wit/world.wit'))
}

test('built twice in two folders from the same sources and pinned components, an image has one root', async () => {
  const again = join(folder, 'again')
  await makeWholeImage(again)
  const [first, second] = [await openImage(image), await openImage(again)]
  expect(second.digest).toEqual(first.digest)
  expect(measureImage(second)).toEqual(measureImage(first))
  expect(await bundle('enclave/main.ts')).toBe(new TextDecoder().decode(first.read('boot.mjs')))
})

test('a component that is not the pinned one is refused by name', async () => {
  const pins = Object.fromEntries((await openImage(image)).handlers.map(({ id }) => [id, 'a'.repeat(96)]))
  const out = join(folder, 'unpinned')
  await expect(makeWholeImage(out, { pins })).rejects.toMatchObject({
    code: 'image-changed',
    message: expect.stringMatching(/the component of auth-challenge is .*, pinned is .*: take the one/),
  })
  await expect(makeWholeImage(out, { pins: {} })).rejects.toThrow('auth-challenge is not pinned')
})
