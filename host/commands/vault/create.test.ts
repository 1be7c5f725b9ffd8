import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'

import { generateSigningKey } from '#host/crypto/sign.ts'
import { decodeProtected } from '#host/storage/protected.ts'
import { codeOf } from '#host/vault/sealing/installation.fixture.ts'
import { readMeasured } from '../image/read.ts'
import { makeIdleImage } from '../images.fixture.ts'
import { openFolder } from '../open.ts'
import { type CreateOptions, createVault } from './create.ts'

let folder: string
let data: string
const at = (name: string) => join(folder, name)
const said: string[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trellis-create-'))
  await makeIdleImage(at('image'), [{ id: 'one' }])
  await writeFile(at('verify.key'), generateSigningKey().publicKey)
  vi.spyOn(console, 'log').mockImplementation((line: string) => void said.push(line))
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
beforeEach(async () => {
  said.length = 0
  data = await mkdtemp(join(folder, 'data-'))
})
afterAll(async () => {
  vi.restoreAllMocks()
  await rm(folder, { recursive: true })
})

const create = (options: Partial<CreateOptions> = {}) =>
  createVault('alice', { data, device: 'phone', deviceKey: at('verify.key'), image: at('image'), ...options })

async function found(): Promise<string> {
  await using opened = await openFolder(data, { create: false })
  return await codeOf(opened.vaults.find('alice'))
}

test('a vault opens with the folder’s key; one that its owner protects is never kept under it', async () => {
  await create()
  expect([await found(), said]).toEqual(['done', [expect.stringMatching(/^alice {2}[0-9a-f]{64}$/u)]])
  data = await mkdtemp(join(folder, 'data-'))
  await create({ protect: at('drawn') })
  expect(await found()).toBe('vault-locked')
  expect(said.at(-1)).toBe(`protected: it opens with this image, the secret in ${at('drawn')}`)
  expect([(await readFile(at('drawn'))).length, (await stat(at('drawn'))).mode & 0o777]).toEqual([32, 0o600])
  const { seats } = decodeProtected(new Uint8Array(await readFile(join(data, 'vaults', 'alice.key'))))
  expect(seats.map((seat) => seat.measurement)).toEqual([(await readMeasured(at('image'))).measurement])
})

test('a secret that is there is taken as it is, and refused when others may read it', async () => {
  const secret = Buffer.alloc(32, 7)
  await writeFile(at('mine'), secret, { mode: 0o600 })
  await create({ protect: at('mine') })
  expect(await readFile(at('mine'))).toEqual(secret)
  await chmod(at('mine'), 0o644)
  expect(await codeOf(create({ protect: at('mine') }))).toBe('key-missing')
})

test('without the image nothing is made: neither protected nor not', async () => {
  expect(await codeOf(create({ protect: at('late'), image: at('none') }))).toBe('image-missing')
  expect(await found()).toBe('done')
  await using opened = await openFolder(data, { create: false })
  expect(await opened.vaults.names()).toEqual([])
})
