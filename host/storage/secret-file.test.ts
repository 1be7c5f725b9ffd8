/** Beside `sealer.test.ts`: nothing is replaced, and a folder that is not there is named. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { makeSecretFile, readSecretFile } from './secret-file.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trellis-secret-'))
})
afterAll(() => rm(folder, { recursive: true }))

const of = (byte: number) => (length: number) => new Uint8Array(length).fill(byte)

test('a secret that is there is never replaced', async () => {
  const file = join(folder, 'a.key')
  expect(await readSecretFile(file)).toBeUndefined()
  expect(await makeSecretFile(file, of(1))).toBe(true)
  expect(await makeSecretFile(file, of(2))).toBe(false)
  expect(await readSecretFile(file)).toEqual(of(1)(32))
  expect(await readdir(folder)).toEqual(['a.key'])
})

test('a folder that is not there is named', async () => {
  const refused = makeSecretFile(join(folder, 'none', 'a.key'), of(1))
  await expect(refused).rejects.toMatchObject({ code: 'key-missing', message: expect.stringContaining('none/a.key') })
})
