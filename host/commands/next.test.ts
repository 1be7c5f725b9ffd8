/** The image that vaults may move to, as a host is started with it. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { measuresOf } from '#enclave/attestor.ts'
import { type Boot, bootImage } from '#enclave/boot.ts'
import { openRegisters } from '#enclave/registers.ts'
import { OFFER_TEXT_CHARS_MAX } from '#host/contracts/limits.ts'
import { enclavedOf, nextOf, showingOf } from './enclaved.ts'
import { releaseNote } from './image/diff.ts'
import { readMeasured } from './image/read.ts'
import { makeIdleImage, trellis } from './images.fixture.ts'
import { openReleases, RELEASES_FILE } from './releases.ts'

const now = (): number => 1_800_000_000_000
let folder: string
let boot: Boot

const at = (...parts: readonly string[]) => join(folder, ...parts)
const twoKeys = () => ['--key', at('one.key'), '--key', at('two.key')]
const sign = (image: string) =>
  trellis('image', 'sign', at(image), '--log', at('data', RELEASES_FILE), '--version', image, ...twoKeys())
const releasesNow = () => openReleases(boot.image, { data: at('data'), warn: () => undefined })
const next = async (image: string) => nextOf(boot, { folder: at(image), releases: await releasesNow() })
const refused = (why: RegExp) =>
  expect.objectContaining({ code: 'release-refused', message: expect.stringMatching(why) })

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trellis-next-'))
  await mkdir(at('data'))
  const keys = []
  for (const name of ['one', 'two', 'three', 'four']) {
    keys.push((await trellis('release', 'key', '--out', at(`${name}.key`))).out)
  }
  const releaseKeys = keys.slice(0, 2).toSorted()
  const policy = { releaseKeys, minimumRelease: 3 }
  await makeIdleImage(at('first'), [{ id: 'kept' }, { id: 'gone' }], { release: 1, policy })
  const handlers = [{ id: 'kept', code: 'other' }, { id: 'new' }]
  for (const [name, release] of [
    ['second', 2],
    ['third', 3],
    ['fourth', 4],
    ['unsigned', 5],
  ] as const) {
    await makeIdleImage(at(name), handlers, { release, policy })
  }
  boot = await bootOf('first')
  for (const image of ['first', 'second', 'third', 'fourth']) expect(await sign(image)).toMatchObject({ code: 0 })
})
afterAll(() => rm(folder, { recursive: true }))

async function bootOf(image: string): Promise<Boot> {
  const registers = openRegisters()
  return bootImage(at(image), {
    measures: measuresOf(registers),
    registers,
    runtime: () => Promise.reject(new Error('none')),
    monotonic: () => 0,
  })
}

describe('the next image', () => {
  test('is measured, found in the log, and told in words without colour', async () => {
    const { release, changes } = await next('third')
    expect(release).toMatchObject({ id: 'third', serial: 3 })
    expect(changes).toContain('removed  gone 1.0.0')
    expect(changes).toContain('added  new 1.0.0')
    expect(changes).toContain('changed  kept 1.0.0')
    expect(changes).not.toContain('\u001b')
  })

  test('is refused when it is not in the log, or below what the running image asks for', async () => {
    await expect(next('unsigned')).rejects.toEqual(refused(/no active release/))
    await expect(next('second')).rejects.toEqual(refused(/no active release/))
    const handlers = [{ id: 'kept', code: 'flipped' }]
    await makeIdleImage(at('other'), handlers, { release: 4 })
    await expect(next('other')).rejects.toEqual(refused(/no active release/))
  })

  test('is refused when a file in it was changed', async () => {
    await makeIdleImage(at('torn'), [{ id: 'kept' }], { release: 4 })
    await writeFile(at('torn/components/kept.wasm'), 'torn')
    await expect(next('torn')).rejects.toMatchObject({ code: 'image-changed' })
  })

  test('is offered no more when its release is withdrawn while the host runs', async () => {
    const releases = await releasesNow()
    const about = { folder: at('data'), now, random: (n: number) => new Uint8Array(n) }
    const to = await nextOf(boot, { folder: at('fourth'), releases })
    const enclaved = await enclavedOf(boot, { ...about, warn: () => undefined, releases, next: to })?.()
    const successor = enclaved?.successor
    if (!successor) throw new Error('no successor')
    expect(enclaved.releases.find(successor.measurement)).toMatchObject({ id: 'fourth', serial: 4 })
    expect(successor.release.serial).toBe(4)
    const retire = ['release', 'retire', '4', '--log', at('data', RELEASES_FILE), '--reason', 'a mistake']
    expect(await trellis(...retire, ...twoKeys())).toMatchObject({ code: 0 })
    expect((await releasesNow()).find(successor.measurement)).toBeUndefined()
    await expect(next('fourth')).rejects.toEqual(refused(/no active release/))
  })

  test('no release of other keys is one', async () => {
    const log = at('strangers.jsonl')
    const strangers = ['--key', at('three.key'), '--key', at('four.key')]
    await trellis('image', 'sign', at('third'), '--log', log, '--version', '3', ...strangers)
    await mkdir(at('forged'))
    await writeFile(at('forged', RELEASES_FILE), await readFile(log))
    await expect(openReleases(boot.image, { data: at('forged'), warn: () => undefined })).rejects.toEqual(
      refused(/release-unsigned/),
    )
  })
})

test('a release note that is too long for an offer is cut, and says so', async () => {
  const [before, after] = [await readMeasured(at('first')), await readMeasured(at('third'))]
  const whole = releaseNote(before, after, OFFER_TEXT_CHARS_MAX)
  const cut = releaseNote(before, after, whole.length - 1)
  expect(cut).toHaveLength(whole.length - 1)
  expect(cut).toMatch(/there is more: trellis image diff shows all of it$/)
})

test('an image that no log names shows evidence and no release', async () => {
  const plain = await bootOf('unsigned')
  const releases = await releasesNow()
  const showing = await showingOf(plain, { folder: at('data'), now, releases })
  const asked = { nonce: new Uint8Array(32), userData: new Uint8Array(48), handler: null, logSize: 0 }
  const first = await showingOf(boot, { folder: at('data'), now, releases })
  expect((await showing.show(asked)).length).toBeLessThan((await first.show(asked)).length)
})
