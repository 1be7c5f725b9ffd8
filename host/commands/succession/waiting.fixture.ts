/** Images of one provider beside each other, each booted as `up` does, and a data folder for them. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect } from 'vitest'

import type { Boot } from '#enclave/boot.ts'
import { softwareMeasurement } from '#enclave/measure.ts'
import type { Enclave } from '#host/crypto/enclave.ts'
import { random } from '#host/world.fixture.ts'
import { openAttestorKey } from '../attest.ts'
import { openEnclave } from '../enclaved.ts'
import { type ImageHandler, makeIdleImage, trellis } from '../images.fixture.ts'
import { openReleases, type Releases, RELEASES_FILE } from '../releases.ts'
import { bootIdle } from './idle.fixture.ts'
import { waitBeside, type Waiting, type WaitingOptions } from './waiting.ts'

export const now = (): number => 1_800_000_000_000

export interface Provided extends AsyncDisposable {
  /** A path inside the folder of all of it. */
  at(...parts: readonly string[]): string
  /** Options that name both release keys. */
  readonly twoKeys: readonly string[]
  /** Makes an image and boots it; `isReleased` puts it into the log. */
  make(name: string, image: MadeImage): Promise<Boot>
  releasesFor(boot: Boot): Promise<Releases>
  /** What an image is beside another. */
  enclaveOf(boot: Boot, release: number, folder?: string): Promise<Enclave>
  wait(options: Pick<WaitingOptions, 'enclave' | 'image'> & Partial<WaitingOptions>): Promise<Waiting>
}

interface MadeImage {
  readonly handlers: readonly ImageHandler[]
  readonly release: number
  readonly minimumRelease?: number
  readonly isReleased?: boolean
}

/** `at('data')` is the data folder. */
export async function provided(): Promise<Provided> {
  const folder = await mkdtemp(join(tmpdir(), 'trellis-beside-'))
  const at = (...parts: readonly string[]) => join(folder, ...parts)
  await mkdir(at('data'))
  await openAttestorKey(at('data'), () => undefined)
  const keys: string[] = []
  for (const name of ['one', 'two']) keys.push((await trellis('release', 'key', '--out', at(`${name}.key`))).out)
  const twoKeys = ['--key', at('one.key'), '--key', at('two.key')]
  return {
    at,
    twoKeys,
    async make(name, { handlers, release, minimumRelease = 3, isReleased = true }) {
      const policy = { releaseKeys: keys.toSorted(), minimumRelease }
      await makeIdleImage(at(name), handlers, { release, policy })
      const log = ['--log', at('data', RELEASES_FILE), '--version', name]
      if (isReleased) expect(await trellis('image', 'sign', at(name), ...log, ...twoKeys)).toMatchObject({ code: 0 })
      return bootIdle(at(name))
    },
    releasesFor: ({ image }) => openReleases(image, { data: at('data'), warn: () => undefined }),
    enclaveOf({ registers, measure }, serial, data = at('data')) {
      if (!registers) throw new Error('no registers')
      const release = { id: `${serial}`, root: measure.root, serial }
      return openEnclave({ registers, release }, { folder: data, now, random, warn: () => undefined })
    },
    wait: (options) =>
      waitBeside({ folder: at('data'), pid: process.pid, now, random, tell: () => undefined, ...options }),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  }
}

export const measurementOf = ({ measure }: Boot): Uint8Array => softwareMeasurement(measure)
