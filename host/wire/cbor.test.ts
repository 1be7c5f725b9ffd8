import * as cborg from 'cborg'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX, MESSAGE_BYTES_MAX } from '#host/limits.ts'

import { type Cbor, decodeCbor, encodeCbor } from './cbor.ts'
import { refusalOf } from './refusal.fixture.ts'

const hex = (text: string) => Uint8Array.fromHex(text.replaceAll(' ', ''))

const leaf: fc.Arbitrary<Cbor> = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer({ min: -70_000, max: 70_000 }),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n }),
  fc.string({ unit: 'binary', maxLength: 50 }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 300 }),
  fc.uint8Array({ maxLength: 300 }),
  fc.boolean(),
  fc.constant(null),
)
const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 30 }), fc.constantFrom('__proto__', 'constructor', 'ab'))
const key = fc.oneof(text, fc.maxSafeInteger())
const value: fc.Arbitrary<Cbor> = fc.letrec<{ value: Cbor }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    leaf,
    fc.array(tie('value'), { maxLength: 30 }),
    fc.dictionary(text, tie('value'), { maxKeys: 30, noNullPrototype: false }),
    fc.array(fc.tuple(key, tie('value')), { maxLength: 8 }).map((entries) => new Map(entries)),
  ),
})).value

const nested = (depth: number) => Array.from({ length: depth }).reduce<Cbor>((inner) => [inner], 1)

