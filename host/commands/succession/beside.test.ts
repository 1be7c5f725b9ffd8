/** The image that waits, as the one that runs finds it over a real socket. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import type { Boot } from '#enclave/boot.ts'
import { answerSocket } from '#enclave/unix-socket.ts'
import { OFFER_TEXT_CHARS_MAX } from '#host/contracts/limits.ts'
import type { Successor } from '#host/vault/sealing/succession.ts'
import { random } from '#host/world.fixture.ts'
import { showingOf, successorOf } from '../enclaved.ts'
import { releaseNote } from '../image/diff.ts'
import { measuredOf } from '../image/read.ts'
import { trellis } from '../images.fixture.ts'
import { openReleases, type Releases, RELEASES_FILE } from '../releases.ts'
import { lookBeside } from './beside.ts'
import { encodeDone, socketIn } from './questions.ts'
import { measurementOf, now, type Provided, provided } from './waiting.fixture.ts'
import type { WaitingOptions } from './waiting.ts'

let images: Provided
let [first, second, third, fourth, unsigned]: Boot[] = []

const NEXT = [{ id: 'kept', code: 'other' }, { id: 'new' }]
const refused = (why: RegExp) =>
  expect.objectContaining({ code: 'release-refused', message: expect.stringMatching(why) })

function made(boot: Boot | undefined): Boot {
  if (boot) return boot
  throw new Error('not made')
}

beforeAll(async () => {
  images = await provided()
  first = await images.make('first', { handlers: [{ id: 'kept' }, { id: 'gone' }], release: 1 })
  second = await images.make('second', { handlers: NEXT, release: 2 })
  third = await images.make('third', { handlers: NEXT, release: 3 })
  fourth = await images.make('fourth', { handlers: NEXT, release: 4 })
  unsigned = await images.make('unsigned', { handlers: NEXT, release: 5, isReleased: false })
})
afterAll(() => images[Symbol.asyncDispose]())

/** What the first image finds beside it, and what it warns of. */
async function found(
  waits: Partial<Pick<WaitingOptions, 'enclave' | 'image'>> & { boot: Boot | undefined; releases?: Releases },
): Promise<{ successor: Successor | undefined; warnings: readonly string[] }> {
  const boot = made(waits.boot)
  const { enclave = await images.enclaveOf(boot, 9), image = boot.image } = waits
  await using waiting = await images.wait({ enclave, image })
  expect(waiting).toBeDefined()
  const warnings: string[] = []
  const look = lookBeside({
    socket: socketIn(images.at('data')),
    enclave: await images.enclaveOf(made(first), 1),
    image: measuredOf(made(first).image),
    releases: waits.releases ?? (await images.releasesFor(made(first))),
    random,
    warn: (line) => void warnings.push(line),
  })
  const successor = await look()
  // It is the same one, and what is wrong with it is said once.
  expect(await look()).toBe(successor)
  return { successor, warnings }
}

