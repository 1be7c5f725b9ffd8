import { readFileSync } from 'node:fs'

import { describe, expect, test } from 'vitest'

import { nativeCrypto } from '#host/crypto/native.ts'
import { portableCrypto } from '#host/crypto/portable.ts'

import { makeVectors, vectorFolder, vectorText } from '../../scripts/entry-vectors.ts'
import { random } from './host.fixture.ts'
import { same, vectorChecks, type Vectors } from './vectors.case.ts'

function load(name: string): unknown {
  return JSON.parse(readFileSync(`${vectorFolder}${name}.json`, 'utf8'))
}

const vectors = Object.fromEntries(
  ['ids', 'directory', 'entries', 'recovery'].map((name) => [name, load(name)]),
) as unknown as Vectors

test('the files are what their seeds give', { timeout: 120_000 }, async () => {
  for (const [name, vector] of Object.entries(await makeVectors())) {
    expect(JSON.parse(vectorText(vector)), name).toEqual(load(name))
  }
})

describe.each([
  ['native', nativeCrypto],
  ['portable', portableCrypto(random)],
])('the %s provider', (_name, crypto) => {
  test.each(vectorChecks)('$name', { timeout: 60_000 }, ({ run }) => run(crypto, vectors))
})

test('a check says what is not what was published', () => {
  expect(() => same('key', Uint8Array.of(1), '02')).toThrow('key: "01", not "02"')
  const { ids, ...others } = vectors
  const wrong = { ...others, ids: { ...ids, user: ids.user.replace(/^../u, 'zz') } }
  const [makes] = vectorChecks
  expect(() => makes?.run(nativeCrypto, wrong)).toThrow('user: ')
})
