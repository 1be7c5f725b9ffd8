import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

import { signHandler } from '#enclave/author.ts'
import { buildImage, openImage, writeImage } from '#enclave/image.ts'
import { makeIdleImage, trellis } from './images.fixture.ts'
import { readKeyFile } from './release/key-files.ts'
import { openReleases, RELEASES_FILE } from './releases.ts'

const PATIENCE = { timeout: 10_000, interval: 5 }

let folder: string
let keys: readonly string[]

const at = (...parts: readonly string[]) => join(folder, ...parts)
const twoKeys = () => ['--key', at('one.key'), '--key', at('two.key')]
const believed = () => keys.flatMap((key) => ['--release-key', key])
const sign = (image: string, log: string, ...more: readonly string[]) =>
  trellis('image', 'sign', at(image), '--log', at(log), '--version', '1.0', ...twoKeys(), ...more)
const revoke = (handler: string, log: string, ...more: readonly string[]) =>
  trellis('release', 'revoke', handler, '--log', at(log), '--reason', 'it leaks', ...twoKeys(), ...more)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trellis-release-'))
  const made = []
  for (const name of ['one', 'two', 'stranger', 'other']) {
    made.push((await trellis('release', 'key', '--out', at(`${name}.key`))).out)
  }
  keys = made.slice(0, 2)
  const policy = { releaseKeys: keys.toSorted(), minimumRelease: 0 }
  const handlers = [{ id: 'bad' }, { id: 'good', changes: { version: '1.4.0' } }]
  await makeIdleImage(at('plain'), handlers)
  await makeIdleImage(at('first'), handlers, { release: 1, policy })
  await makeIdleImage(at('second'), [{ id: 'good', code: 'new' }], { release: 2, policy })
})
afterAll(() => rm(folder, { recursive: true }))

describe('trellis release', () => {
  test('two keys sign what images are released, withdrawn and revoked; anybody can check it', async () => {
    expect((await sign('first', 'log')).out).toContain('release 1 (1.0)  entry 1')
    expect((await sign('second', 'log', '--notes', 'without bad')).code).toBe(0)
    expect((await revoke('bad', 'log', '--below', '1.4.1')).out).toContain('revoke  entry 3')
    const retired = await trellis('release', 'retire', '1', '--log', at('log'), '--reason', 'it leaks', ...twoKeys())
    expect(retired.code).toBe(0)
    const shown = await trellis('release', 'show', at('log'), ...believed())
    expect(shown.out).toMatch(/release +2 \(1\.0\) +root [0-9a-f]{16}… without bad/)
    expect(shown.out).toMatch(/revoke +bad +below 1\.4\.1: it leaks/)
    expect(shown.out).toContain('verified  4 entries')
    const { size, entries } = JSON.parse((await trellis('release', 'show', at('log'), ...believed(), '--json')).out)
    expect([size, entries[0].root]).toEqual([4, JSON.parse((await inspected('first')).out).root])
  })

  test.each<[string, RegExp, () => ReturnType<typeof trellis>]>([
    [
      'one key',
      /give 2 keys/,
      () => trellis('image', 'sign', at('first'), '--log', at('new'), '--version', '1', '--key', at('one.key')),
    ],
    ['an image without a number', /build it with --release/, () => sign('plain', 'new')],
    ['a release that is there', /release-order.*releases 2 after 2/, () => sign('second', 'log')],
    ['a key that is none', /5 bytes, not 32/, () => sign('first', 'new', '--key', at('short.key'))],
    ['a key open to others', /chmod 600/, () => sign('first', 'new', '--key', at('open.key'))],
    ['too many measurements', /at most 7/, () => sign('first', 'new', ...measurements(8))],
    ['a measurement that is none', /release-malformed/, () => sign('first', 'new', '--measurement', 'ff')],
    ['a handler that has no such name', /release-malformed/, () => revoke('No Handler', 'new')],
    [
      'a log of other keys',
      /release-unsigned/,
      () => trellis('release', 'show', at('log'), '--release-key', 'ab'.repeat(32)),
    ],
    [
      'a key over another file',
      /no key was made.*there already/,
      () => trellis('release', 'key', '--out', at('one.key')),
    ],
  ])('%s is refused, and nothing is written', async (_, message, run) => {
    await writeFile(at('short.key'), 'short', { mode: 0o600 })
    await writeFile(at('open.key'), new Uint8Array(32), { mode: 0o600 })
    await chmod(at('open.key'), 0o644)
    const before = await readFile(at('log'))
    const { code, errors } = await run()
    expect([code, errors.join()]).toEqual([1, expect.stringMatching(message)])
    expect(await readFile(at('log'))).toEqual(before)
    await expect(readFile(at('new'))).rejects.toThrow('ENOENT')
  })
})

