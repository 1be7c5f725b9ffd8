import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { generateGuestTypes, guestTypesFolder } from './guest-types.ts'

test('the types handlers are written against are those of wit/ (else run scripts/guest-types.ts)', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trellis-types-'))
  try {
    await generateGuestTypes(folder)
    expect(await textsOf(guestTypesFolder)).toEqual(await textsOf(folder))
  } finally {
    await rm(folder, { recursive: true })
  }
})

async function textsOf(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.d.ts')).sort()
  const texts = names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')] as const)
  return Object.fromEntries(await Promise.all(texts))
}
