/** Keys on a whole host: documents signed when the owner said yes, keys of the owner's making, challenges once. */
import { createHash } from 'node:crypto'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { discover } from '#client/service.ts'
import { newChallenge, verifyChallenge } from '#host/commands/demo/challenge.ts'
import { importEd25519, verifyEd25519 } from '#host/crypto/ed25519.ts'
import { keyAlgorithms } from '#host/crypto/key-algorithm.ts'
import { OWNER_KEYS_MAX } from '#host/limits.ts'
import { signedStatement } from '../plugins/signing/statement.ts'
import { type Asker, connectService, told } from './service.fixture.ts'
import { random, startWorld, type World } from './world.fixture.ts'

let world: World

beforeAll(async () => {
  world = await startWorld({ handlers: ['signing', 'signs', 'auth-challenge'] })
})
afterAll(() => world[Symbol.asyncDispose]())

const encode = (bytes: Uint8Array) => bytes.toBase64({ alphabet: 'base64url', omitPadding: true })
const decode = (text: string) => Uint8Array.fromBase64(text, { alphabet: 'base64url' })
const hash = new Uint8Array(createHash('sha384').update('the lease').digest())
const title = 'Lease, 12 Rose Lane'
const request = { algorithm: 'sha-384', hash: encode(hash), title }

const refused = (code: string) => expect.objectContaining({ status: 'refused', code })
const absent = (aliases: readonly string[]) => {
  const error = { error: 'unavailable' }
  return { aliases, algorithm: error, publicKey: error, signature: error }
}

describe('document.sign', () => {
  test('the owner reads who asks and the title, says yes; the service verifies with the published key', async () => {
    const acme = await connectService(world, 'Acme')
    const { answer, pending } = await acme.request('document.sign', request)
    await pending
    const question = await world.questions.take()
    expect(question).toMatchObject({
      who: 'Acme',
      type: 'document.sign',
      text: `Acme asks you to sign a document (sha-384 ${hash.subarray(0, 8).toHex()}…): ${title}`,
    })
    await world.kill()
    await world.start()
    await world.alice.approve(question)
    const reply = told(await answer)
    if (reply.status !== 'replied') throw new Error(reply.status)
    const { signature, signedAt } = reply.body as { signature: string; signedAt: number }

    const { documents } = await discover(acme.invitation, acme.options)
    const verifies = (message: Uint8Array, signed: string): boolean =>
      verifyEd25519(importEd25519(documents), { message, signature: decode(signed) })
    const statement = signedStatement({ algorithm: 'sha-384', hash, title }, signedAt)
    expect(reply.body).toMatchObject({ publicKey: encode(documents), statement: encode(statement) })
    expect(verifies(statement, signature)).toBe(true)
    expect(verifies(signedStatement({ algorithm: 'sha-384', hash, title: 'Gift' }, signedAt), signature)).toBe(false)
    expect(verifies(hash, signature)).toBe(false)
  })

  test('a no signs nothing, and the asker is told', async () => {
    const acme = await connectService(world, 'Acme')
    const { answer, pending } = await acme.request('document.sign', request)
    await pending
    await world.alice.deny(await world.questions.take())
    expect(await answer).toMatchObject({ status: 'refused', code: 'consent-denied' })
  })

  test('anything but a hash is refused before the owner hears of it', async () => {
    const acme = await connectService(world, 'Acme')
    for (const change of [{ hash: 'short' }, { algorithm: 'sha-1' }, { document: 'the lease' }, { title: '' }]) {
      expect(await acme.ask('document.sign', { ...request, ...change })).toEqual(refused('malformed-request'))
    }
    for (const change of [{ algorithm: 'sha-256' }, { hash: encode(random(47)) }]) {
      expect(await acme.ask('document.sign', { ...request, ...change })).toEqual(refused('hash-invalid'))
    }
    expect(await acme.ask('document.sign', { ...request, title: 'a\nb' })).toEqual(refused('title-invalid'))
    expect((await world.alice.pending()).questions).toEqual([])
  })

  test('a contract that does not name the event gets no signature', async () => {
    const permissions = { events: ['signs.run'], store: null, messages: true, authentication: true, payment: true }
    const acme = await connectService(world, 'Acme', { changes: { permissions } })
    expect(await acme.ask('document.sign', request)).toMatchObject({ status: 'refused', code: 'not-permitted' })
  })
})