describe('encoding', () => {
  // RFC 8949 appendix A, the values vine-CBOR holds.
  test.each<[Cbor, string]>([
    [0, '00'],
    [23, '17'],
    [24, '1818'],
    [255, '18ff'],
    [256, '190100'],
    [65_535, '19ffff'],
    [65_536, '1a00010000'],
    [4_294_967_295, '1affffffff'],
    [1_000_000_000_000, '1b000000e8d4a51000'],
    [18_446_744_073_709_551_615n, '1bffffffffffffffff'],
    [-1, '20'],
    [-1_000, '3903e7'],
    [Number.MIN_SAFE_INTEGER, '3b001ffffffffffffe'],
    [-9_007_199_254_740_992n, '3b001fffffffffffff'],
    [-18_446_744_073_709_551_616n, '3bffffffffffffffff'],
    [false, 'f4'],
    [true, 'f5'],
    [null, 'f6'],
    [hex('01020304'), '4401020304'],
    ['', '60'],
    ['"\\', '62225c'],
    ['ü', '62c3bc'],
    // A byte order mark is a character like any other.
    ['\ufeffa', '64efbbbf61'],
    ['𐅑', '64f0908591'],
    [[1, [2, 3], [4, 5]], '8301820203820405'],
    [{ b: [2, 3], a: 1 }, 'a26161016162820203'],
    [
      new Map<number | string, Cbor>([
        ['a', 1],
        [-1, 2],
        [10, 3],
        [100, 4],
        ['z', 5],
      ]),
      'a50a0318640420026161 01617a05',
    ],
    // The shorter key first, then bytewise: UTF-8 order, which UTF-16 order is not.
    [{ aa: 1, b: 2, '\u{10000}': 4, '\uffff': 3 }, 'a4616202626161 01 63efbfbf03 64f090808004'],
  ])('case %#', (input, expected) => {
    const bytes = hex(expected)
    expect(encodeCbor(input)).toEqual(bytes)
    expect(encodeCbor(decodeCbor(bytes))).toEqual(bytes)
  })

  test.each([
    ['a float', 1.5],
    ['-0', -0],
    ['NaN', Number.NaN],
    ['2^53', 2 ** 53],
    ['2^64', 2n ** 64n],
    ['-2^64 - 1', -(2n ** 64n) - 1n],
    ['a lone surrogate', 'a\ud800'],
    ['a lone surrogate in long text', `${'a'.repeat(60)}\udc00`],
    ['a lone surrogate in a key', { '\ud800': 1 }],
    ['undefined', undefined],
    ['undefined in an object', { a: undefined }],
    // oxlint-disable-next-line no-sparse-arrays
    ['a hole', [1, , 2]],
    ['a symbol', Symbol('x')],
    ['a function', () => 1],
    ['a date', new Date(0)],
    ['a set', new Set([1])],
    ['a boxed number', Object(1)],
    ['other bytes', new Uint16Array(2)],
    ['a float key', new Map([[1.5, 1]])],
    ['a bigint key', new Map([[2n ** 60n, 1]])],
    ['an object key', new Map([[{}, 1]])],
  ])('refuses %s', (_, input) => {
    expect(refusalOf(() => encodeCbor(input as Cbor))).toBe('malformed')
  })

  test('refuses what decoding would: depth, count, cycles, shared arrays grown large', () => {
    expect(decodeCbor(encodeCbor(nested(CBOR_DEPTH_MAX)))).toEqual(nested(CBOR_DEPTH_MAX))
    expect(refusalOf(() => encodeCbor(nested(CBOR_DEPTH_MAX + 1)))).toBe('too-large')
    const cycle: Cbor[] = []
    cycle.push(cycle)
    expect(refusalOf(() => encodeCbor(cycle))).toBe('too-large')
    let bomb: Cbor = [1, 2]
    for (let level = 0; level < 14; level++) bomb = [bomb, bomb, bomb, bomb]
    expect(refusalOf(() => encodeCbor(bomb))).toBe('too-large')
    expect(encodeCbor(Array.from({ length: CBOR_ITEMS_MAX - 1 }, () => 0))).toHaveLength(CBOR_ITEMS_MAX + 2)
    expect(refusalOf(() => encodeCbor(Array.from({ length: CBOR_ITEMS_MAX }, () => 0)))).toBe('too-large')
  })

  test('the same bytes as cborg', () => {
    fc.assert(
      fc.property(value, (input) => {
        expect(encodeCbor(input)).toEqual(new Uint8Array(cborg.encode(input, cborg.rfc8949EncodeOptions)))
      }),
      { numRuns: 1_500 },
    )
  })

  test('a call made during a call, and one after a throw, write their own bytes', () => {
    const inner = new Map<string, Uint8Array>()
    const outer = {
      a: 'x'.repeat(100),
      get b() {
        inner.set('bytes', encodeCbor([1, 2, 3]))
        return 7
      },
    }
    const expected = encodeCbor({ a: 'x'.repeat(100), b: 7 })
    expect(encodeCbor(outer)).toEqual(expected)
    expect(inner.get('bytes')).toEqual(hex('83010203'))
    expect(refusalOf(() => encodeCbor(['half', { of: -0 }]))).toBe('malformed')
    expect(encodeCbor(outer)).toEqual(expected)
  })

  test('a result stays as it was when more is encoded', () => {
    const first = encodeCbor(['first', hex('ff')])
    const copy = Uint8Array.from(first)
    encodeCbor(['second', hex('00'), 'x'.repeat(100_000)])
    encodeCbor(['third!', hex('00')])
    expect(first).toEqual(copy)
  })
})

