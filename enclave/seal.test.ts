import { createSecretKey } from 'node:crypto'

import { expect, test } from 'vitest'

import { generateEd25519 } from '#host/crypto/ed25519.ts'

import { openSoftwareAttestor } from './attestor.ts'
import { REGISTERS } from './limits.ts'
import { softwareMeasurement } from './measure.ts'
import { IMAGE_REGISTER } from './measurement.ts'
import { openSoftwareEnclave } from './seal.ts'

const key = createSecretKey(new Uint8Array(32).fill(1))
const attestorKey = generateEd25519(new Uint8Array(32).fill(2))
const AT_MS = 1_800_000_000_000
const utf8 = (text: string) => new TextEncoder().encode(text)
const random = (length: number) => crypto.getRandomValues(new Uint8Array(length))
const rootOf = (image: number) => new Uint8Array(48).fill(image)

async function enclaveOf(image: number, { by = attestorKey, with: sealing = key, at = AT_MS } = {}) {
  const attestor = openSoftwareAttestor({ key: by, now: () => at, warn: () => {} })
  const release = { id: `image-${image}`, root: rootOf(image), serial: image }
  await attestor.extend(IMAGE_REGISTER, release.root)
  await attestor.lockBelow(REGISTERS)
  return openSoftwareEnclave({ key: sealing, attestor, release, now: () => at, random })
}

const missing = expect.objectContaining({ code: 'key-missing' })
const refused = (why: string) =>
  expect.objectContaining({ code: 'move-refused', message: expect.stringContaining(why) })

test('a seal opens in the same code on the same installation, for what it was made, and nowhere else', async () => {
  const one = await enclaveOf(1)
  const blob = one.seal(utf8('pepper'), utf8('alice'))
  expect((await enclaveOf(1)).open(blob, utf8('alice'))).toEqual(utf8('pepper'))
  expect(one.seal(utf8('pepper'), utf8('alice'))).not.toEqual(blob)
  expect(() => one.open(blob, utf8('bob'))).toThrow(missing)
  const [other, elsewhere] = [await enclaveOf(2), await enclaveOf(1, { with: createSecretKey(random(32)) })]
  expect(() => other.open(blob, utf8('alice'))).toThrow(missing)
  expect(() => elsewhere.open(blob, utf8('alice'))).toThrow(missing)
  expect(() => one.open(blob.subarray(0, 10), utf8('alice'))).toThrow(missing)
  for (let at = 0; at < blob.length; at++) {
    const changed = blob.slice()
    changed[at] = (changed[at] ?? 0) ^ 1
    expect(() => one.open(changed, utf8('alice'))).toThrow(missing)
  }
})

test('its kind and measurement are its own, whatever it reads', async () => {
  const one = await enclaveOf(1)
  expect([one.kind, one.measurement]).toEqual(['software', softwareMeasurement({ root: rootOf(1) })])
})

test('it recognizes the next image by evidence of now that answers it, signed here', async () => {
  const [one, two] = [await enclaveOf(1), await enclaveOf(2)]
  const asked = { nonce: random(32), userData: random(48) }
  const evidence = await two.attest(asked)
  expect(one.recognize(evidence, asked)).toEqual(two.measurement)
  expect(() => one.recognize(evidence, { ...asked, nonce: random(32) })).toThrow(refused('nonce'))
  expect(() => one.recognize(evidence, { ...asked, userData: random(48) })).toThrow(refused('user-data'))
  expect(() => one.recognize(evidence.subarray(1), asked)).toThrow(refused('successor'))
  const old = await enclaveOf(2, { at: AT_MS - 5 * 60_000 - 1 })
  const stale = await old.attest(asked)
  expect(() => one.recognize(stale, asked)).toThrow(refused('ms old'))
  const stranger = await (await enclaveOf(2, { by: generateEd25519() })).attest(asked)
  expect(() => one.recognize(stranger, asked)).toThrow(refused('not one of the trusted'))
})