describe('keys', () => {
  const message = new Uint8Array(32).fill(5)
  const signed = async (asker: Asker, alias: string, bytes = message) => {
    const reply = await asker.ask('signs.run', { alias, message: encode(bytes) })
    return reply.status === 'replied' ? reply.body : reply
  }
  test('one that the owner makes is granted to a handler that needs its name, also after a restart', async () => {
    const acme = await connectService(world, 'Acme')
    const before = ['connection', 'identity']
    for (const alias of ['coins', 'taproot', 'any']) expect(await signed(acme, alias)).toEqual(absent(before))
    const coins = await world.alice.createKey('coins', 'ecdsa-secp256k1')
    // The manifest has it as a BIP-340 key.
    await world.alice.createKey('taproot', 'ed25519')
    const free = await world.alice.createKey('any', 'bip340')
    const aliases = [...before, 'coins', 'any']
    for (const { alias, algorithm, publicKey } of [coins, free]) {
      const answer = { aliases, algorithm, publicKey: encode(publicKey), signature: expect.stringMatching(/^.{86}$/u) }
      expect(await signed(acme, alias)).toEqual(answer)
      expect(await signed(acme, alias, new Uint8Array(33))).toMatchObject({ signature: { error: 'message-size' } })
    }
    expect(await signed(acme, 'taproot')).toEqual(absent(aliases))

    const first = await signed(acme, 'coins')
    await world.kill()
    await world.start()
    expect(await signed(acme, 'coins')).toEqual(first)
  })

  test('the connection’s own needs the contract’s permission to authenticate; the vault’s does not', async () => {
    const permissions = { events: ['signs.run'], store: null, messages: false, authentication: false, payment: false }
    const bolt = await connectService(world, 'Bolt', { changes: { permissions } })
    expect(await signed(bolt, 'connection')).toMatchObject({ publicKey: { error: 'unavailable' } })
    expect(await signed(bolt, 'identity')).toMatchObject({ algorithm: 'ed25519', signature: expect.any(String) })
  })

  test('a name that the manifest does not need ends the event', async () => {
    const acme = await connectService(world, 'Acme')
    await world.alice.createKey('other', 'ed25519')
    expect(await signed(acme, 'other')).toMatchObject({ status: 'refused', code: 'not-granted' })
  })

  test('the owner sees what is public of each, and the trail which was made', async () => {
    const made = []
    for (const algorithm of keyAlgorithms) made.push(await world.alice.createKey(`listed-${algorithm}`, algorithm))
    const keys = await world.alice.keys()
    expect(keys).toEqual(expect.arrayContaining(made))
    expect(keys.map(({ alias }) => alias)).toEqual(keys.map(({ alias }) => alias).toSorted())
    expect(keys.find(({ alias }) => alias === 'identity')).toMatchObject({ algorithm: 'ed25519' })
    for (const { algorithm, publicKey, ...rest } of made) {
      expect(publicKey).toHaveLength(algorithm === 'ecdsa-secp256k1' ? 33 : 32)
      expect(Object.keys(rest).toSorted()).toEqual(['alias', 'createdAt'])
    }
    const rows = (await world.rows()).filter(({ eventType }) => eventType === 'key.create')
    expect(rows.at(-1)).toMatchObject({ result: 'changed', reason: 'listed-bip340' })
    const stored = (await world.vault()).system.get('keys/listed-bip340')
    expect(stored).toMatchObject({ sensitivity: 'critical', visibility: 'opaque' })
  })

  test.each([
    ['of the connection’s name', 'connection', 'ed25519'],
    ['of the vault’s name', 'identity', 'ed25519'],
    ['of a name that is taken', 'taken', 'bip340'],
    ['of a name that is none', 'keys/x', 'bip340'],
  ] as const)('one %s is not made', async (_, alias, algorithm) => {
    if (alias === 'taken') await world.alice.createKey('taken', 'ed25519')
    const before = await world.alice.keys()
    await expect(world.alice.createKey(alias, algorithm)).rejects.toMatchObject({
      code: 'command-invalid',
      message: expect.stringContaining('command-invalid'),
    })
    expect(await world.alice.keys()).toEqual(before)
  })

  test('no more than a vault may have', async () => {
    const { keys } = await world.vault()
    const [some] = keys.values()
    if (!some) throw new Error('a vault has a key')
    const fill = Array.from({ length: OWNER_KEYS_MAX - keys.size }, (_, at) => `fill-${at}`)
    for (const alias of fill) keys.set(alias, some)
    await expect(world.alice.createKey('one-more', 'ed25519')).rejects.toThrow(`${OWNER_KEYS_MAX} keys at most`)
    for (const alias of fill) keys.delete(alias)
    await world.alice.createKey('one-more', 'ed25519')
  })
})