describe('an author’s signature', () => {
  test('travels with the image and is shown', async () => {
    const image = await signedImage('authored', 'code')
    const { handlers } = JSON.parse((await trellis('image', 'inspect', image, '--json')).out)
    expect(handlers.map(({ author }: { author: string | null }) => author)).toEqual([keys[0], null])
    expect((await trellis('image', 'inspect', image)).out).toContain(keys[0]?.slice(0, 16))
  })

  test('over another component makes no image', async () => {
    const { code, errors } = await trellis('image', 'verify', await signedImage('forged', 'other code'))
    expect([code, errors.join()]).toEqual([1, expect.stringContaining('signatures/good.sig')])
  })
})

describe('a host beside a release log', () => {
  test('does not run what was revoked, and says why', async () => {
    const log = await folderOf('data')
    expect((await opened('data')).releases.revoked.size).toBe(0)
    await revoke('good', log, '--below', '1.4.0')
    expect((await opened('data')).releases.revoked.size).toBe(0)
    await revoke('bad', log)
    const { releases, lines } = await opened('data')
    expect([...releases.revoked]).toEqual(['bad'])
    expect(lines).toEqual(['handler bad 1.0.0 does not run: it leaks'])
  })

  test('takes a handler away while it runs', async () => {
    const log = await folderOf('live')
    const { releases } = await opened('live')
    const told: string[][] = []
    using _watch = releases.watch((revoked) => told.push([...revoked]))
    await revoke('bad', log)
    await vi.waitFor(() => expect(told).toHaveLength(1), PATIENCE)
    expect(told).toEqual([['bad']])
  })

  test('keeps what was revoked when the log is gone, shorter, or another', async () => {
    const log = await folderOf('kept')
    await revoke('bad', log)
    await sign('first', log)
    const { releases, lines } = await opened('kept')
    using _watch = releases.watch(() => undefined)
    const whole = await readFile(at(log))
    await writeFile(at(log), whole.subarray(0, whole.indexOf(10) + 1))
    await vi.waitFor(() => expect(lines.join()).toContain('has 1 entries, 2 were seen'), PATIENCE)
    await rm(at(log))
    await vi.waitFor(() => expect(lines.join()).toContain('is gone'), PATIENCE)
    await sign('first', log)
    await sign('second', log)
    await vi.waitFor(() => expect(lines.join()).toContain('is not the one that had 2 entries'), PATIENCE)
    expect([...releases.revoked]).toEqual(['bad'])
  })

  test('warns that its own release was withdrawn', async () => {
    const log = await folderOf('old')
    await sign('first', log)
    await trellis('release', 'retire', '1', '--log', at(log), '--reason', 'it leaks', ...twoKeys())
    expect((await opened('old')).lines).toEqual(['release 1 was withdrawn: it leaks: move to a newer one'])
  })

  test('believes only the keys of its image', async () => {
    const log = await folderOf('strange')
    const others = ['--key', at('stranger.key'), '--key', at('other.key')]
    await trellis('release', 'revoke', 'bad', '--log', at(log), '--reason', 'no', ...others)
    await expect(opened('strange')).rejects.toMatchObject({ code: 'release-refused' })
    const { releases, lines } = await opened('strange', 'plain')
    expect(releases.revoked.size).toBe(0)
    expect(lines).toEqual([expect.stringContaining('the image lists no release keys')])
  })
})

function inspected(name: string) {
  return trellis('image', 'inspect', at(name), '--json')
}

function measurements(count: number): readonly string[] {
  return Array.from({ length: count }, () => ['--measurement', 'ab'.repeat(48)]).flat()
}

/** The releases of a data folder, read often, and what was said about them. */
async function opened(name: string, image = 'first') {
  const lines: string[] = []
  const releases = await openReleases(await openImage(at(image)), {
    data: at(name),
    warn: (line) => lines.push(line),
    pollMs: 5,
  })
  return { releases, lines }
}
/** A new data folder. @returns where its log would be, below `folder` */
async function folderOf(name: string): Promise<string> {
  await rm(at(name), { recursive: true, force: true })
  await mkdir(at(name))
  return join(name, RELEASES_FILE)
}

/** An image with the first key’s signature over one handler, of this component. */
async function signedImage(name: string, component: string): Promise<string> {
  const handlers = [{ id: 'good' }, { id: 'plain' }]
  await makeIdleImage(at(name), handlers)
  const manifest = await readFile(at(name, 'manifests/good.json'))
  const key = await readKeyFile(at('one.key'))
  const file = signHandler({ id: 'good', manifest, component: new TextEncoder().encode(component) }, key)
  await mkdir(at(name, 'signatures'))
  await writeFile(at(name, 'signatures/good.sig'), file)
  const paths = ['components/good.wasm', 'components/plain.wasm', 'manifests/good.json', 'manifests/plain.json']
  await writeImage(at(name), await buildImage(at(name), [...paths, 'signatures/good.sig', 'wit/world.wit']))
  return at(name)
}
