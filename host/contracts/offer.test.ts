import { expect, test } from 'vitest'

import { nativeCrypto } from '#host/crypto/native.ts'

import { signContract, verifyContract, type Contract } from './contract.ts'
import { identityId } from '../crypto/identity.ts'
import { generateSigningKey } from '../crypto/sign.ts'
import { offeredEvents, permitsEvent, publishedEvents } from './offer.ts'

const signing = generateSigningKey()
const untilRevoked = { kind: 'until-revoked' } as const

function contract(changes: Partial<Contract['permissions']>): Contract {
  const made: Contract = {
    service: { name: 'Acme', identity: identityId(nativeCrypto, signing.publicKey), links: {} },
    id: 'terms',
    version: 1,
    publishedAt: 0,
    fields: [
      { name: 'email', tier: 'required', purpose: 'to write', retention: untilRevoked },
      { name: 'phone', tier: 'optional', purpose: 'to call', retention: untilRevoked },
    ],
    permissions: { events: [], store: null, messages: false, authentication: false, payment: false, ...changes },
    limits: { requestsPerHour: 10, storageBytes: 0 },
  }
  return verifyContract(nativeCrypto, signContract(nativeCrypto, made, signing), signing.publicKey).contract
}

const event = (type: string, changes: object = {}) => ({
  type,
  delivery: 'critical',
  permission: null,
  approval: 'never',
  fields: null,
  request: { type: 'object' },
  reply: { type: 'object' },
  ...changes,
})
const handlers = JSON.stringify([
  {
    handler: 'data',
    version: '1.2.0',
    summary: 'Gives data.',
    author: 'us',
    events: [event('data.request', { permission: 'data', fields: '/fields' }), event('data.other')],
  },
  {
    handler: 'auth',
    version: '1.0.0',
    summary: 'Signs.',
    events: [event('auth.challenge', { permission: 'authentication' })],
  },
])

test('an offer is what the contract names, permits and the vault answers', () => {
  const events = ['data.request', 'auth.challenge', 'nobody.answers']
  const without = offeredEvents(contract({ events }), { handlers, declined: [] })
  expect(without.map(({ type }) => type)).toEqual(['data.request'])
  const both = offeredEvents(contract({ events, authentication: true }), { handlers, declined: [] })
  expect(both.map(({ type, handler, version }) => [type, handler, version])).toEqual([
    ['data.request', 'data', '1.2.0'],
    ['auth.challenge', 'auth', '1.0.0'],
  ])
})

test('an offer names the fields of events that take some, less those that were declined', () => {
  const events = ['data.request', 'auth.challenge']
  const options = { handlers, declined: ['phone'] }
  const [data, auth] = offeredEvents(contract({ events, authentication: true }), options)
  expect(data?.asks).toEqual([{ name: 'email', tier: 'required' }])
  expect(auth?.asks).toEqual([])
})

test('an event type that is not in the contract is not permitted, whatever its flags', () => {
  const given = contract({ events: ['data.request'], authentication: true })
  expect(permitsEvent(given, { type: 'auth.challenge', permission: 'authentication' })).toBe(false)
  expect(permitsEvent(given, { type: 'data.request', permission: 'payment' })).toBe(false)
  expect(permitsEvent(given, { type: 'data.request', permission: 'data' })).toBe(true)
})

test.each([
  ['no text', [], /not JSON text/],
  ['no JSON', '[', /not JSON text/],
  ['too long', ' '.repeat(256 * 1024 + 1), /not JSON text/],
  ['no list', '{}', /manifests/],
  [
    'an unknown delivery',
    JSON.stringify([{ handler: 'a', version: '1.0.0', summary: 's', events: [event('a.b', { delivery: 'soon' })] }]),
    /delivery/,
  ],
])('manifests that are none are refused: %s', (_name, text, message) => {
  expect(() => publishedEvents(text)).toThrow(message)
})
