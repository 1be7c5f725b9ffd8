/** No byte of an image is without meaning: flipped, it is refused or is another measurement. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { Refusal } from '#host/errors.ts'
import { measuresOf } from './attestor.ts'
import { bootImage } from './boot.ts'
import { buildImage, writeImage } from './image.ts'
import { decodeListing } from './listing.ts'
import { measureImage, softwareMeasurement } from './measure.ts'
import { IMAGE_REGISTER } from './measurement.ts'
import { openRegisters } from './registers.ts'

const RUNTIME = { version: '26.10.0', platform: 'linux', arch: 'x64', size: 3, sha384: 'c'.repeat(96) }
const CORE = [{ size: 700, sha384: 'd'.repeat(96) }]
const FILES = {
  'components/echo.wasm': Uint8Array.from({ length: 700 }, (_, index) => (index * 31) % 256),
  'host/main.mjs': new TextEncoder().encode('export const run = () => {}'),
  'manifests/echo.json': new TextEncoder().encode('{"handler":"echo","version":"1.0.0"}'),
  'wit/world.wit': new TextEncoder().encode('package trellis:handler@0.1.0;'),
}
/** Two thousand boots, on a machine with other work. */
const SLOW_MS = 240_000
const LEAST_FLIPS = 2_000

let root: string
let measurement: string
let listing: Uint8Array

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'trellis-mutation-'))
  for (const [path, bytes] of Object.entries(FILES)) {
    await mkdir(join(root, path, '..'), { recursive: true })
    await writeFile(join(root, path), bytes)
  }
  const policy = { releaseKeys: ['a'.repeat(64), 'b'.repeat(64)], minimumRelease: 4 }
  const parts = { release: 5, runtime: RUNTIME, policy, core: new Map([['echo', CORE]]) }
  await writeImage(root, await buildImage(root, Object.keys(FILES), parts))
  listing = new Uint8Array(await readFile(join(root, 'image.json')))
  measurement = await boot()
})
afterAll(() => rm(root, { recursive: true }))

const runsHere = async () => RUNTIME

/** The measurement, or `refused`. A refusal left the registers as they were. */
async function boot(): Promise<string> {
  const registers = openRegisters()
  const options = { measures: measuresOf(registers), registers, runtime: runsHere, monotonic: () => 0 }
  try {
    return softwareMeasurement((await bootImage(root, options)).measure).toHex()
  } catch (error) {
    expect(error).toBeInstanceOf(Refusal)
    expect(
      registers
        .read()
        .get(IMAGE_REGISTER)
        ?.every((byte) => byte === 0),
    ).toBe(true)
    return 'refused'
  }
}

/** Every bit of a byte in turn, as the bytes go by. */
function flipped(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.with(at, (bytes[at] ?? 0) ^ (1 << (at % 8)))
}

test(
  'each byte of image.json and of a handler, flipped in turn, is refused or is another measurement',
  {
    timeout: SLOW_MS,
  },
  async () => {
    let flips = 0
    const places = { 'image.json': listing, ...FILES }
    for (const [path, bytes] of Object.entries(places)) {
      for (let at = 0; at < bytes.length; at++) {
        await writeFile(join(root, path), flipped(bytes, at))
        expect(await boot(), `${path}, byte ${at}`).not.toBe(measurement)
        flips += 1
      }
      await writeFile(join(root, path), bytes)
    }
    expect(flips).toBeGreaterThan(LEAST_FLIPS)
    expect(await boot()).toBe(measurement)
  },
)

test('every bit of a listing is read: no other text says the same', () => {
  let others = 0
  for (let bit = 0; bit < listing.length * 8; bit++) {
    const at = bit >> 3
    const other = listing.with(at, (listing[at] ?? 0) ^ (1 << (bit & 7)))
    try {
      expect(softwareMeasurement(measureImage(decodeListing(other))).toHex(), `bit ${bit}`).not.toBe(measurement)
      others += 1
    } catch (error) {
      expect(error).toBeInstanceOf(Refusal)
    }
  }
  // Digits of digests, versions and sizes: there are such.
  expect(others).toBeGreaterThan(100)
})
