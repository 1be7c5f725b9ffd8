import { AEAD_AES_256_GCM, CipherSuite, KDF_HKDF_SHA256, KEM_MLKEM768_X25519 } from 'hpke'
import { describe, expect, it } from 'vitest'

import { openHpke, sealHpke } from './hpke.ts'
import { exportSeed } from './seed.ts'
import { generateKemKey } from './kem.ts'
import { nativeCrypto } from './native.ts'

const utf8 = (text: string) => new TextEncoder().encode(text)
const context = { info: utf8('vault/provision/1'), aad: utf8('this document') }
const oracle = new CipherSuite(KEM_MLKEM768_X25519, KDF_HKDF_SHA256, AEAD_AES_256_GCM)
const unopenable = expect.objectContaining({ code: 'unopenable' })
const ENC_BYTES = 1_120

describe('HPKE', () => {
  const key = generateKemKey()
  const sealing = { ...context, to: key.publicKey }
  const opening = { ...context, by: key }

  it('opens with what it was sealed for, and both sides share the key of the answer', () => {
    const sealed = sealHpke(nativeCrypto, sealing, utf8('secret'))
    const opened = openHpke(nativeCrypto, opening, sealed.bytes)
    expect(opened.plaintext).toEqual(utf8('secret'))
    expect(opened.answerKey).toEqual(sealed.answerKey)
    expect(sealHpke(nativeCrypto, sealing, utf8('secret')).bytes).not.toEqual(sealed.bytes)
  })

  it('opens for no other key, use or document, and with no bit changed', () => {
    const { bytes } = sealHpke(nativeCrypto, sealing, utf8('secret'))
    expect(() => openHpke(nativeCrypto, { ...opening, by: generateKemKey() }, bytes)).toThrow(unopenable)
    expect(() => openHpke(nativeCrypto, { ...opening, info: utf8('vault/provision/2') }, bytes)).toThrow(unopenable)
    expect(() => openHpke(nativeCrypto, { ...opening, aad: utf8('another') }, bytes)).toThrow(unopenable)
    for (const at of [0, 1_087, ENC_BYTES, bytes.length - 1]) {
      const changed = bytes.slice()
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(() => openHpke(nativeCrypto, opening, changed)).toThrow(unopenable)
    }
    expect(() => openHpke(nativeCrypto, opening, bytes.subarray(0, 1_000))).toThrow(
      expect.objectContaining({ code: 'malformed' }),
    )
  })

  it('opens what another implementation sealed (hpke 1.1.7), and exports the same', async () => {
    const publicKey = await oracle.DeserializePublicKey(key.publicKey)
    const { encapsulatedSecret, ctx } = await oracle.SetupSender(publicKey, { info: context.info })
    const ciphertext = await ctx.Seal(utf8('from there'), context.aad)
    const opened = openHpke(nativeCrypto, opening, Uint8Array.from([...encapsulatedSecret, ...ciphertext]))
    expect(opened.plaintext).toEqual(utf8('from there'))
    expect(opened.answerKey).toEqual(await ctx.Export(utf8('trellis answer'), 32))
  })

  it('is opened by another implementation', async () => {
    const { bytes } = sealHpke(nativeCrypto, sealing, utf8('from here'))
    const privateKey = await oracle.DeserializePrivateKey(exportSeed(key))
    const opened = await oracle.Open(privateKey, bytes.slice(0, ENC_BYTES), bytes.slice(ENC_BYTES), {
      info: context.info,
      aad: context.aad,
    })
    expect(new Uint8Array(opened)).toEqual(utf8('from here'))
  })
})
