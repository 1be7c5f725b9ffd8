import { access, mkdtempDisposable, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { WAKE_BYTES_MAX } from '#host/storage/limits.ts'
import { leaveWakeTimes, takeWakeTimes } from './wake.ts'

const times = new Map([
  ['alice', 1_000],
  ['bob', null],
])
const none = new Map()

test.each([
  ['as it was left', (text: string) => text, times],
  ['as large as it may be', (text: string) => text.padEnd(WAKE_BYTES_MAX), times],
  ['larger', (text: string) => text.padEnd(WAKE_BYTES_MAX + 1), none],
  ['cut off', (text: string) => text.slice(0, -1), none],
  ['of another form', (text: string) => text.replace('"v":1', '"v":2'), none],
])('a list %s is taken once, for what it is', async (_name, change, taken) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'trellis-wake-'))
  const path = join(folder.path, 'wake.json')
  await leaveWakeTimes(path, 'handlers', times)
  await writeFile(path, change(await readFile(path, 'utf8')))
  expect(await takeWakeTimes(path, 'handlers')).toEqual(taken)
  await expect(access(path)).rejects.toThrow('ENOENT')
  expect(await takeWakeTimes(path, 'handlers')).toEqual(none)
})
