/** The same handler as a QuickJS component and as an Extism plug-in: the same answers, the same cost in effects. */
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { signerOf } from '#host/crypto/signer.ts'

import { jobFor, memoryNamespace, registryOf } from '../fixtures/stage.ts'
import { createPool, type Pool } from '../pool.ts'
import type { Sources } from '../port.ts'
import { HandlerRefusal } from '../refusal.ts'

const now = 1_800_000_000_000
const keys: Sources['keys'] = new Map([['connection', signerOf('ed25519', new Uint8Array(32).fill(7))]])

const runtimes = { component: registryOf('auth-challenge'), extism: registryOf('challenge-extism') }
let pools: Record<keyof typeof runtimes, Pool>
beforeAll(async () => {
  const [component, extism] = await Promise.all(
    [runtimes.component, runtimes.extism].map((registry) => createPool({ registry, cells: 1, spares: 0 })),
  )
  if (component === undefined || extism === undefined) throw new Error('no pools')
  pools = { component, extism }
})
afterAll(() => Promise.all([pools.component[Symbol.asyncDispose](), pools.extism[Symbol.asyncDispose]()]))

async function ask(runtime: keyof typeof runtimes, body: unknown, sources: Partial<Sources>): Promise<unknown> {
  try {
    // What either wrote would refuse the same nonce to the other: each has a namespace of its own.
    const namespaces: Sources['namespaces'] = new Map([
      ['handler', { namespace: memoryNamespace('handler/auth-challenge'), writable: true }],
    ])
    const given = { namespaces, ...sources }
    const effects = await pools[runtime].run(jobFor(runtimes[runtime], 'auth.challenge', { body, sources: given }))
    const changes = effects.changes.map(({ author: _author, ...change }) => change)
    return { ...effects, changes, reply: new TextDecoder().decode(effects.reply) }
  } catch (error) {
    if (error instanceof HandlerRefusal) return error.answer
    throw error
  }
}

async function both(body: unknown, sources: Partial<Sources> = { keys }): Promise<unknown> {
  const [component, extism] = await Promise.all([ask('component', body, sources), ask('extism', body, sources)])
  expect(extism).toEqual(component)
  return extism
}

const nonce = 'BwcHBwcHBwcHBwcHBwcHBw'
const challenge = { nonce, audience: 'acme.example', expires: now + 60_000 }

test('both sign, and the signatures are the same', async () => {
  expect(await both(challenge)).toMatchObject({ reply: expect.stringContaining('"signature":"') })
})

test.each([
  [{ expires: now }, 'challenge-expired'],
  [{ expires: now + 600_001 }, 'challenge-too-long'],
  [{ nonce: 'BwcHBwcH' }, 'nonce-invalid'],
  [{ nonce: `${nonce.slice(0, -1)}x` }, 'nonce-invalid'],
  [{ nonce: `${nonce}==` }, 'nonce-invalid'],
])('both refuse %j as %s', async (change, code) => {
  expect(await both({ ...challenge, ...change })).toMatchObject({ code })
})

test('both refuse without a key in the grant', async () => {
  expect(await both(challenge, {})).toMatchObject({ code: 'key-unavailable' })
})

test('both agree on whatever an audience may be', async () => {
  const anything = fc.record({
    nonce: fc.uint8Array({ minLength: 14, maxLength: 66 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
    audience: fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
    expires: fc.integer({ min: now - 1_000, max: now + 700_000 }),
  })
  await fc.assert(
    fc.asyncProperty(anything, async (body) => void (await both(body))),
    { numRuns: 80 },
  )
})