describe('decoding', () => {
  test('gives back what was encoded', () => {
    fc.assert(
      fc.property(value, (input) => {
        const bytes = encodeCbor(input)
        expect(encodeCbor(decodeCbor(bytes))).toEqual(bytes)
        expect(normal(decodeCbor(bytes))).toEqual(normal(input))
      }),
      { numRuns: 1_500 },
    )
  })

  test.each([
    ['nothing', ''],
    ['a second value', '0000'],
    ['an integer in two bytes that needs one', '1817'],
    ['in three that needs two', '1900ff'],
    ['in five that needs three', '1a0000ffff'],
    ['in nine that needs five', '1b00000000ffffffff'],
    ['a length longer than needed', '580161'],
    ['a reserved length', '1c'],
    ['indefinite bytes', '5f4100ff'],
    ['indefinite text', '7f6161ff'],
    ['an indefinite array', '9f01ff'],
    ['an indefinite map', 'bf01ff'],
    ['a break', 'ff'],
    ['a tag', 'c000'],
    ['a bignum', 'c24101'],
    ['a half float', 'f90000'],
    ['a float', 'fa47c35000'],
    ['a double', 'fb3ff199999999999a'],
    ['undefined', 'f7'],
    ['a simple value', 'f0'],
    ['a simple value in two bytes', 'f8ff'],
    ['true in two bytes', 'f815'],
    ['text cut short', '6261'],
    ['bytes cut short', '4201'],
    ['an array cut short', '8201'],
    ['a map cut short', 'a101'],
    ['2^32 - 1 bytes', '5affffffff'],
    ['2^53 items', '9b0020000000000000'],
    ['2^64 - 1 items', '9bffffffffffffffff'],
    ['2^31 pairs', 'ba80000000'],
    ['overlong utf-8', '62c080'],
    ['a surrogate in utf-8', '63eda080'],
    ['cut utf-8', '61c3'],
    ['cut utf-8 in long text', `7828${'61'.repeat(39)}c3`],
    ['keys out of order', 'a2616201616101'],
    ['a longer key first', 'a262616101616201'],
    ['a key twice', 'a2616101616101'],
    ['an integer key twice', 'a201000100'],
    ['text before integer keys', 'a2616101 0102'],
    ['a bytes key', 'a1410000'],
    ['an array key', 'a1800000'],
    ['a null key', 'a1f600'],
    ['a 64-bit key', 'a11bffffffffffffffff00'],
  ])('refuses %s', (_, bytes) => {
    expect(refusalOf(() => decodeCbor(hex(bytes)))).toBe('malformed')
  })

  test('limits come first, each by itself', () => {
    expect(refusalOf(() => decodeCbor(new Uint8Array(MESSAGE_BYTES_MAX + 1)))).toBe('too-large')
    expect(refusalOf(() => decodeCbor(hex('ffff'), { bytesMax: 1 }))).toBe('too-large')
    expect(refusalOf(() => decodeCbor(hex('8100'), { depthMax: 0 }))).toBe('too-large')
    expect(decodeCbor(hex('8100'), { depthMax: 1 })).toEqual([0])
    expect(refusalOf(() => decodeCbor(hex('820000'), { itemsMax: 2 }))).toBe('too-large')
    expect(decodeCbor(hex('820000'), { itemsMax: 3 })).toEqual([0, 0])
    expect(refusalOf(() => decodeCbor(hex('a10000'), { itemsMax: 2 }))).toBe('too-large')
    expect(refusalOf(() => decodeCbor(new Uint8Array(100_000).fill(0x81)))).toBe('too-large')
    expect(refusalOf(() => decodeCbor(hex('a0'.padStart(2 * CBOR_DEPTH_MAX + 4, '81'))))).toBe('too-large')
  })

  test('a map of text keys inherits nothing and special names are ordinary', () => {
    const decoded = decodeCbor(encodeCbor(JSON.parse('{"__proto__":{"polluted":true},"constructor":1}') as Cbor))
    expect(Object.keys(decoded as object)).toEqual(['__proto__', 'constructor'])
    expect(Reflect.get(decoded as object, 'polluted')).toBeUndefined()
    expect(Reflect.get(decodeCbor(hex('a0')) as object, 'toString')).toBeUndefined()
    expect(Reflect.get({}, 'polluted')).toBeUndefined()
  })

  test('an integer key anywhere makes a Map', () => {
    expect(decodeCbor(hex('a2010261610 3'))).toEqual(
      new Map<number | string, number>([
        [1, 2],
        ['a', 3],
      ]),
    )
  })

  test('bytes are copies, unless views are asked for; never Buffers', () => {
    const bytes = Buffer.from('4401020304', 'hex')
    const copy = decodeCbor(bytes) as Uint8Array
    const view = decodeCbor(bytes, { views: true }) as Uint8Array
    bytes.fill(9)
    expect(copy).toEqual(hex('01020304'))
    expect(view).toEqual(hex('09090909'))
    expect(copy.constructor).toBe(Uint8Array)
    expect(view.constructor).toBe(Uint8Array)
  })

  test('agrees with cborg on mutated bytes', () => {
    fc.assert(
      fc.property(value.map(encodeCbor), mutation, (bytes, mutate) => agree(mutate(bytes))),
      { numRuns: 4_000 },
    )
  })

  test('agrees with cborg on any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 24 }), agree), { numRuns: 4_000 })
  })

  test('hostile megabytes end soon', () => {
    const started = performance.now()
    for (const byte of [0x80, 0xa0, 0x60, 0x40, 0x00, 0x9a, 0xba, 0x81, 0xf6]) {
      const bytes = new Uint8Array(MESSAGE_BYTES_MAX).fill(byte)
      bytes.set(hex('9a000ffff0'))
      expect(refusalOf(() => decodeCbor(bytes))).toMatch(/malformed|too-large/)
    }
    expect(performance.now() - started).toBeLessThan(2_000)
  })
})