describe('auth.challenge', () => {
  test('a message that comes again is not handled again, on its own lane or another’s', async () => {
    const acme = await connectService(world, 'Acme')
    const bolt = await connectService(world, 'Bolt')
    const { body } = newChallenge('Acme', { now: world.now, random })
    const { answer, message } = await acme.hold('auth.challenge', body)
    await acme.options.transport.publish(message.subject, message.data)
    expect(await answer).toMatchObject({ status: 'replied' })
    const instances = world.host.stats().instances
    expect((await world.hand(message)).outcome).toBe('replayed')
    const elsewhere = message.subject.replace(acme.invitation.connection, bolt.invitation.connection)
    expect((await world.hand({ ...message, subject: elsewhere })).outcome).toBe('misrouted')
    expect(world.host.stats().instances).toBe(instances)
  })

  test('a nonce is signed once for a connection: in a new event it is refused, at the same time, too', async () => {
    const acme = await connectService(world, 'Acme')
    const bolt = await connectService(world, 'Bolt')
    const { body } = newChallenge('Acme', { now: world.now, random })
    const both = await Promise.all([acme.ask('auth.challenge', body), acme.ask('auth.challenge', body)])
    const used = { status: 'refused', code: 'nonce-used' }
    expect(both.map(({ status }) => status).toSorted()).toEqual(['refused', 'replied'])
    expect(both).toContainEqual(expect.objectContaining(used))
    expect(await acme.ask('auth.challenge', body)).toMatchObject(used)
    expect(await bolt.ask('auth.challenge', body)).toMatchObject({ status: 'replied' })
  })

  test('an answer fits its own challenge, audience, expiry and connection, and is over when it says', async () => {
    const acme = await connectService(world, 'Acme')
    const bolt = await connectService(world, 'Bolt')
    const { body, challenge } = newChallenge('Acme', { now: world.now, random })
    const reply = await (await acme.request('auth.challenge', body)).answer
    if (reply.status !== 'replied') throw new Error(reply.status)
    const { authentication } = acme.connected
    expect(verifyChallenge(challenge, reply.body, authentication)).toBe(true)
    expect(verifyChallenge({ ...challenge, nonce: random(32) }, reply.body, authentication)).toBe(false)
    expect(verifyChallenge({ ...challenge, audience: 'Bolt' }, reply.body, authentication)).toBe(false)
    expect(verifyChallenge({ ...challenge, expires: challenge.expires + 1 }, reply.body, authentication)).toBe(false)
    expect(verifyChallenge(challenge, reply.body, bolt.connected.authentication)).toBe(false)
    world.clock.now = challenge.expires
    expect(await acme.ask('auth.challenge', body)).toMatchObject({ status: 'refused', code: 'challenge-expired' })
  })
})
