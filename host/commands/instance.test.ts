import { mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { generateKemKey } from '#host/crypto/kem.ts'
import { digest } from '#host/crypto/kdf.ts'
import { trellis } from './run.fixture.ts'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trellis-instance-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('the operator closes sign-ups and offers a backup, whose private half the host never has', async () => {
  const [data, secret, open] = ['data', 'offline.key', 'backup.pub'].map((name) => join(folder, name))
  if (!data || !secret || !open) throw new Error('three paths')
  expect(await trellis('instance', 'backup-key', secret, open)).toMatchObject({ code: 0 })
  expect((await stat(secret)).mode & 0o777).toBe(0o600)
  const seed = new Uint8Array(await readFile(secret))
  const published = new Uint8Array(await readFile(open))
  expect(generateKemKey(seed).publicKey).toEqual(published)
  expect(await trellis('instance', 'backup-key', secret, open)).toMatchObject({ code: 1 })

  const set = ['instance', 'set', '--data', data]
  expect(await trellis(...set, '--sign-ups', 'closed', '--backup-key', open)).toMatchObject({ code: 0, errors: [] })
  const shown = await trellis('instance', 'show', '--data', data)
  expect(shown.out).toBe(`sign-ups    closed\nbackup key  ${digest(published).toHex()}\n`)
  const files = await readdir(data, { recursive: true, withFileTypes: true })
  for (const file of files.filter((one) => one.isFile())) {
    expect((await readFile(join(file.parentPath, file.name))).includes(seed)).toBe(false)
  }

  expect(await trellis(...set, '--backup-key', secret)).toMatchObject({ code: 1 })
  expect(await trellis(...set, '--no-backup-key', '--new-token-key')).toMatchObject({ code: 0 })
  expect((await trellis('instance', 'show', '--data', data)).out).toBe('sign-ups    closed\nbackup key  none\n')
}, 180_000)
