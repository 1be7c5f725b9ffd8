import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { digest } from '#host/crypto/kdf.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { Refusal } from '#host/errors.ts'
import { CONTRACT_BYTES_MAX, CONTRACT_FIELDS_MAX } from '#host/limits.ts'
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'

import { contractOf, fieldOf, publisher } from './contract.fixture.ts'
import { type Contract, signContract, verifyContract } from './contract.ts'

const publisherKey = publisher.publicKey
const LABEL = 'vine/1 contract'

/** Signs whatever it is told to, as a careless publisher would. */
function signAnything(payload: Uint8Array, label = LABEL): Uint8Array {
  return encodeCbor([label, payload, publisher.sign(label, payload)])
}

function refusalOf(action: () => unknown): Refusal {
  try {
    action()
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
  throw new Error('nothing was refused')
}

/** For what may or may not be refused. */
function attempt(action: () => unknown): string {
  try {
    action()
    return 'read'
  } catch (error) {
    if (error instanceof Refusal) return error.code
    throw error
  }
}

/** The refusal of a contract with something in it replaced, found by its path. */
function refusedWith(path: readonly string[], value: Cbor | undefined): string {
  const payload = decodeCbor(encodeCbor(decodedPayload()))
  const last = path.at(-1) ?? ''
  let target: unknown = payload
  for (const key of path.slice(0, -1)) target = Reflect.get(Object(target), key)
  if (value === undefined) Reflect.deleteProperty(Object(target), last)
  else Reflect.set(Object(target), last, value)
  const refusal = refusalOf(() => verifyContract(nativeCrypto, signAnything(encodeCbor(payload)), publisherKey))
  expect(refusal.code).toBe('contract-invalid')
  return refusal.message
}

function decodedPayload(contract: Contract = contractOf()): Cbor {
  return decodeCbor(verifyContract(nativeCrypto, signContract(nativeCrypto, contract, publisher), publisherKey).payload)
}

test('what was signed is what is read', () => {
  const signed = verifyContract(nativeCrypto, signContract(nativeCrypto, contractOf(), publisher), publisherKey)
  expect(signed.contract).toEqual(contractOf())
  expect(signed.hash).toEqual(digest(LABEL, signed.payload))
  expect(signed.hash).toHaveLength(32)
})

test('a category may demand that what is kept of it is guarded, when it is listed', () => {
  const { permissions } = contractOf()
  const of = (sensitivity: Record<string, 'secret' | 'critical'>) =>
    contractOf({ permissions: { ...permissions, store: { categories: ['receipts'], bytesMax: 1_000, sensitivity } } })
  const guarded = of({ receipts: 'critical' })
  expect(verifyContract(nativeCrypto, signContract(nativeCrypto, guarded, publisher), publisherKey).contract).toEqual(
    guarded,
  )
  expect(refusalOf(() => signContract(nativeCrypto, of({ cards: 'secret' }), publisher)).message).toContain(
    'listed categories',
  )
})

test('links, store and fields may be absent', () => {
  const bare = contractOf({
    service: { ...contractOf().service, links: {} },
    fields: [],
    permissions: { events: [], store: null, messages: false, authentication: false, payment: false },
  })
  expect(verifyContract(nativeCrypto, signContract(nativeCrypto, bare, publisher), publisherKey).contract).toEqual(bare)
})

test('another key, another context and another signature are refused', () => {
  const other = generateSigningKey(new Uint8Array(64).fill(8))
  const bytes = signContract(nativeCrypto, contractOf(), publisher)
  expect(refusalOf(() => verifyContract(nativeCrypto, bytes, other.publicKey)).message).toContain('signature')
  const payload = encodeCbor(decodedPayload())
  const elsewhere = encodeCbor([LABEL, payload, publisher.sign('vine/1 profile', payload)])
  expect(refusalOf(() => verifyContract(nativeCrypto, elsewhere, publisherKey)).message).toContain('signature')
  expect(
    refusalOf(() => verifyContract(nativeCrypto, signAnything(payload, 'vine/1 profile'), publisherKey)).message,
  ).toContain('not labelled vine/1 contract')
})

test('the identity is the id of the key that signed, for the signer and for the reader', () => {
  const stranger = contractOf({ service: { ...contractOf().service, identity: new Uint8Array(32) } })
  expect(refusalOf(() => signContract(nativeCrypto, stranger, publisher)).message).toContain(
    'service.identity: must be the id',
  )
  expect(refusedWith(['service', 'identity'], new Uint8Array(32))).toContain('service.identity: must be the id')
})

test.each<[string, readonly string[], Cbor | undefined]>([
  ['unknown key', ['extra'], 1],
  ['missing key', ['limits'], undefined],
  ['name with a bidi override', ['service', 'name'], 'Acme\u202egro.knab'],
  ['name with a line break', ['service', 'name'], 'Acme\nbank'],
  ['name in spaces', ['service', 'name'], ' Acme'],
  ['empty name', ['service', 'name'], ''],
  ['link that is no https', ['service', 'links', 'terms'], 'javascript:alert(1)'],
  ['link with a space', ['service', 'links', 'privacy'], 'https://a b'],
  ['unknown link', ['service', 'links', 'imprint'], 'https://acme.example'],
  ['id in upper case', ['id'], 'Acme'],
  ['version 0', ['version'], 0],
  ['version over 2^53', ['version'], 2n ** 60n],
  ['negative time', ['publishedAt'], -1],
  ['field name', ['fields', '0', 'name'], '__proto__'],
  ['long field name', ['fields', '0', 'name'], 'a'.repeat(65)],
  ['tier', ['fields', '0', 'tier'], 'always'],
  ['no purpose', ['fields', '0', 'purpose'], ''],
  ['long purpose', ['fields', '0', 'purpose'], 'a'.repeat(201)],
  ['retention', ['fields', '0', 'retention'], { kind: 'forever' }],
  ['retention of no days', ['fields', '0', 'retention'], { kind: 'days', days: 0 }],
  ['retention of too many days', ['fields', '0', 'retention'], { kind: 'days', days: 3_651 }],
  ['retention with more', ['fields', '0', 'retention'], { kind: 'session', days: 2 }],
  ['event type of one word', ['permissions', 'events', '0'], 'data'],
  ['event type with a wildcard', ['permissions', 'events', '0'], 'data.*'],
  ['repeated event', ['permissions', 'events'], ['data.request', 'data.request']],
  ['repeated category', ['permissions', 'store', 'categories'], ['notes', 'notes']],
  ['store over the storage limit', ['permissions', 'store', 'bytesMax'], 10_001],
  ['permission that is no yes or no', ['permissions', 'payment'], 1],
  ['no requests', ['limits', 'requestsPerHour'], 0],
  ['too many requests', ['limits', 'requestsPerHour'], 100_001],
  ['too much storage', ['limits', 'storageBytes'], 2 ** 40],
  ['too little time for an answer', ['limits', 'approvalMs'], 59_999],
  ['too much time for an answer', ['limits', 'approvalMs'], 604_800_001],
])('refused: %s', (_name, path, value) => {
  const last = path.at(-1) ?? ''
  expect(refusedWith(path, value)).toContain(last === '0' ? `${path.at(-2)}.0` : last.slice(0, 10))
})

test('two fields of one name are refused', () => {
  const twice = contractOf({ fields: [fieldOf('email', 'required'), fieldOf('email', 'consent')] })
  expect(refusalOf(() => signContract(nativeCrypto, twice, publisher)).message).toBe(
    'contract: fields: must not repeat email',
  )
})

test('too many fields are refused', () => {
  const fields = Array.from({ length: CONTRACT_FIELDS_MAX + 1 }, (_, i) => fieldOf(`field_${i}`, 'required'))
  expect(refusalOf(() => signContract(nativeCrypto, contractOf({ fields }), publisher)).message).toContain(
    'fields: Too big',
  )
  expect(() => signContract(nativeCrypto, contractOf({ fields: fields.slice(1) }), publisher)).not.toThrow()
})

test('every mistake is named at once', () => {
  const fields = [fieldOf('Email', 'required'), fieldOf('phone', 'optional'), fieldOf('phone', 'optional')]
  const permissions = { ...contractOf().permissions, events: ['data'] }
  const { message } = refusalOf(() =>
    signContract(nativeCrypto, contractOf({ version: 0, fields, permissions }), publisher),
  )
  for (const path of ['version: ', 'fields.0.name: ', 'fields: must not repeat phone', 'permissions.events.0: ']) {
    expect(message).toContain(path)
  }
})

test('repeats are named although the items are broken too', () => {
  const broken = { name: 'phone', tier: 'optional', purpose: 'to call' }
  const message = refusedWith(['fields'], [broken, broken])
  expect(message).toContain('fields.0.retention: ')
  expect(message).toContain('fields: must not repeat phone')
})

test('three parts, of the right kinds', () => {
  const payload = encodeCbor(decodedPayload())
  const signature = publisher.sign(LABEL, payload)
  for (const outer of [
    {},
    [],
    [LABEL, payload],
    [LABEL, payload, signature, 0],
    [LABEL, payload, 1],
    [LABEL, 1, signature],
    [LABEL, 'a', 'b'],
  ]) {
    expect(refusalOf(() => verifyContract(nativeCrypto, encodeCbor(outer), publisherKey)).code).toBe('contract-invalid')
  }
})

test('size comes before everything else', () => {
  const { message } = refusalOf(() =>
    verifyContract(nativeCrypto, new Uint8Array(CONTRACT_BYTES_MAX + 1), publisherKey),
  )
  expect(message).toBe(`contract: ${CONTRACT_BYTES_MAX + 1} bytes, at most ${CONTRACT_BYTES_MAX}`)
})

test('a payload that is not the one encoding of its value is refused, signature and all', () => {
  const payload = encodeCbor(decodedPayload())
  // The map's head says its length in two bytes instead of one.
  const longer = Uint8Array.of(0xb8, (payload[0] ?? 0) & 31, ...payload.subarray(1))
  expect(refusalOf(() => verifyContract(nativeCrypto, signAnything(longer), publisherKey)).code).toBe(
    'contract-invalid',
  )
  const trailing = Uint8Array.of(...payload, 0)
  expect(refusalOf(() => verifyContract(nativeCrypto, signAnything(trailing), publisherKey)).code).toBe(
    'contract-invalid',
  )
})

test('fuzz: no bytes crash it, and only the signed bytes themselves are accepted', () => {
  const good = signContract(nativeCrypto, contractOf(), publisher)
  const flips = fc.array(fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 3 })
  const mutated = fc.tuple(flips, fc.nat(good.length), fc.uint8Array({ maxLength: 8 })).map(([flips, cut, tail]) => {
    const bytes = Uint8Array.from(good)
    for (const [at, value] of flips) bytes[at] = value
    return cut % 4 === 0 ? bytes.slice(0, cut) : cut % 4 === 1 ? Uint8Array.of(...bytes, ...tail) : bytes
  })
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 200 })), (bytes) => {
      if (bytes.toHex() === good.toHex()) return
      expect(refusalOf(() => verifyContract(nativeCrypto, bytes, publisherKey)).code).toBe('contract-invalid')
    }),
    { numRuns: 1_000 },
  )
})

test('fuzz: a signed payload of any shape is a contract or a refusal', () => {
  const known = decodedPayload()
  const keys = Object.keys(Object(known))
  const value = fc.oneof(
    fc.integer(),
    fc.string(),
    fc.constant(null),
    fc.boolean(),
    fc.uint8Array({ maxLength: 4 }),
    fc.array(fc.oneof(fc.integer(), fc.string(), fc.constant(null)), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom('name', 'store', 'events', 'bytesMax'), fc.string()),
  )
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...keys, 'extra'), value), (changes) => {
      if (Object.keys(changes).length === 0) return
      const payload = encodeCbor({ ...Object(known), ...changes })
      // A contract may ask for no fields at all.
      const asksNothing = Array.isArray(changes.fields) && changes.fields.length === 0
      const free = new Set(['id', 'version', 'publishedAt', ...(asksNothing ? ['fields'] : [])])
      const shapely = Object.keys(changes).every((key) => free.has(key))
      const read = (): string => verifyContract(nativeCrypto, signAnything(payload), publisherKey).contract.id
      const outcome = shapely ? attempt(read) : refusalOf(read).code
      expect(outcome === 'contract-invalid' || (shapely && outcome === 'read')).toBe(true)
    }),
    { numRuns: 200 },
  )
})