/** Integers as bigints, maps as Maps, bytes as they are: what a value means. */
function normal(input: Cbor): unknown {
  if (typeof input === 'number') return BigInt(input)
  if (typeof input !== 'object' || input === null || input instanceof Uint8Array) return input
  if (Array.isArray(input)) return input.map(normal)
  const entries: [number | string, Cbor][] = input instanceof Map ? [...input] : Object.entries(input)
  return new Map(entries.map(([key, inner]) => [key, normal(inner)]))
}

const mutation = fc
  .array(fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom('set', 'flip', 'insert', 'remove', 'cut')), {
    minLength: 1,
    maxLength: 3,
  })
  .map((edits) => (bytes: Uint8Array) => {
    const list = [...bytes]
    for (const [where, byte, edit] of edits) {
      const at = where % (list.length + 1)
      if (edit === 'set') list[at] = byte
      else if (edit === 'flip') list[at] = (list[at] ?? 0) ^ (1 << (byte & 7))
      else if (edit === 'insert') list.splice(at, 0, byte)
      else if (edit === 'remove') list.splice(at, 1)
      else list.length = at
    }
    return Uint8Array.from(list)
  })

/** Ours reads exactly what cborg reads, writes back the same, within what vine-CBOR holds. */
function agree(bytes: Uint8Array): void {
  let theirs: unknown
  try {
    theirs = cborg.decode(bytes, {
      strict: true,
      useMaps: true,
      allowIndefinite: false,
      allowUndefined: false,
      rejectDuplicateMapKeys: true,
    })
    const again = new Uint8Array(cborg.encode(theirs, cborg.rfc8949EncodeOptions))
    if (isForeign(theirs) || !Buffer.from(again).equals(bytes)) theirs = undefined
  } catch {
    theirs = undefined
  }
  let ours: Cbor | undefined
  try {
    ours = decodeCbor(bytes)
  } catch (error) {
    expect(
      refusalOf(() => {
        throw error
      }),
    ).toMatch(/malformed|too-large/)
  }
  if (ours === undefined) expect(theirs).toBeUndefined()
  else expect(normal(ours)).toEqual(normal(theirs as Cbor))
}

/** What cborg reads and vine-CBOR does not hold: floats, and map keys that are not text or safe integers. */
function isForeign(input: unknown): boolean {
  if (typeof input === 'number') return !Number.isSafeInteger(input) || Object.is(input, -0)
  if (Array.isArray(input)) return input.some(isForeign)
  if (!(input instanceof Map)) return false
  return [...input].some(
    ([key, inner]) => (typeof key !== 'string' && typeof key !== 'number') || isForeign(key) || isForeign(inner),
  )
}
