/** Evidence over the bus: who may ask a vault which code has it, and what an answer from elsewhere is worth. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { evidenceForDevice } from '#client/evidence.ts'
import { discover, evidenceOf } from '#client/service.ts'
import { forgetfulStore } from '#client/transport.ts'
import type { ReleaseLog } from '#enclave/release-log.ts'
import { imageOf, keyOf, logOf, providerKeys, showingOf, trustOf } from '#enclave/shown.fixture.ts'
import {
  decodeEvidenceAnswer,
  decodeEvidenceQuestion,
  encodeEvidenceAnswer,
  encodeEvidenceQuestion,
  PROFILE_EVIDENCE,
} from '#host/contracts/evidence.ts'
import type { Showing } from '#host/crypto/enclave.ts'
import { nativeCrypto as crypto } from '#host/crypto/native.ts'
import { connectService, HOUR_MS } from './service.fixture.ts'
import { random, startWorld, type World } from './world.fixture.ts'

const releases = { keys: providerKeys, minimum: 0 }
const LIFE = { lifeMs: HOUR_MS }
let world: World
/** What runs, and what the log beside it says; tests change both. */
let image: number
let log: ReleaseLog | undefined
let key: ReturnType<typeof keyOf> | undefined

beforeEach(async () => {
  ;[image, log, key] = [2, logOf([1, 2]), undefined]
  const showing: Showing = {
    show: (asked) => showingOf(image, { log: () => log, now: () => world.clock.now, ...(key && { key }) }).show(asked),
  }
  world = await startWorld({ handlers: ['counts'], showing: () => Promise.resolve(showing) })
})
afterEach(() => world[Symbol.asyncDispose]())

/** A service with an invitation, and nothing more. */
async function stranger() {
  const invitation = await world.alice.invite('Acme', 'service')
  const options = { transport: world.broker.connect(), store: forgetfulStore(), crypto, now: world.now, random }
  return { invitation, options }
}
const discovered = async ({ invitation, options }: Awaited<ReturnType<typeof stranger>>) =>
  discover(invitation, { ...options, signing: world.signing('phone') })

const nonceOf = (data: Uint8Array) => decodeEvidenceQuestion(data).nonce

describe('before a contract', () => {
  test('who was invited checks code, release and handler, and that the code has this vault’s keys', async () => {
    const acme = await stranger()
    const profile = await discovered(acme)
    const asked = { profile, trust: trustOf([2], releases), handler: 'payment' }
    const shown = await evidenceOf(acme.invitation, asked, acme.options)
    expect(shown).toMatchObject({ kind: 'software', hardware: false, release: { release: 2 } })
    expect(shown.handler).toEqual(imageOf(2).handlers.find(({ id }) => id === 'payment'))
    const other = { ...asked, profile: { ...profile, hash: new Uint8Array(32) } }
    await expect(evidenceOf(acme.invitation, other, acme.options)).rejects.toMatchObject({ code: 'user-data-mismatch' })
    const elsewhere = { ...asked, profile: { ...profile, vault: 'bob' as typeof profile.vault } }
    await expect(evidenceOf(acme.invitation, elsewhere, acme.options)).rejects.toMatchObject({
      code: 'user-data-mismatch',
    })
  })

  test('what is not accepted is rejected by its code', async () => {
    const acme = await stranger()
    const profile = await discovered(acme)
    const verdict = (trust: ReturnType<typeof trustOf>) => evidenceOf(acme.invitation, { profile, trust }, acme.options)
    await expect(verdict(trustOf([1]))).rejects.toMatchObject({ code: 'measurement-unknown' })
    const nitro = { ...trustOf([2]), policy: { ...trustOf([2]).policy, kind: 'nitro' as const } }
    await expect(verdict(nitro)).rejects.toMatchObject({ code: 'kind-refused' })
    await expect(verdict(trustOf([2], { ...releases, minimum: 3 }))).rejects.toMatchObject({ code: 'release-older' })
    key = keyOf(8)
    await expect(verdict(trustOf([2]))).rejects.toMatchObject({ code: 'key-unknown' })
  })

  test('an answer to another question is nobody’s, and a tampered one is rejected', async () => {
    const acme = await stranger()
    const profile = await discovered(acme)
    const lane = (way: string) => `MessageSpace.alice.${way}.${acme.invitation.connection}.${PROFILE_EVIDENCE}`
    const heard: Uint8Array[] = []
    const bus = world.broker.connect()
    await bus.subscribe(lane('forService'), ({ data }) => heard.push(data))
    const early = await evidenceOf(acme.invitation, { profile, trust: trustOf([2]) }, acme.options)
    expect(early.hardware).toBe(false)
    const [old] = heard
    if (!old) throw new Error('nothing was heard')

    const given = decodeEvidenceAnswer(old)
    if (!('shown' in given)) throw new Error('refused')
    /** A broker that answers first, by what `make` gives for the nonce that was asked with. */
    const between = (make: (asked: Uint8Array) => Uint8Array | undefined) => ({
      ...acme.options,
      transport: {
        subscribe: bus.subscribe.bind(bus),
        async publish(subject: string, data: Uint8Array) {
          const answer = make(data)
          if (answer) await bus.publish(lane('forService'), answer)
          await bus.publish(subject, data)
        },
      },
    })
    const asked = { profile, trust: trustOf([2]) }
    // An old answer as it was is not heard; under the new nonce, its evidence is not about it.
    await evidenceOf(
      acme.invitation,
      asked,
      between(() => old),
    )
    const renamed = between((data) => encodeEvidenceAnswer({ nonce: nonceOf(data), shown: given.shown }))
    await expect(evidenceOf(acme.invitation, asked, renamed)).rejects.toMatchObject({ code: 'nonce-mismatch' })
    const flipped = given.shown.with(200, (given.shown[200] ?? 0) ^ 1)
    const tampered = between((data) => encodeEvidenceAnswer({ nonce: nonceOf(data), shown: flipped }))
    await expect(evidenceOf(acme.invitation, asked, tampered)).rejects.toThrow(/evidence|proof/)
  })

  test('a handler that is not there is refused, and so is what is no question', async () => {
    const acme = await stranger()
    const profile = await discovered(acme)
    const asked = { profile, trust: trustOf([2]), handler: 'none' }
    await expect(evidenceOf(acme.invitation, asked, acme.options)).rejects.toMatchObject({ code: 'image-unlisted' })
    const subject = `MessageSpace.alice.fromService.${acme.invitation.connection}.${PROFILE_EVIDENCE}`
    expect((await world.hand({ subject, data: new Uint8Array(200) })).outcome).toBe('malformed')
    expect((await world.hand({ subject, data: new Uint8Array(300) })).outcome).toBe('too-large')
    const question = encodeEvidenceQuestion({ nonce: random(32), handler: null, logSize: 0 })
    const nowhere = subject.replace(acme.invitation.connection, 'x'.repeat(acme.invitation.connection.length))
    expect((await world.hand({ subject: nowhere, data: question })).outcome).toBe('unknown-connection')
  })

  test('asking is limited as all greetings are', async () => {
    const acme = await stranger()
    const subject = `MessageSpace.alice.fromService.${acme.invitation.connection}.${PROFILE_EVIDENCE}`
    const data = encodeEvidenceQuestion({ nonce: random(32), handler: null, logSize: 0 })
    const outcomes = new Set<string>()
    for (let times = 0; times < 200 && !outcomes.has('rate-limited'); times++) {
      outcomes.add((await world.hand({ subject, data })).outcome)
    }
    expect([...outcomes]).toEqual([expect.any(String), 'rate-limited'])
  })
})

