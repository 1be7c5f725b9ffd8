import { expect, test } from 'vitest'

import { keyAlgorithms } from '#host/crypto/key-algorithm.ts'
import { signerOf } from '#host/crypto/signer.ts'
import { memoryNamespace } from '#host/plugin/fixtures/stage.ts'

import { newSigningKey, readSigningKeys } from './signing-keys.ts'

test.each(keyAlgorithms)('%s: what is stored is the key again, and what it was made of is wiped', (algorithm) => {
  const drawn: Uint8Array[] = []
  const random = (length: number): Uint8Array => {
    const bytes = new Uint8Array(length).fill(7)
    drawn.push(bytes)
    return bytes
  }
  const { entry, change } = newSigningKey({ alias: 'coins', algorithm, now: 5, random })
  expect(drawn).toEqual([new Uint8Array(32)])
  expect(change).toMatchObject({ key: 'keys/coins', sensitivity: 'critical', visibility: 'opaque' })

  const { publicKey } = signerOf(algorithm, new Uint8Array(32).fill(7))
  const system = memoryNamespace('system')
  system.set('keys/coins', change.value ?? '')
  system.set('key/c-1', 'a connection has a key of its own')
  for (const round of [1, 2]) {
    const keys = readSigningKeys(system)
    expect([...keys.keys()], `round ${round}`).toEqual(['coins'])
    expect(keys.get('coins')).toMatchObject({ createdAt: 5, signer: { algorithm, publicKey } })
  }
  expect(entry.signer.publicKey).toEqual(publicKey)
})
