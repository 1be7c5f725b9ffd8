import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { MESSAGE_BYTES_MAX, WINDOW_BITS } from '#host/limits.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { dataHeader, encodeEnvelope } from '#host/wire/envelope.ts'
import { refusalOf } from '#host/wire/refusal.fixture.ts'
import { nativeCrypto } from './native.ts'

import { createSession, exportSession, importSession, sessionCid } from './session.ts'
import { bind, envelopeOf, openBytes, pair, random, sealText, textOf } from './session.fixture.ts'

const copyOf = (session: ReturnType<typeof createSession>) => importSession(nativeCrypto, exportSession(session))

describe('open', () => {
  test('gives back what the other side sealed, for any size, both ways, on both lanes', () => {
    const { a, b } = pair()
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 3_000 }),
        fc.constantFrom<0 | 1>(0, 1),
        fc.boolean(),
        (plaintext, lane, turn) => {
          const [from, to] = turn ? [a, b] : [b, a]
          const opened = openBytes(to, from.seal(plaintext, { bind, lane, mid: random(16) }))
          expect(opened).toMatchObject({ kind: 'data', lane, epoch: 0, replay: false })
          expect(opened.plaintext).toEqual(plaintext)
          opened.mark()
        },
      ),
    )
  })

  test('an envelope is its padded size and at most 80 bytes more', () => {
    const { a } = pair()
    for (const [length, padded] of [
      [0, 64],
      [1_000, 1_024],
      [16_000, 16_384],
    ] as const) {
      const bytes = a.seal(new Uint8Array(length), { bind, lane: 0, mid: random(16) })
      expect(bytes.length - padded).toBeLessThanOrEqual(80)
      expect(bytes.length - padded).toBeGreaterThan(48)
    }
  })

  test('a marked message is a replay from then on, and so is one being worked on', () => {
    const { a, b } = pair()
    const bytes = sealText(a, 'hello')
    const first = openBytes(b, bytes)
    const meanwhile = openBytes(b, bytes)
    expect([first.replay, meanwhile.replay]).toEqual([false, true])
    // A replay's own end changes nothing for the one in hand.
    meanwhile.release()
    meanwhile.mark()
    expect(openBytes(b, bytes).replay).toBe(true)
    expect(copyOf(b).open(envelopeOf(bytes), { bind }).replay).toBe(false)
    first.mark()
    const again = openBytes(b, bytes)
    expect([again.replay, textOf(again)]).toEqual([true, 'hello'])
    expect(copyOf(b).open(envelopeOf(bytes), { bind }).replay).toBe(true)
  })

  test('a released message may come again; marking after that takes nothing', () => {
    const { a, b } = pair()
    const bytes = sealText(a, 'hello')
    const dropped = openBytes(b, bytes)
    dropped.release()
    dropped.mark()
    const again = openBytes(b, bytes)
    expect(again.replay).toBe(false)
    again.mark()
    expect(openBytes(b, bytes).replay).toBe(true)
  })

  test('any order within the window; older is a replay', () => {
    const { a, b } = pair()
    const sealed = Array.from({ length: WINDOW_BITS + 1 }, (_, index) => sealText(a, `${index}`))
    const [oldest, ...rest] = sealed
    for (const bytes of rest.toReversed()) {
      const opened = openBytes(b, bytes)
      expect(opened.replay).toBe(false)
      opened.mark()
    }
    expect(openBytes(b, oldest as Uint8Array).replay).toBe(true)
  })

  test('each lane has numbers of its own', () => {
    const { a, b } = pair()
    const opened = [sealText(a, 'x', 0), sealText(a, 'y', 1), sealText(a, 'z', 0)].map((bytes) => openBytes(b, bytes))
    expect(opened.map(({ lane, seq }) => [lane, seq])).toEqual([
      [0, 0],
      [1, 0],
      [0, 1],
    ])
  })

  test('only at the place it was sealed for', () => {
    const { a, b } = pair()
    const envelope = envelopeOf(sealText(a, 'x'))
    for (const other of [new Uint8Array(0), bind.slice(1), Uint8Array.from([...bind, 0x2e])]) {
      expect(refusalOf(() => b.open(envelope, { bind: other }))).toBe('unopenable')
    }
    expect(textOf(b.open(envelope, { bind }))).toBe('x')
  })

  test("its own message comes back misrouted, and so does another connection's", () => {
    const { a, b } = pair()
    const other = pair()
    expect(refusalOf(() => openBytes(a, sealText(a, 'x')))).toBe('misrouted')
    expect(refusalOf(() => openBytes(other.b, sealText(a, 'x')))).toBe('misrouted')
    expect(b.owns(envelopeOf(sealText(a, 'x')).cid)).toBe(true)
    expect(a.owns(envelopeOf(sealText(a, 'x')).cid)).toBe(false)
    expect(sessionCid(b)).toEqual([envelopeOf(sealText(a, 'x')).cid])
  })

  test('spliced from two messages or two connections: refused', () => {
    const { a, b } = pair()
    const other = pair()
    const [one, two, foreign] = [sealText(a, 'x'), sealText(a, 'x'), sealText(other.a, 'x')].map(envelopeOf)
    if (!one || !two || !foreign) throw new Error('three envelopes')
    const splice = (header: Uint8Array, ciphertext: Uint8Array) => () =>
      openBytes(b, encodeEnvelope({ header, ciphertext }))
    expect(refusalOf(splice(one.header, two.ciphertext))).toBe('unopenable')
    expect(refusalOf(splice(one.header, foreign.ciphertext))).toBe('unopenable')
    expect(refusalOf(splice(dataHeader({ ...foreign, cid: one.cid }), foreign.ciphertext))).toBe('unopenable')
    expect(textOf(openBytes(b, encodeEnvelope(one)))).toBe('x')
  })

  test('every header field is authenticated', () => {
    const { a, b } = pair()
    sealText(a, 'first')
    const good = envelopeOf(sealText(a, 'x'))
    const changes = [
      { kind: 'rekey-offer' },
      { lane: 1 },
      { seq: 0 },
      { seq: 2 },
      { mid: random(16) },
      { epoch: 1 },
    ] as const
    for (const change of changes) {
      const { ciphertext } = good
      const forged = encodeEnvelope({ header: dataHeader({ ...good, ...change }), ciphertext })
      expect(refusalOf(() => openBytes(b, forged))).toBe('unopenable')
    }
    expect(textOf(openBytes(b, encodeEnvelope(good)))).toBe('x')
  })

  test('no flipped bit goes unnoticed, nor takes a place in the window', () => {
    const { a, b } = pair()
    const bytes = sealText(a, 'hello')
    for (let bit = 0; bit < bytes.length * 8; bit += 3) {
      const flipped = Uint8Array.from(bytes)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(refusalOf(() => openBytes(b, flipped))).toMatch(/malformed|too-large|unknown-suite|misrouted|unopenable/)
    }
    expect(openBytes(b, bytes).replay).toBe(false)
  })
})

