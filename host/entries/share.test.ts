import { describe, expect, test } from 'vitest'

import { nativeCrypto as crypto } from '#host/crypto/native.ts'
import { refusalOf } from '#host/wire/refusal.fixture.ts'

import { newDevice, random } from './family.fixture.ts'
import { parseEntryId, parseHash, parseUserId, parseVersionId } from './ids.ts'
import type { SignedVersion } from './model.ts'
import { hashSealed, openPart, type Part, sealPart } from './sealed.ts'
import { enterChannel, openChannel, openShare, sealShare } from './share.ts'

const [writer, reader, other] = [newDevice(), newDevice(), newDevice()]
const place = {
  user: parseUserId(random(32)),
  entry: parseEntryId(random(16)),
  version: parseVersionId(random(16)),
}
const version = { header: place, hash: parseHash(random(32)) } as SignedVersion
const keys = { outline: random(32), content: random(32) }
const parts = ['outline', 'content'] as const

describe('a share', () => {
  const pair = { sharer: writer.id, recipient: reader.id, epoch: 1 }
  const to = openChannel(crypto, pair, reader.keys.sealing)
  const from = enterChannel(crypto, to.channel, reader.opener)
  const share = sealShare(crypto, to, version, keys)
  const open = (part: Part, change: Partial<typeof share> = {}, at = version, by = from) =>
    openShare(crypto, by, at, { part, share: { ...share, ...change } })

  test('has 128 bytes and opens in two halves', () => {
    expect(share.sealed).toHaveLength(128)
    for (const part of parts) expect(open(part)).toEqual(keys[part])
  })

  test('opens for no other version, device, channel or epoch', () => {
    const elsewhere: SignedVersion[] = [
      { ...version, hash: parseHash(random(32)) },
      { ...version, header: { ...version.header, entry: parseEntryId(random(16)) } },
      { ...version, header: { ...version.header, version: parseVersionId(random(16)) } },
      { ...version, header: { ...version.header, user: parseUserId(random(32)) } },
    ]
    const strangers = [
      enterChannel(crypto, to.channel, other.opener),
      enterChannel(crypto, { ...to.channel, recipient: other.id }, reader.opener),
      enterChannel(crypto, { ...to.channel, sharer: other.id }, reader.opener),
      enterChannel(crypto, { ...to.channel, epoch: 2 }, reader.opener),
      openChannel(crypto, pair, reader.keys.sealing),
    ]
    for (const part of parts) {
      for (const at of elsewhere) expect(refusalOf(() => open(part, {}, at))).toBe('unopenable')
      for (const by of strangers) expect(refusalOf(() => open(part, {}, version, by))).toBe('unopenable')
    }
  })

  test('with a changed half keeps the other one', () => {
    for (let at = 0; at < 128; at++) {
      const sealed = share.sealed.with(at, (share.sealed[at] as number) ^ 1)
      const wrong = at < 32 ? parts : at < 80 ? (['outline'] as const) : (['content'] as const)
      for (const part of parts) {
        if (wrong.some((one) => one === part)) expect(refusalOf(() => open(part, { sealed }))).toBe('unopenable')
        else expect(open(part, { sealed })).toEqual(keys[part])
      }
    }
    expect(refusalOf(() => open('content', { sealed: share.sealed.slice(1) }))).toBe('unopenable')
  })

  test('needs both halves of the hybrid ciphertext', () => {
    for (const at of [0, 1_119]) {
      const ciphertext = to.channel.ciphertext.with(at, (to.channel.ciphertext[at] as number) ^ 1)
      const by = enterChannel(crypto, { ...to.channel, ciphertext }, reader.opener)
      expect(refusalOf(() => open('outline', {}, version, by))).toBe('unopenable')
    }
  })

  test('a channel has an epoch of its own', () => {
    expect(() => openChannel(crypto, { ...pair, epoch: 0 }, reader.keys.sealing)).toThrow('no epoch')
  })
})

const sealedLength = (count: number) =>
  sealPart(crypto, { ...place, part: 'outline' }, keys.outline, random(count)).length

describe('a sealed part', () => {
  const sealed = sealPart(crypto, { ...place, part: 'content' }, keys.content, random(1_000))
  const open = (key: Uint8Array, change: Partial<typeof place> & { readonly part?: Part } = {}, bytes = sealed) =>
    openPart(crypto, { ...place, part: 'content', ...change }, key, bytes)

  test('opens under its own key, and under no other', () => {
    expect(open(keys.content)).toHaveLength(1_000)
    for (let count = 0; count < 50; count++) expect(refusalOf(() => open(random(32)))).toBe('unopenable')
  })

  test('cannot be made to open under two keys: the commitment is to one', () => {
    const two = sealPart(crypto, { ...place, part: 'content' }, keys.outline, random(1_000))
    const mixed = Uint8Array.from([...two.subarray(0, 32), ...sealed.subarray(32)])
    expect(refusalOf(() => open(keys.outline, {}, mixed))).toBe('unopenable')
    expect(refusalOf(() => open(keys.content, {}, mixed))).toBe('unopenable')
  })

  test('opens in its own place only, and not when it was changed', () => {
    for (const change of [
      { part: 'outline' as const },
      { entry: parseEntryId(random(16)) },
      { version: parseVersionId(random(16)) },
      { user: parseUserId(random(32)) },
    ]) {
      expect(refusalOf(() => open(keys.content, change))).toBe('unopenable')
    }
    for (const at of [0, 31, 32, sealed.length - 1]) {
      const twisted = sealed.with(at, (sealed[at] as number) ^ 1)
      expect(refusalOf(() => open(keys.content, {}, twisted))).toBe('unopenable')
      expect(hashSealed(crypto, twisted)).not.toEqual(hashSealed(crypto, sealed))
    }
    for (const length of [0, 31, 47])
      expect(refusalOf(() => open(keys.content, {}, sealed.slice(0, length)))).toBe('unopenable')
  })

  test('hides its length but for its class, and has a limit', () => {
    expect(sealedLength(10)).toBe(sealedLength(50))
    expect(refusalOf(() => sealedLength(8_192))).toBe('too-large')
    expect(refusalOf(() => sealPart(crypto, { ...place, part: 'content' }, keys.content, random(600_000)))).toBe(
      'too-large',
    )
  })
})
