/**
 * The JSON Schemas of handler authors, interpreted: no code is made from them.
 *
 * The one importer of typebox. Only the keywords below exist here; an unknown one is an error, since a schema checker
 * that skips `maxLenght` lets everything through. `pattern` and `format` are left out because a regular expression can
 * run for ever, `$ref` because it makes schemas without an end.
 */
import { Check, Errors } from 'typebox/schema'

import { Refusal } from '#host/errors.ts'
import { SCHEMA_DEPTH_MAX, SCHEMA_NODES_MAX } from '#host/limits.ts'

export type JsonSchema = Readonly<Record<string, unknown>>

/** Undefined when the value fits, else the first mistake as `path: message`. Never quotes a value. */
export type SchemaCheck = (value: unknown) => string | undefined

/** One mistake in a schema; `path` is dotted and starts inside the schema. */
export interface SchemaMistake {
  readonly path: string
  readonly message: string
}

/** What a keyword holds: a plain value, one subschema, a list of them, or a map of them. */
const keywords: ReadonlyMap<string, 'value' | 'schema' | 'list' | 'map'> = new Map([
  ...['type', 'enum', 'const', 'required', 'title', 'description', 'default', 'examples'].map(plain),
  ...['minLength', 'maxLength', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'].map(plain),
  ...['minItems', 'maxItems', 'uniqueItems', 'minContains', 'maxContains', 'minProperties', 'maxProperties'].map(plain),
  ...(['additionalProperties', 'propertyNames', 'items', 'contains', 'not', 'if', 'then', 'else'] as const).map(one),
  ...(['allOf', 'anyOf', 'oneOf', 'prefixItems'] as const).map((name) => [name, 'list'] as const),
  ['properties', 'map'],
])

function plain(name: string): readonly [string, 'value'] {
  return [name, 'value']
}

function one(name: string): readonly [string, 'schema'] {
  return [name, 'schema']
}

const types = new Set(['null', 'boolean', 'object', 'array', 'number', 'integer', 'string'])
const counts = new Set(['minLength', 'maxLength', 'minItems', 'maxItems', 'minContains', 'maxContains'])
for (const name of ['minProperties', 'maxProperties']) counts.add(name)
const numbers = new Set(['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'])

/**
 * Makes the check of one schema.
 *
 * @throws Refusal `manifest-invalid` with every mistake
 */
export function compileSchema(schema: JsonSchema): SchemaCheck {
  const found = schemaMistakes(schema)
  if (found.length > 0) {
    throw new Refusal('manifest-invalid', found.map(({ path, message }) => `${path}: ${message}`).join('; '))
  }
  return (value) => {
    if (Check(schema, value)) return undefined
    const [, errors] = Errors(schema, value)
    // Errors list a failed `false` subschema first; the keyword that holds it says more.
    const error = errors.find(({ keyword }) => keyword !== 'boolean') ?? errors[0]
    return `${(error?.instancePath ?? '').slice(0, 128) || '(root)'}: ${error?.message ?? 'does not fit'}`
  }
}

/** Every mistake in an author's schema, in the order written. */
export function schemaMistakes(schema: unknown): SchemaMistake[] {
  const found: SchemaMistake[] = []
  let nodes = 0
  const visit = (node: unknown, path: string, depth: number): void => {
    nodes += 1
    if (nodes > SCHEMA_NODES_MAX) return
    if (typeof node === 'boolean' && depth > 0) return
    if (!isRecord(node)) return void found.push({ path: path || '(root)', message: 'must be a schema (an object)' })
    if (depth > SCHEMA_DEPTH_MAX) {
      return void found.push({ path, message: `nests deeper than ${SCHEMA_DEPTH_MAX} schemas` })
    }
    for (const [keyword, value] of Object.entries(node)) {
      const at = path === '' ? keyword : `${path}.${keyword}`
      const message = keywordMistake(keyword, value)
      if (message === undefined) visitInside(keyword, value, at, depth)
      else found.push({ path: at, message })
    }
  }
  const visitInside = (keyword: string, value: unknown, at: string, depth: number): void => {
    const kind = keywords.get(keyword)
    if (kind === 'schema') visit(value, at, depth + 1)
    if (kind === 'list' && Array.isArray(value))
      value.forEach((item, index) => visit(item, `${at}.${index}`, depth + 1))
    if (kind === 'map' && isRecord(value)) {
      for (const [name, item] of Object.entries(value)) visit(item, `${at}.${name}`, depth + 1)
    }
  }
  visit(schema, '', 0)
  if (nodes > SCHEMA_NODES_MAX) found.push({ path: '(root)', message: `has more than ${SCHEMA_NODES_MAX} subschemas` })
  return found
}

function keywordMistake(keyword: string, value: unknown): string | undefined {
  const kind = keywords.get(keyword)
  if (kind === undefined) return 'is not a keyword that handlers may use'
  if (kind === 'list' && !(Array.isArray(value) && value.length > 0)) return 'must be a list of schemas'
  if (kind === 'map' && !isRecord(value)) return 'must map names to schemas'
  if (keyword === 'type' && ![value].flat().every((type) => typeof type === 'string' && types.has(type))) {
    return `must be one of ${[...types].join(', ')}, or a list of these`
  }
  if (keyword === 'enum' && !(Array.isArray(value) && value.length > 0)) return 'must be a list of values'
  if (keyword === 'required' && !(Array.isArray(value) && value.every((name) => typeof name === 'string'))) {
    return 'must be a list of names'
  }
  if (counts.has(keyword) && !(Number.isSafeInteger(value) && Number(value) >= 0)) return 'must be a whole number'
  if (numbers.has(keyword) && !Number.isFinite(value)) return 'must be a number'
  if (keyword === 'multipleOf' && Number(value) <= 0) return 'must be more than 0'
  if (keyword === 'uniqueItems' && typeof value !== 'boolean') return 'must be true or false'
  return undefined
}

function isRecord(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
