import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { EPOCH_OVERLAP_MS, EPOCHS_MAX, REKEY_AGE_MS, REKEY_LEAD, REKEY_MESSAGES, REKEY_RETRY_MS } from '#host/limits.ts'
import { Refusal } from '#host/errors.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { refusalOf } from '#host/wire/refusal.fixture.ts'
import { nativeCrypto } from './native.ts'

import { answerRekey, finishRekey, offerRekey, rekeyDue, settleRekey } from './rekey.ts'
import { exportSession, importSession, sealMessage, type Session, sessionCid } from './session.ts'
import { bind, envelopeOf, openBytes, pair, random, sealText, textOf } from './session.fixture.ts'

const context = (now = 0) => ({ bind, mid: random(16), now })

function offerOf(session: Session, now = 0): Uint8Array {
  const offer = offerRekey(session, context(now))
  if (offer === undefined) throw new Error('expected an offer')
  return offer
}

function answer(session: Session, bytes: Uint8Array, now = 0): Uint8Array | undefined {
  return answerRekey(session, { envelope: envelopeOf(bytes), opened: openBytes(session, bytes) }, context(now))
}

function finish(session: Session, bytes: Uint8Array | undefined, now = 0): boolean {
  if (bytes === undefined) throw new Error('expected an answer')
  return finishRekey(session, { envelope: envelopeOf(bytes), opened: openBytes(session, bytes) }, now)
}

function talk(from: Session, to: Session): number {
  const opened = openBytes(to, sealText(from, 'talk'))
  expect([textOf(opened), opened.replay]).toEqual(['talk', false])
  opened.mark()
  return opened.epoch
}

function step(a: Session, b: Session, now = 0): void {
  expect(finish(a, answer(b, offerOf(a, now), now), now)).toBe(true)
}

describe('one step', () => {
  test('either role may offer; both go on in the next epoch with other keys', () => {
    for (const turn of [true, false]) {
      const { a, b } = pair()
      const [x, y] = turn ? [a, b] : [b, a]
      const before = [...sessionCid(a), ...sessionCid(b)].map((cid) => cid.toHex())
      step(x, y)
      expect([talk(x, y), talk(y, x)]).toEqual([1, 1])
      for (const cid of before) expect([sessionCid(a)[0]?.toHex(), sessionCid(b)[0]?.toHex()]).not.toContain(cid)
    }
  })

  test('the one that answered stays in the old epoch until it hears the other in the new one', () => {
    const { a, b } = pair()
    const answered = answer(b, offerOf(a))
    expect(talk(b, a)).toBe(0)
    expect(talk(a, b)).toBe(0)
    expect(finish(a, answered)).toBe(true)
    expect(talk(b, a)).toBe(0)
    expect(talk(a, b)).toBe(1)
    expect(talk(b, a)).toBe(1)
  })

  test('a message of the old epoch is readable for the overlap, then unopenable, never misrouted', () => {
    const { a, b } = pair()
    const [early, late] = [sealText(a, 'early'), sealText(a, 'late')]
    step(a, b)
    settleRekey(b, 1_000)
    expect(textOf(openBytes(b, early))).toBe('early')
    talk(a, b)
    expect(settleRekey(b, 2_000)).toBe(true)
    expect(settleRekey(b, 2_000)).toBe(false)
    expect(settleRekey(b, 2_000 + EPOCH_OVERLAP_MS - 1)).toBe(false)
    expect(textOf(openBytes(b, late))).toBe('late')
    expect(settleRekey(b, 2_000 + EPOCH_OVERLAP_MS)).toBe(true)
    expect(sessionCid(b)).toHaveLength(1)
    expect(refusalOf(() => openBytes(b, late))).toBe('unopenable')
    expect(refusalOf(() => openBytes(importSession(nativeCrypto, exportSession(b)), late))).toBe('unopenable')
  })

  test('old secrets are gone: roots at the step, sending keys with the first message heard', () => {
    const { a, b } = pair()
    step(a, b)
    expect([a, b].map(({ state }) => state.epochs[1]?.root)).toEqual([undefined, undefined])
    expect(a.state.epochs[1]?.tx).toBeUndefined()
    expect(b.state.epochs[1]?.tx).toBeDefined()
    talk(a, b)
    settleRekey(b, 0)
    expect(b.state.epochs[1]?.tx).toBeUndefined()
  })

  test('what was stored before the step does not open what comes after', () => {
    const { a, b } = pair()
    const stolen = exportSession(b)
    step(a, b)
    talk(a, b)
    const after = envelopeOf(sealText(a, 'later'))
    expect(refusalOf(() => importSession(nativeCrypto, stolen).open(after, { bind }))).toBe('misrouted')
  })
})