describe('with a contract', () => {
  test.each(['service', 'peer'] as const)('a %s asks for fresh evidence under it', async (kind) => {
    const acme = await connectService(world, 'Acme', { kind })
    const profile = await discover(acme.invitation, acme.options)
    const asked = { profile, trust: trustOf([], releases), handler: 'data' }
    const first = await acme.connected.evidence(asked, LIFE)
    expect([first.release?.release, first.handler?.id]).toEqual([2, 'data'])
    // Another image runs, and the log went on: what was remembered of it is asked to lead there.
    ;[image, log] = [3, logOf([1, 2, 3])]
    const second = await acme.connected.evidence(asked, LIFE)
    expect(second.release?.release).toBe(3)
    expect(second.log?.size).toBe(3)
    log = logOf([3])
    await expect(acme.connected.evidence(asked, LIFE)).rejects.toMatchObject({ code: 'log-behind' })
    log = logOf([3, 5, 6, 7])
    await expect(acme.connected.evidence(asked, LIFE)).rejects.toMatchObject({ code: 'log-forked' })
    const rows = (await world.rows()).filter(({ eventType }) => eventType === 'evidence.get')
    expect(rows.map(({ result }) => result)).toEqual(['replied', 'replied', 'replied', 'replied'])
  })

  test('a connection that ended gets none', async () => {
    const acme = await connectService(world, 'Acme')
    const profile = await discover(acme.invitation, acme.options)
    await world.alice.sever(acme.invitation.connection)
    const asked = { profile, trust: trustOf([2]) }
    await expect(acme.connected.evidence(asked, LIFE)).rejects.toMatchObject({ code: 'connection-inactive' })
  })

  test('a question that is none is refused', async () => {
    const acme = await connectService(world, 'Acme')
    expect(await acme.ask('evidence.get', { nonce: 1 })).toMatchObject({ status: 'refused', code: 'malformed' })
  })
})

test('an owner’s device asks, too', async () => {
  const device = {
    vault: 'alice',
    identity: world.identity,
    transport: world.broker.connect(),
    store: forgetfulStore(),
    crypto,
    now: world.now,
    random,
  }
  const shown = await evidenceForDevice(device, { trust: trustOf([2], releases) })
  expect([shown.profile.vault, shown.release?.version]).toEqual(['alice', '1.2'])
  await expect(evidenceForDevice(device, { trust: trustOf([1]) })).rejects.toMatchObject({
    code: 'measurement-unknown',
  })
})

test('a host that attests nothing says so', async () => {
  await using plain = await startWorld({ handlers: ['counts'] })
  const acme = await connectService(plain, 'Acme')
  const profile = await discover(acme.invitation, acme.options)
  const asked = { profile, trust: trustOf([2]) }
  await expect(evidenceOf(acme.invitation, asked, acme.options)).rejects.toMatchObject({ code: 'not-attested' })
  await expect(acme.connected.evidence(asked, LIFE)).rejects.toMatchObject({ code: 'not-attested' })
})
