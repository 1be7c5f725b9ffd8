import { readFileSync } from 'node:fs'

import { describe, expect, test } from 'vitest'

import { generateKemKey } from '#host/crypto/kem.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { nativeCrypto, nativeHashPassphrase, nativeOpener, nativeSigner } from '#host/entries/native.ts'

import { makeVectors, vectorFolder, vectorText } from '../../scripts/entry-vectors.ts'
import { portableCrypto, portableHashPassphrase, portableOpener, portableSigner } from '../portable/provider.ts'
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

const native = {
  crypto: nativeCrypto,
  hashPassphrase: nativeHashPassphrase,
  signer: (seed: Uint8Array) => nativeSigner(generateSigningKey(seed)),
  opener: (seed: Uint8Array) => nativeOpener(generateKemKey(seed)),
}
const portable = {
  crypto: portableCrypto(random),
  hashPassphrase: portableHashPassphrase,
  signer: (seed: Uint8Array) => portableSigner(seed),
  opener: (seed: Uint8Array) => portableOpener(seed),
}

describe.each([
  ['native', native],
  ['portable', portable],
])('the %s provider', (_name, provider) => {
  test.each(vectorChecks)('$name', { timeout: 60_000 }, ({ run }) => run(provider, vectors))
})

test('a check says what is not what was published', () => {
  expect(() => same('key', Uint8Array.of(1), '02')).toThrow('key: "01", not "02"')
  const { ids, ...others } = vectors
  const wrong = { ...others, ids: { ...ids, user: ids.user.replace(/^../u, 'zz') } }
  const [makes] = vectorChecks
  expect(() => makes?.run(native, wrong)).toThrow('user: ')
})