describe('lost, late and repeated messages', () => {
  test('the unanswered offer is sent again unchanged, and answered the same', () => {
    const { a, b } = pair()
    const first = offerOf(a)
    const restored = importSession(nativeCrypto, exportSession(a))
    const again = offerOf(restored, 5)
    expect(again).toEqual(first)
    const lost = answer(b, first)
    const repeated = answer(importSession(nativeCrypto, exportSession(b)), again)
    expect(repeated).toEqual(lost)
    expect(finish(restored, repeated)).toBe(true)
    expect(finish(restored, repeated)).toBe(false)
    expect([talk(restored, b), talk(b, restored)]).toEqual([1, 1])
    settleRekey(b, 0)
    expect(answer(b, again)).toBeUndefined()
  })

  test("when both offer, the initiator's wins in every order of arrival", () => {
    for (const order of [
      ['b', 'a'],
      ['a', 'b'],
    ]) {
      const { a, b } = pair()
      const offers = { a: offerOf(a), b: offerOf(b) }
      let answered: Uint8Array | undefined
      for (const from of order) {
        if (from === 'a') answered = answer(b, offers.a)
        else expect(answer(a, offers.b)).toBeUndefined()
      }
      expect(finish(a, answered)).toBe(true)
      expect([talk(a, b), talk(b, a)]).toEqual([1, 1])
    }
  })

  test('an offer about an epoch that was stepped from is passed over', () => {
    const { a, b } = pair()
    const stale = offerOf(b)
    expect(finish(a, answer(b, offerOf(a)))).toBe(true)
    expect(answer(a, stale)).toBeUndefined()
    expect(openBytes(a, stale).replay).toBe(true)
    expect([talk(a, b), talk(b, a)]).toEqual([1, 1])
  })

  test('an answer nobody waits for is passed over', () => {
    const { a, b } = pair()
    const unasked = sealMessage(b.state, encodeCbor({ ct: new Uint8Array(1_120) }), {
      kind: 'rekey-answer',
      lane: 0,
      ...context(),
    })
    expect(finish(a, unasked)).toBe(false)
    expect([talk(a, b), talk(b, a)]).toEqual([0, 0])
  })

  test('a body that is no offer or answer is refused and changes nothing', () => {
    const { a, b } = pair()
    offerOf(a)
    for (const body of [
      null,
      {},
      { pk: 1 },
      { pk: new Uint8Array(1_215) },
      { pk: new Uint8Array(1_216).fill(255) },
      { ct: new Uint8Array(1_120), x: 1 },
    ]) {
      const before = exportSession(b)
      for (const kind of ['rekey-offer', 'rekey-answer'] as const) {
        const bytes = sealMessage(a.state, encodeCbor(body), { kind, lane: 0, ...context() })
        if (kind === 'rekey-answer') offerRekey(b, context())
        expect(refusalOf(() => (kind === 'rekey-offer' ? answer(b, bytes) : finish(b, bytes)))).toBe('malformed')
        if (kind === 'rekey-offer') expect(exportSession(b)).toEqual(before)
      }
      expect([talk(a, b), talk(b, a)]).toEqual([0, 0])
      b.state.pending = undefined
    }
    const data = sealText(a, 'x')
    expect(() => answer(b, data)).toThrow('not an offer')
    expect(() => finish(b, sealText(a, 'x'))).toThrow('not an answer')
  })
})

