import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { flush, flushElsewhere } from './flush.ts'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trellis-flush-'))
})
afterAll(() => rm(folder, { recursive: true }))

test('flushes a file and a folder, here and on the thread', async () => {
  await using file = await open(join(folder, 'file'), 'wx')
  await file.writeFile('written')
  await flush(file, 'all')
  await flush(file, 'data')
  await using place = await open(folder, 'r')
  await Promise.all([flushElsewhere(file.fd), flushElsewhere(place.fd), flushElsewhere(file.fd)])
  expect(await readFile(join(folder, 'file'), 'utf8')).toBe('written')
})

test('says what the system says', async () => {
  await expect(flushElsewhere(2 ** 20)).rejects.toMatchObject({ code: 'EBADF' })
  // It goes on with the next.
  await using place = await open(folder, 'r')
  await flushElsewhere(place.fd)
})
