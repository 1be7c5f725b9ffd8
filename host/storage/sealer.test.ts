import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { memorySealer, softwareSealer } from './sealer.ts'
import { seededRandom, utf8 } from './vault-store.fixture.ts'

let folder: string
let path: string
const random = seededRandom('sealer')

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trellis-sealer-'))
  path = join(folder, 'sealer.key')
})
afterEach(() => rm(folder, { recursive: true }))

const missing = (message: string) => ({ code: 'key-missing', message: expect.stringContaining(message) })

describe('a sealed key', () => {
  const sealer = memorySealer(random)

  it('opens for the context it was sealed for, and no other', () => {
    const blob = sealer.seal(utf8('secret'), 'vault/alice')
    expect(sealer.open(blob, 'vault/alice')).toEqual(utf8('secret'))
    expect(() => sealer.open(blob, 'vault/bob')).toThrow(expect.objectContaining(missing('vault/bob')))
    expect(() => memorySealer(random).open(blob, 'vault/alice')).toThrow(
      expect.objectContaining(missing('vault/alice')),
    )
  })

  it('shows nothing of the secret, and looks different each time', () => {
    const [one, two] = [sealer.seal(utf8('secret'), 'c'), sealer.seal(utf8('secret'), 'c')]
    expect(one).not.toEqual(two)
    expect(Buffer.from(one).includes('secret')).toBe(false)
  })

  it('opens with no byte changed, added or cut', () => {
    const blob = sealer.seal(utf8('secret'), 'c')
    fc.assert(
      fc.property(fc.nat({ max: blob.length * 8 - 1 }), fc.nat({ max: blob.length - 1 }), (bit, size) => {
        const changed = blob.slice()
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        for (const wrong of [changed, blob.subarray(0, size), Uint8Array.from([...blob, 0])]) {
          expect(() => sealer.open(wrong, 'c')).toThrow(expect.objectContaining({ code: 'key-missing' }))
        }
      }),
    )
  })
})

describe('the software sealer', () => {
  it('makes its key once, for its owner alone, and opens with it ever after', async () => {
    const first = await softwareSealer(path, { random, create: true })
    expect(first.kind).toBe('software')
    const { mode, size } = await stat(path)
    expect([mode & 0o777, size]).toEqual([0o600, 32])
    const blob = first.seal(utf8('secret'), 'c')
    for (const create of [true, false]) {
      expect((await softwareSealer(path, { random, create })).open(blob, 'c')).toEqual(utf8('secret'))
    }
    expect(await readdir(folder)).toEqual(['sealer.key'])
  })

  it('gives all who make it at once the same key', async () => {
    const sealers = await Promise.all([1, 2, 3, 4].map(() => softwareSealer(path, { random, create: true })))
    const blob = sealers[0]?.seal(utf8('secret'), 'c') ?? new Uint8Array(0)
    for (const sealer of sealers) expect(sealer.open(blob, 'c')).toEqual(utf8('secret'))
    expect(await readdir(folder)).toEqual(['sealer.key'])
  })

  it('makes none where one was expected', async () => {
    await expect(softwareSealer(path, { random, create: false })).rejects.toMatchObject(missing('is absent'))
    expect(await readdir(folder)).toEqual([])
  })

  it('refuses a key that others may read', async () => {
    await softwareSealer(path, { random, create: true })
    for (const mode of [0o640, 0o604, 0o620, 0o601]) {
      await chmod(path, mode)
      const refused = softwareSealer(path, { random, create: true })
      await expect(refused).rejects.toMatchObject(missing(`mode ${mode.toString(8)}`))
    }
  })

  it('refuses a damaged key and a link, and leaves them as they are', async () => {
    await writeFile(path, 'short', { mode: 0o600 })
    await expect(softwareSealer(path, { random, create: true })).rejects.toMatchObject(missing('5 bytes'))
    expect(await readFile(path, 'utf8')).toBe('short')
    await symlink(path, join(folder, 'link'))
    const linked = softwareSealer(join(folder, 'link'), { random, create: true })
    await expect(linked).rejects.toMatchObject(missing('could not be opened'))
  })
})