describe('rekeyDue', () => {
  test('after so many messages sent', () => {
    const { a, b } = pair()
    for (let count = 0; count < REKEY_MESSAGES; count++) {
      expect(rekeyDue(b, 0)).toBe(false)
      talk(b, a)
    }
    expect([rekeyDue(a, 0), rekeyDue(b, 0)]).toEqual([false, true])
    step(b, a)
    expect([rekeyDue(a, 0), rekeyDue(b, 0)]).toEqual([false, false])
  })

  test('of two that talk in turns the initiator alone offers', () => {
    const { a, b } = pair()
    for (let count = 0; count < REKEY_MESSAGES - REKEY_LEAD; count++) {
      expect([rekeyDue(a, 0), rekeyDue(b, 0)]).toEqual([false, false])
      talk(a, b)
      talk(b, a)
    }
    expect([rekeyDue(a, 0), rekeyDue(b, 0)]).toEqual([true, false])
  })

  test('with age, if anything was said', () => {
    const { a, b } = pair(1_000)
    expect(rekeyDue(a, 1_000 + REKEY_AGE_MS)).toBe(false)
    talk(a, b)
    expect([rekeyDue(a, 999 + REKEY_AGE_MS), rekeyDue(a, 1_000 + REKEY_AGE_MS)]).toEqual([false, true])
    expect(rekeyDue(b, 1_000 + REKEY_AGE_MS)).toBe(true)
  })

  test('again when an offer has no answer, never while a step is unconfirmed', () => {
    const { a, b } = pair()
    const offer = offerOf(a, 1_000)
    expect([rekeyDue(a, 999 + REKEY_RETRY_MS), rekeyDue(a, 1_000 + REKEY_RETRY_MS)]).toEqual([false, true])
    const answered = answer(b, offer)
    for (let count = 0; count < REKEY_MESSAGES; count++) talk(b, a)
    expect(rekeyDue(b, REKEY_AGE_MS)).toBe(false)
    expect(offerRekey(b, context())).toBeUndefined()
    finish(a, answered)
    talk(a, b)
    expect(rekeyDue(b, REKEY_AGE_MS)).toBe(true)
  })

  test('epochs are bounded however often a peer rekeys', () => {
    const { a, b } = pair()
    for (let count = 0; count < 3 * EPOCHS_MAX; count++) {
      step(a, b)
      expect(talk(a, b)).toBe(count + 1)
      expect(sessionCid(a).length).toBeLessThanOrEqual(EPOCHS_MAX)
      expect(sessionCid(b).length).toBeLessThanOrEqual(EPOCHS_MAX)
    }
  })
})

test('whatever the network does: nothing is opened twice, nothing kept is lost, both sides can go on', () => {
  const side = fc.constantFrom<'a' | 'b'>('a', 'b')
  const action = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('say' as const), side }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('offer' as const), side }) },
    { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('deliver' as const, 'repeat' as const), pick: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), side }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('settle' as const), side }) },
  )
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
      const sessions = pair()
      const network: { to: 'a' | 'b'; bytes: Uint8Array }[] = []
      const opened = new Map<string, number>()
      let said = 0
      const send = (from: 'a' | 'b', bytes: Uint8Array | undefined) => {
        if (bytes !== undefined) network.push({ to: from === 'a' ? 'b' : 'a', bytes })
      }
      const receive = (to: 'a' | 'b', bytes: Uint8Array) => {
        const session = sessions[to]
        try {
          const envelope = envelopeOf(bytes)
          const message = session.open(envelope, { bind })
          if (message.kind === 'rekey-offer')
            return send(to, answerRekey(session, { envelope, opened: message }, context()))
          if (message.kind === 'rekey-answer') return void finishRekey(session, { envelope, opened: message }, 0)
          if (!message.replay) opened.set(textOf(message), (opened.get(textOf(message)) ?? 0) + 1)
          message.mark()
        } catch (error) {
          // Only a message older than the epochs kept may be refused.
          expect(error).toBeInstanceOf(Refusal)
          expect(
            refusalOf(() => {
              throw error
            }),
          ).toBe('unopenable')
          expect(envelopeOf(bytes).epoch).toBeLessThanOrEqual(session.state.epochs[0].number - EPOCHS_MAX)
          if (envelopeOf(bytes).kind === 'data') said--
        }
      }
      for (const act of actions) {
        if (act.do === 'say') send(act.side, sealText(sessions[act.side], `${said++} ${act.side}`))
        if (act.do === 'offer') send(act.side, offerRekey(sessions[act.side], context()))
        if (act.do === 'restart') sessions[act.side] = importSession(nativeCrypto, exportSession(sessions[act.side]))
        if (act.do === 'settle') settleRekey(sessions[act.side], 0)
        if ((act.do === 'deliver' || act.do === 'repeat') && network.length > 0) {
          const at = act.pick % network.length
          const message = network[at]
          if (message === undefined) continue
          if (act.do === 'deliver') network.splice(at, 1)
          receive(message.to, message.bytes)
        }
      }
      for (let message = network.shift(); message !== undefined; message = network.shift()) {
        receive(message.to, message.bytes)
      }
      expect([...opened.values()].every((count) => count === 1)).toBe(true)
      expect(opened.size).toBeGreaterThanOrEqual(said)
      for (let round = 0; round < 2; round++) {
        talk(sessions.a, sessions.b)
        talk(sessions.b, sessions.a)
      }
      const [x, y] = [sessions.a.state.epochs[0].number, sessions.b.state.epochs[0].number]
      expect(Math.abs(x - y)).toBeLessThanOrEqual(1)
    }),
    { numRuns: 150 },
  )
})
