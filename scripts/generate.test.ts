import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { generate, generated } from './generate.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
let fresh: string

beforeAll(async () => {
  fresh = await mkdtemp(join(tmpdir(), 'trellis-generated-'))
  await generate(fresh)
})

afterAll(() => rm(fresh, { recursive: true }))

test('the types that handlers are written against are those of wit/ (else run scripts/generate.ts)', async () => {
  const texts = await textsOf(join(fresh, generated.types))
  expect(Object.keys(texts).length).toBeGreaterThan(8)
  expect(await textsOf(join(root, generated.types))).toEqual(texts)
})

test('the JSON Schema of manifests is the one they are checked by (else run scripts/generate.ts)', async () => {
  const [kept, made] = await Promise.all(
    [root, fresh].map((folder) => readFile(join(folder, generated.schema), 'utf8')),
  )
  expect(JSON.parse(kept ?? '')).toEqual(JSON.parse(made ?? '1'))
})

async function textsOf(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.d.ts')).sort()
  const texts = names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')] as const)
  return Object.fromEntries(await Promise.all(texts))
}