describe('seal', () => {
  test('after a rollback the same number gets another key', () => {
    const { a, b } = pair()
    const stored = exportSession(a)
    const first = envelopeOf(sealText(a, 'same text'))
    const rolledBack = importSession(nativeCrypto, stored)
    const second = envelopeOf(sealText(rolledBack, 'same text'))
    expect(second.seq).toBe(first.seq)
    expect(second.ciphertext).not.toEqual(first.ciphertext)
    // One nonce and key would show the xor of the texts: here, of equal ones, zeros.
    const zeros = first.ciphertext.filter((byte, index) => byte === second.ciphertext[index]).length
    expect(zeros).toBeLessThan(16)
    openBytes(b, encodeEnvelope(first)).mark()
    expect(openBytes(b, encodeEnvelope(second)).replay).toBe(true)
  })

  test("a message over the bus's limit is refused", () => {
    const { a } = pair()
    const large = new Uint8Array(MESSAGE_BYTES_MAX)
    expect(refusalOf(() => a.seal(large, { bind, lane: 0, mid: random(16) }))).toBe('too-large')
  })
})

describe('stored sessions', () => {
  test('go on where they were, by export alone or by progress after it', () => {
    const { a, b } = pair()
    const [storedA, storedB] = [exportSession(a), exportSession(b)]
    const old = b.exportProgress()
    const seen = [sealText(a, '0'), sealText(a, '1', 1), sealText(a, '2')]
    for (const bytes of seen) openBytes(b, bytes).mark()
    for (const restored of [copyOf(b), importSession(nativeCrypto, storedB)]) {
      restored.applyProgress(b.exportProgress())
      restored.applyProgress(old)
      for (const bytes of seen) expect(openBytes(restored, bytes).replay).toBe(true)
    }
    const restoredA = importSession(nativeCrypto, storedA)
    const oldA = restoredA.exportProgress()
    restoredA.applyProgress(a.exportProgress())
    restoredA.applyProgress(oldA)
    expect(openBytes(b, sealText(restoredA, '1', 1))).toMatchObject({ seq: 1, replay: false })
    expect(openBytes(b, sealText(restoredA, '3'))).toMatchObject({ seq: 2, replay: false })
  })

  test('progress is small and holds no secret', () => {
    const { a, b } = pair()
    for (let index = 0; index < 50; index++) openBytes(b, sealText(a, 'x')).mark()
    const progress = b.exportProgress()
    expect(progress.length).toBeLessThan(32)
    const secrets = b.state.epochs.flatMap(({ root, tx, rx }) => [root, tx, rx]).map((key) => key?.export().toHex())
    expect(secrets).toHaveLength(3)
    for (const secret of secrets) expect(progress.toHex()).not.toContain(secret)
    for (const secret of secrets) expect(exportSession(b).toHex()).toContain(secret)
  })

  test('the root given to createSession is wiped', () => {
    const root = random(32)
    createSession(nativeCrypto, root, { role: 'initiator', now: 0 })
    expect(root).toEqual(new Uint8Array(32))
  })

  test('other bytes are refused', () => {
    const { a } = pair()
    const stored = exportSession(a)
    for (const bytes of [stored.subarray(1), new Uint8Array(0), encodeCbor({ v: 1 }), a.exportProgress()]) {
      expect(refusalOf(() => importSession(nativeCrypto, bytes))).toBe('malformed')
    }
    expect(refusalOf(() => a.applyProgress(stored))).toBe('malformed')
  })
})