describe('the image that waits', () => {
  test('is measured by its evidence, found in the log, and told in words without colour', async () => {
    const { successor, warnings } = await found({ boot: third })
    expect(warnings).toEqual([])
    expect(successor).toMatchObject({ measurement: measurementOf(made(third)), release: { id: 'third', serial: 3 } })
    expect(successor?.changes).toContain('removed  gone 1.0.0')
    expect(successor?.changes).toContain('added  new 1.0.0')
    expect(successor?.changes).toContain('changed  kept 1.0.0')
    expect(successor?.changes).not.toContain('\u001b')
  })

  test('is nothing when nobody waits, and what was found is gone with it', async () => {
    const { successor } = await found({ boot: third })
    const gone = await successor?.present('alice', random(32)).catch((error: unknown) => error)
    expect(gone).toMatchObject({ code: 'move-refused', message: expect.stringContaining('went away') })
  })

  test('is nothing when it is not in the log, or below what the running image asks for', async () => {
    for (const boot of [unsigned, second]) {
      const { successor, warnings } = await found({ boot })
      expect([successor, warnings]).toEqual([undefined, [expect.stringMatching(/no active release/)]])
    }
  })

  test.each<[string, (boot: Boot) => Promise<Parameters<typeof found>[0]>, RegExp]>([
    [
      'shows another listing than it is measured to',
      async (boot) => ({ boot: third, enclave: await images.enclaveOf(boot, 4) }),
      /shows another listing/,
    ],
    [
      'shows another manifest than is listed',
      async (boot) => ({ boot, image: { ...boot.image, read: () => new TextEncoder().encode('{}') } }),
      /shows another manifests\/kept.json/,
    ],
    [
      'has evidence of another installation',
      async (boot) => {
        await mkdir(images.at('elsewhere'), { recursive: true })
        return { boot, enclave: await images.enclaveOf(boot, 4, images.at('elsewhere')) }
      },
      /key-unknown|not one of/,
    ],
    [
      'has evidence for another question',
      async (boot) => {
        const enclave = await images.enclaveOf(boot, 4)
        return { boot, enclave: { ...enclave, attest: (asked) => enclave.attest({ ...asked, nonce: random(32) }) } }
      },
      /nonce/,
    ],
  ])('that %s is nothing', async (_, change, why) => {
    const { successor, warnings } = await found(await change(made(fourth)))
    expect([successor, warnings]).toEqual([undefined, [expect.stringMatching(why)]])
  })

  test('is offered no more when its release is withdrawn while it waits', async () => {
    const releases = await images.releasesFor(made(first))
    const { successor } = await found({ boot: fourth, releases })
    if (!successor) throw new Error('no successor')
    expect(releases.find(successor.measurement)).toMatchObject({ id: 'fourth', serial: 4 })
    const retire = ['release', 'retire', '4', '--log', images.at('data', RELEASES_FILE), '--reason', 'a mistake']
    expect(await trellis(...retire, ...images.twoKeys)).toMatchObject({ code: 0 })
    expect((await images.releasesFor(made(first))).find(successor.measurement)).toBeUndefined()
    expect((await found({ boot: fourth })).successor).toBeUndefined()
  })

  test('that leaves out a part of its answer is nothing', async () => {
    const socket = images.at('short.sock')
    await using server = await answerSocket(socket, () => Promise.resolve(encodeDone([])), {
      bytesMax: 9,
      silentMsMax: 9_000,
    })
    expect(server).toBeDefined()
    const enclave = await images.enclaveOf(made(first), 1)
    const releases = await images.releasesFor(made(first))
    const look = lookBeside({ socket, enclave, image: measuredOf(made(first).image), releases, random, warn: () => {} })
    expect(await look()).toBeUndefined()
  })

  test('must be a release itself, and have a seal', async () => {
    const about = { folder: images.at('data'), now, random, warn: () => undefined }
    const asks = async (boot: Boot) => successorOf(boot, { ...about, releases: await images.releasesFor(boot) })
    expect((await asks(made(third))).release).toMatchObject({ id: 'third', serial: 3 })
    await expect(asks(made(unsigned))).rejects.toEqual(refused(/no active release/))
    await expect(asks({ ...made(third), registers: undefined })).rejects.toMatchObject({ code: 'move-refused' })
  })
})

test('no release of other keys is one', async () => {
  const log = images.at('strangers.jsonl')
  const strangers = ['three', 'four'].map((name) => images.at(`${name}.key`))
  for (const key of strangers) await trellis('release', 'key', '--out', key)
  const keys = strangers.flatMap((key) => ['--key', key])
  await trellis('image', 'sign', images.at('third'), '--log', log, '--version', '3', ...keys)
  await mkdir(images.at('forged'))
  await writeFile(images.at('forged', RELEASES_FILE), await readFile(log))
  await expect(openReleases(made(first).image, { data: images.at('forged'), warn: () => undefined })).rejects.toEqual(
    refused(/release-unsigned/),
  )
})

test('a release note that is too long for an offer is cut, and says so', () => {
  const [before, after] = [measuredOf(made(first).image), measuredOf(made(third).image)]
  const whole = releaseNote(before, after, OFFER_TEXT_CHARS_MAX)
  const cut = releaseNote(before, after, whole.length - 1)
  expect(cut).toHaveLength(whole.length - 1)
  expect(cut).toMatch(/there is more: trellis image diff shows all of it$/)
})

test('an image that no log names shows evidence and no release', async () => {
  const asked = { nonce: new Uint8Array(32), userData: new Uint8Array(48), handler: null, logSize: 0 }
  const shown = async (boot: Boot) => {
    const about = { folder: images.at('data'), now, releases: await images.releasesFor(made(first)) }
    return (await showingOf(boot, about)).show(asked)
  }
  expect((await shown(made(unsigned))).length).toBeLessThan((await shown(made(first))).length)
})
