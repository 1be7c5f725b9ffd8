import { access, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { makeImage } from '../../scripts/build-image.ts'
import { copyOf, startWorld, until, type World } from '#host/world.fixture.ts'
import { openFolder } from './open.ts'
import { startTrellis, trellis } from './run.fixture.ts'

let folder: string
let image: string
let world: World

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trellis-cli-'))
  image = join(folder, 'image')
  await makeImage(image)
  world = await startWorld({ handlers: ['counts'] })
  for (let count = 0; count < 3; count++) await world.alice.putField('email', `${count}@example.org`)
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const copyOfData = (name: string): Promise<string> => copyOf(world, join(folder, name))

test.concurrent.each([
  [[]],
  [['demo']],
  [['up']],
  [['audit']],
  [['vault']],
  [['vault', 'export']],
  [['vault', 'create']],
  [['vault', 'move']],
  [['instance']],
  [['instance', 'set']],
  [['instance', 'backup-key']],
  [['owner']],
  [['owner', 'edit']],
  [['image']],
  [['image', 'diff']],
  [['image', 'eif', 'build']],
  [['release']],
  [['attest']],
  [['verify']],
])('trellis %s --help says what there is', async (command) => {
  const { code, out, errors } = await trellis(...command, '--help')
  expect({ code, errors }).toEqual({ code: 0, errors: [] })
  expect(out).toMatch(new RegExp(`^Usage: trellis ${command.join(' ')}`))
  for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
})

test('--version after a command is that command’s', async () => {
  const { code, out } = await trellis('image', 'sign', 'nowhere', '--log', 'none', '--version', '1.0')
  expect(out).toBe('')
  expect(code).not.toBe(0)
})

test.concurrent.each<[string[], RegExp]>([
  [['dance'], /dance.*trellis --help/],
  [['up'], /--data <dir>/],
  [[], /demo, up, audit, vault, instance, owner, handler, image, release, attest or verify/],
  [['up', '--data'], /--data <dir>/],
  [['audit'], /--vault <id>/],
  [['audit', '--vault', 'alice'], /dir/],
  [['audit', 'folder'], /--vault <id>/],
  [['demo', '--loud'], /--loud.*trellis/],
  [['demo', 'now'], /trellis/],
  [['vault', 'list'], /--data <dir>.*trellis vault list --help/],
  [['vault', 'dance'], /dance.*trellis vault --help/],
  [['vault', 'export', 'alice', '--data', 'x', '--out', 'y'], /--recipient.*--passphrase-file/],
  [['vault', 'import', 'file', '--data', 'x'], /--identity-file.*--passphrase-file/],
  [['vault', 'create', 'bob', '--data', 'x'], /--device-key.*--new-device-key/],
  [['vault', 'create', 'bob', '--data', 'x', '--device-key', 'y', '--pin'], /--protect FILE/],
  [['instance', 'show'], /--data <dir>.*trellis instance show --help/],
  [['instance', 'set', '--data', 'x'], /--sign-ups.*--backup-key/],
  [['instance', 'set', '--data', 'x', '--sign-ups', 'ajar'], /open, closed/],
  [['owner', 'list'], /--device <dir>.*trellis owner list --help/],
  [['owner', 'dance'], /dance.*trellis owner --help/],
  [['owner', 'list', '--device', 'x', '--nats', 'y', '--data', 'z'], /--nats.*--data/],
  [['owner', 'restore', 'entry', 'first', '--device', 'x'], /number from 1/],
  [['owner', 'backup', 'sideways', '--device', 'x'], /in or out/],
  [['owner', 'recover', 'file', '--device', 'x'], /--passphrase-file/],
  [['image', 'build', '--out', 'x', '--release', 'one'], /whole number.*trellis image build --help/],
  [['image', 'sign', 'x', '--log', 'y', '--version', '1'], /--key <file>/],
  [['image', 'eif', 'measure'], /file.*trellis image eif measure --help/],
  [['release', 'show', 'log'], /--release-key <hex>.*trellis release show --help/],
  [['release', 'retire', '-1', '--log', 'x', '--reason', 'y'], /trellis release retire --help/],
  [['release', 'revoke', 'a', '--log', 'x', '--reason', 'y'], /--key <file>/],
  [['attest', '--out', 'x', '--nonce', 'zz'], /hex.*trellis attest --help/],
])('trellis %j is wrong usage: one line that says what to type', async (args, says) => {
  const { code, out, errors } = await trellis(...args)
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(errors).toHaveLength(1)
  expect(errors[0]).toMatch(says)
})

test('trellis up --succeed without a broker says what it needs', async () => {
  const { code, errors } = await trellis('up', '--succeed', '--data', join(folder, 'nowhere'))
  expect({ code, errors }).toEqual({ code: 1, errors: [expect.stringMatching(/--succeed needs --nats/)] })
})

test.each([['up'], ['demo']])('trellis %s on a data folder that is a file says so, and leaves it', async (command) => {
  const file = join(folder, `a file for ${command}`)
  await writeFile(file, 'kept')
  for (const [data, says] of [
    [file, /a file for \w+ cannot be made: it is a file: name another$/],
    [join(file, 'below'), /below cannot be made: it is in no folder: name another$/],
  ] as const) {
    const { code, out, errors } = await trellis(command, '--data', data)
    expect({ code, out, errors }).toEqual({ code: 2, out: '', errors: [expect.stringMatching(says)] })
  }
  expect(await readFile(file, 'utf8')).toBe('kept')
})

describe('trellis audit', () => {
  test('prints the trail and that its chain holds', async () => {
    const { code, out } = await trellis('audit', await copyOfData('good'), '--vault', 'alice')
    expect(code).toBe(0)
    expect(out).toMatch(/field\.put +email +changed/)
    expect(out).toMatch(/chain verified {2}\d+ rows, head [0-9a-f]{16}…/)
  })

  test('of a folder that is not there says so, and makes none', async () => {
    const missing = join(folder, 'missing')
    const { code, errors } = await trellis('audit', missing, '--vault', 'alice')
    expect(code).toBe(1)
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatch(/^trellis: .*missing/)
    await expect(access(missing)).rejects.toThrow()
  })

  test('of a vault that is not there names those that are', async () => {
    const { code, errors } = await trellis('audit', await copyOfData('other'), '--vault', 'bob')
    expect({ code, errors }).toEqual({ code: 1, errors: [expect.stringMatching(/^trellis: no vault bob .*alice/)] })
  })

  test('of a log with a changed byte names the frame', async () => {
    const data = await copyOfData('tampered')
    const bytes = Uint8Array.from(await readFile(join(data, 'log')))
    // Behind what was written the log is zeros.
    const middle = Math.floor(bytes.findLastIndex((byte) => byte !== 0) / 2)
    bytes[middle] = (bytes[middle] ?? 0) ^ 1
    await writeFile(join(data, 'log'), bytes)
    const { code, out, errors } = await trellis('audit', data, '--vault', 'alice')
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatch(/^trellis: .*(frame|byte) \d+/)
  })

  test('of a trail that somebody with the keys has edited names the first bad row', async () => {
    const data = await copyOfData('edited')
    await editRow(data)
    const { code, out, errors } = await trellis('audit', data, '--vault', 'alice')
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(errors).toEqual([expect.stringMatching(/^trellis: .*row 2/)])
  })

  test('of a folder that a host runs on says which process to stop', async () => {
    const { code, errors } = await trellis('audit', world.folder, '--vault', 'alice')
    expect({ code, errors }).toEqual({ code: 1, errors: [expect.stringContaining(`process ${process.pid}`)] })
  })
})

/** Exchanges the second row for the first. */
async function editRow(data: string): Promise<void> {
  await using opened = await openFolder(data, { create: false })
  const vault = await opened.vaults.find('alice')
  const [first, second] = vault?.store.namespace('audit').scan({ prefix: 'row/', limit: 2 }).items ?? []
  if (!vault || !first || !second) throw new Error('no rows')
  await vault.store.commit([{ namespace: 'audit', key: second[0], value: first[1].value }], { now: 0 })
}

describe('trellis up', () => {
  test('runs until SIGTERM, and ends well', async () => {
    const running = startTrellis('up', '--data', await copyOfData('up'), '--image', image, '--trace')
    await until('a host that is ready', () => running.out().includes('"ready"'))
    running.stop()
    const { code, out } = await running.ended
    expect(code).toBe(0)
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown)
    expect(lines).toEqual([
      {
        kind: 'measured',
        measurement: expect.stringMatching(/^[0-9a-f]{96}$/) as string,
        ms: expect.any(Number) as number,
      },
      { kind: 'ready', vaults: ['alice'] },
      { kind: 'stopped' },
    ])
  })

  test('on a folder that a host runs on says which process to stop', async () => {
    const { code, out, errors } = await trellis('up', '--data', world.folder, '--image', image)
    expect({ code, out }).toEqual({ code: 1, out: expect.stringMatching(/^measured in .*\n$/) as string })
    expect(errors).toEqual([expect.stringContaining(`process ${process.pid}`)])
  })

  test('with an image that was changed, or is not there, does not start and names the file', async () => {
    const data = await copyOfData('data')
    const changed = join(folder, 'changed')
    await cp(image, changed, { recursive: true })
    await writeFile(join(changed, 'manifests', 'data-access.json'), '{}')
    const [first, second] = await Promise.all([
      trellis('up', '--data', data, '--image', changed),
      trellis('up', '--data', data, '--image', join(folder, 'none')),
    ])
    expect(first).toEqual({ code: 1, out: '', errors: [expect.stringContaining('manifests/data-access.json')] })
    expect(second).toEqual({ code: 1, out: '', errors: [expect.stringMatching(/image\.json.*build/)] })
  })

  test('with a NATS server that is not there says so', async () => {
    const { code, errors } = await trellis(
      'up',
      '--data',
      join(folder, 'no-bus'),
      '--image',
      image,
      '--nats',
      'nats://127.0.0.1:1',
    )
    expect({ code, errors }).toEqual({ code: 1, errors: [expect.stringMatching(/127\.0\.0\.1:1/)] })
  })
})
