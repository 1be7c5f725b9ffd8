import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { nativeCrypto as crypto } from '#host/crypto/native.ts'
import type { PassphraseHash } from '#host/crypto/port.ts'
import { parseDeviceId, parseUserId } from '#host/entries/ids.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'

import { random } from './host.fixture.ts'
import { passphraseMistakes } from './passphrase.ts'
import { openRecovery, readRecovery, sealRecovery } from './recovery.ts'

const { hashPassphrase } = crypto
const header = {
  account: parseUserId(random(32)),
  device: parseDeviceId(random(32)),
  server: 'https://vault.example',
  madeAt: 1_800_000_000_000,
}
const seeds = { signing: random(64), sealing: random(32) }
const passphrase = 'correct horse battery'
const invalid = { code: 'recovery-invalid' }
/** As dear as real ones are asked to be, and as cheap as a test may be. */
const cheap = ({ passphrase, salt }: PassphraseHash) => Promise.resolve(crypto.digest(passphrase, salt))
const file = await sealRecovery({ crypto, hashPassphrase: cheap, header, seeds, passphrase, salt: random(16) })

describe('a recovery file', () => {
  test('gives the seeds back with its passphrase, in any Unicode form, and says whose it is without', async () => {
    expect(readRecovery(file)).toEqual(header)
    expect(await openRecovery(file, { crypto, hashPassphrase: cheap, passphrase })).toEqual({ header, seeds })
    const accents = { crypto, hashPassphrase: cheap, passphrase: 'café au lait, twice' }
    const accented = await sealRecovery({ ...accents, header, seeds, salt: random(16) })
    const decomposed = { ...accents, passphrase: accents.passphrase.normalize('NFD') }
    expect((await openRecovery(accented, decomposed)).seeds).toEqual(seeds)
  })

  test('takes 64 MiB and 3 passes', async () => {
    const asked: PassphraseHash[] = []
    const watch = (input: PassphraseHash) => {
      asked.push(input)
      return hashPassphrase(input)
    }
    const dear = await sealRecovery({ crypto, hashPassphrase: watch, header, seeds, passphrase, salt: random(16) })
    expect(asked).toMatchObject([{ memoryKiB: 65_536, passes: 3, lanes: 1 }])
    expect((await openRecovery(dear, { crypto, hashPassphrase, passphrase })).seeds).toEqual(seeds)
  })

  test('opens with no other passphrase, and not when a bit was changed', async () => {
    const wrong = openRecovery(file, { crypto, hashPassphrase: cheap, passphrase: 'another passphrase' })
    await expect(wrong).rejects.toMatchObject(invalid)
    await fc.assert(
      fc.asyncProperty(fc.nat(file.length - 1), fc.nat(7), async (at, bit) => {
        const twisted = file.with(at, (file[at] as number) ^ (1 << bit))
        await expect(openRecovery(twisted, { crypto, hashPassphrase: cheap, passphrase })).rejects.toMatchObject(
          invalid,
        )
      }),
    )
  })

  test('is not read when it is none, or asks for too little or too much', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (junk) => {
        expect(() => readRecovery(junk)).toThrow(expect.objectContaining(invalid))
      }),
    )
    for (const cost of [
      { memoryKiB: 65_535, passes: 3 },
      { memoryKiB: 65_536, passes: 0 },
      { memoryKiB: 1_048_577, passes: 3 },
      { memoryKiB: 65_536, passes: 17 },
    ]) {
      const sealed = sealRecovery({ crypto, hashPassphrase: cheap, header, seeds, passphrase, salt: random(16), cost })
      await expect(sealed).rejects.toMatchObject(invalid)
    }
    const [label, , sealed] = decodeCbor(file) as [string, Uint8Array, Uint8Array]
    expect(() => readRecovery(encodeCbor([label, random(9), sealed]))).toThrow(expect.objectContaining(invalid))
  })
})

describe('a passphrase', () => {
  test.each([
    ['elevenchars', 'at least 12 characters'],
    ['x'.repeat(1_025), 'at most 1024 characters'],
    ['abab cab cabb', 'at least 5 different'],
    ['123456789012', 'not a row'],
    ['lkjihgfedcba', 'not a row'],
    ['pass'.repeat(4), 'again and again'],
    ['with a tab\tin it', 'no control'],
    [' spaces at an end', 'no spaces'],
    ['a lone surrogate \ud800', 'no control'],
  ])('%j is refused: %s', (text, why) => {
    expect(passphraseMistakes(text).join()).toContain(why)
  })

  test('that is long enough and no pattern may be used', () => {
    for (const text of ['correct horse battery', 'Tr0ub4dor&3xyz', 'ありがとうございます 12 回']) {
      expect(passphraseMistakes(text)).toEqual([])
    }
  })

  test('that may not be used makes no file', async () => {
    const short = sealRecovery({ crypto, hashPassphrase: cheap, header, seeds, passphrase: 'short', salt: random(16) })
    await expect(short).rejects.toMatchObject(invalid)
  })
})
