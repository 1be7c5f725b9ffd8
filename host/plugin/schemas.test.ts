import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { SCHEMA_DEPTH_MAX, SCHEMA_NODES_MAX } from '#host/limits.ts'

import { compileSchema, type JsonSchema, schemaMistakes } from './schemas.ts'

const request = {
  type: 'object',
  properties: { fields: { type: 'array', items: { type: 'string', maxLength: 5 }, uniqueItems: true } },
  required: ['fields'],
  additionalProperties: false,
}

test('a value that fits gives undefined, any other the first mistake with its path', () => {
  const check = compileSchema(request)
  expect(check({ fields: ['a', 'b'] })).toBeUndefined()
  expect(check({ fields: ['a', 'a'] })).toMatch(/^\/fields: /u)
  expect(check({ fields: ['a', 'toolong'] })).toMatch(/^\/fields\/1: /u)
  expect(check({ fields: [], more: 1 })).toMatch(/additional properties/u)
  expect(check([])).toMatch(/^\(root\): /u)
})

test('a mistake never quotes a value', () => {
  const check = compileSchema({ type: 'object', properties: { a: { enum: ['x'], maxLength: 2 } } })
  expect(check({ a: 'secret-value' })).not.toContain('secret-value')
})

test.each([
  ['pattern', { properties: { a: { pattern: '(a+)+$' } } }, 'properties.a.pattern'],
  ['patternProperties', { patternProperties: { '^a': {} } }, 'patternProperties'],
  ['format', { items: { format: 'email' } }, 'items.format'],
  ['$ref', { anyOf: [{}, { $ref: '#' }] }, 'anyOf.1.$ref'],
  ['$dynamicRef', { not: { $dynamicRef: '#' } }, 'not.$dynamicRef'],
  ['a keyword nobody knows', { maxLenght: 5 }, 'maxLenght'],
  ['a type nobody knows', { type: 'text' }, 'type'],
  ['a count below 0', { maxItems: -1 }, 'maxItems'],
  ['a limit that is no number', { minimum: '3' }, 'minimum'],
  ['a subschema that is none', { items: 3 }, 'items'],
  ['an empty choice', { anyOf: [] }, 'anyOf'],
])('refuses %s and names where', (_name, schema, path) => {
  expect(schemaMistakes(schema).map((mistake) => mistake.path)).toEqual([path])
  expect(() => compileSchema(schema)).toThrow(expect.objectContaining({ code: 'manifest-invalid' }))
})

test('lists every mistake', () => {
  const found = schemaMistakes({ pattern: '.', properties: { a: { format: 'date' } }, required: 'a' })
  expect(found.map(({ path }) => path)).toEqual(['pattern', 'properties.a.format', 'required'])
})

test('depth and size are bounded', () => {
  const nested = (depth: number): JsonSchema => (depth === 0 ? {} : { items: nested(depth - 1) })
  expect(schemaMistakes(nested(SCHEMA_DEPTH_MAX))).toEqual([])
  expect(schemaMistakes(nested(SCHEMA_DEPTH_MAX + 1))).toHaveLength(1)
  expect(schemaMistakes(wide(SCHEMA_NODES_MAX - 1))).toEqual([])
  expect(schemaMistakes(wide(SCHEMA_NODES_MAX))).toHaveLength(1)
})

test('any value gets an answer from any schema that is accepted', () => {
  const leaf = fc.constantFrom(
    { type: 'string' },
    { type: ['null', 'number'] },
    { enum: [1, 'a', null] },
    { minimum: 2 },
  )
  const { schema } = fc.letrec<{ schema: JsonSchema }>((tie) => ({
    schema: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.record({ type: fc.constant('array'), items: tie('schema'), uniqueItems: fc.boolean() }),
      fc.record({ properties: fc.dictionary(fc.string(), tie('schema')), additionalProperties: fc.boolean() }),
      fc.record({ anyOf: fc.array(tie('schema'), { minLength: 1, maxLength: 3 }) }),
    ),
  }))
  fc.assert(
    fc.property(schema, fc.jsonValue(), (schema, value) => {
      const mistake = compileSchema(schema)(value)
      expect(mistake === undefined || mistake.length > 0).toBe(true)
    }),
    { numRuns: 200 },
  )
})

function wide(count: number): JsonSchema {
  return { prefixItems: Array.from({ length: count }, () => ({})) }
}
