/** TypeScript types of request and reply bodies, from a manifest's schemas. */
import type { ManifestEvent } from '#host/plugin/manifest.ts'

const WIDTH = 110

type Schema = Readonly<Record<string, unknown>>

/** The text of `trellis/events.ts`. */
export function eventTypes(events: readonly Pick<ManifestEvent, 'type' | 'request' | 'reply'>[]): string {
  const members = events.map(({ type, request, reply }) => {
    const body = `request: ${typeOf(request, 2)}\n    reply: ${typeOf(reply, 2)}`
    return `  '${type}': {\n    ${body}\n  }`
  })
  return `/** Made from manifest.json by trellis handler build: do not edit. */

/** Bodies by event type. The host has checked a request before a handler sees it, and checks the reply. */
export interface Events {
${members.join('\n')}
}

export type Request<Type extends keyof Events> = Events[Type]['request']
export type Reply<Type extends keyof Events> = Events[Type]['reply']
`
}

/**
 * What a schema lets through, as near as a type can say it; `unknown` where it says nothing. Each keyword narrows. What
 * no type can say (bounds, `not`, `if`, `contains`, `propertyNames`) is left to the host's check.
 */
function typeOf(schema: unknown, depth: number): string {
  if (schema === false) return 'never'
  if (!isRecord(schema)) return 'unknown'
  if ('const' in schema) return literal(schema['const'])
  if (Array.isArray(schema['enum'])) return union(schema['enum'].map(literal))
  const parts = [ownType(schema, depth)]
  for (const name of ['anyOf', 'oneOf']) {
    const list = schema[name]
    if (Array.isArray(list)) parts.push(union(list.map((item) => typeOf(item, depth))))
  }
  if (Array.isArray(schema['allOf'])) parts.push(...schema['allOf'].map((item) => typeOf(item, depth)))
  const said = [...new Set(parts)].filter((part) => part !== 'unknown')
  return said.length < 2 ? (said[0] ?? 'unknown') : said.map(grouped).join(' & ')
}

/** What `type` and the keywords of that type say. */
function ownType(schema: Schema, depth: number): string {
  const { type } = schema
  if (Array.isArray(type)) return union(type.map((name) => ownType({ ...schema, type: name }, depth)))
  if (type === 'object') return objectType(schema, depth)
  if (type === 'array') return arrayType(schema, depth)
  if (type === 'integer') return 'number'
  return typeof type === 'string' ? type : 'unknown'
}

/** `prefixItems` may be cut short; what follows them is of `items`. */
function arrayType(schema: Schema, depth: number): string {
  const rest = schema['items'] ?? true
  const first = schema['prefixItems']
  if (!Array.isArray(first)) return `readonly ${grouped(typeOf(rest, depth))}[]`
  const { minItems } = schema
  const needed = typeof minItems === 'number' ? minItems : 0
  const places = first.map((item, at) => `${grouped(typeOf(item, depth))}${at < needed ? '' : '?'}`)
  const tail = rest === false ? [] : [`...${grouped(typeOf(rest, depth))}[]`]
  return `readonly [${[...places, ...tail].join(', ')}]`
}

function objectType(schema: Schema, depth: number): string {
  const required = Array.isArray(schema['required']) ? schema['required'] : []
  const properties = isRecord(schema['properties']) ? Object.entries(schema['properties']) : []
  const rest = schema['additionalProperties'] ?? true
  if (properties.length === 0) {
    return rest === false ? 'Readonly<Record<string, never>>' : `Readonly<Record<string, ${typeOf(rest, depth)}>>`
  }
  const members = properties.map(([name, inner]) => {
    const key = /^[A-Za-z_$][\w$]*$/u.test(name) ? name : JSON.stringify(name)
    return `readonly ${key}${required.includes(name) ? '' : '?'}: ${typeOf(inner, depth + 1)}`
  })
  // An index signature has to hold for the named ones, too: what else there may be is of any type.
  if (rest !== false) members.push('readonly [other: string]: unknown')
  const line = `{ ${members.join('; ')} }`
  if (line.length + 2 * depth <= WIDTH && !line.includes('\n')) return line
  const indent = '  '.repeat(depth + 1)
  return `{\n${members.map((member) => `${indent}${member}\n`).join('')}${'  '.repeat(depth)}}`
}

function union(types: readonly string[]): string {
  return types.includes('unknown') ? 'unknown' : [...new Set(types)].join(' | ') || 'never'
}

function grouped(type: string): string {
  return / [|&] |^readonly \S/u.test(type) ? `(${type})` : type
}

/** A value as a type: of arrays and objects every member, as they are compared by what they hold. */
function literal(value: unknown): string {
  if (Array.isArray(value)) return `readonly [${value.map(literal).join(', ')}]`
  if (!isRecord(value)) return JSON.stringify(value)
  const members = Object.entries(value).map(([name, inner]) => `readonly ${JSON.stringify(name)}: ${literal(inner)}`)
  return members.length === 0 ? 'Readonly<Record<string, never>>' : `{ ${members.join('; ')} }`
}

function isRecord(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
