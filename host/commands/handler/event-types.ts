/** TypeScript types of request and reply bodies, from a manifest's schemas. */
import type { ManifestEvent } from '#host/plugin/manifest.ts'

const WIDTH = 110

/** The text of `trellis/events.ts`. */
export function eventTypes(events: readonly ManifestEvent[]): string {
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

/** What a schema lets through, as near as a type can say it; `unknown` where it says nothing. */
function typeOf(schema: unknown, depth: number): string {
  if (schema === false) return 'never'
  if (!isRecord(schema)) return 'unknown'
  if ('const' in schema) return literal(schema['const'])
  if (Array.isArray(schema['enum'])) return union(schema['enum'].map(literal))
  for (const name of ['anyOf', 'oneOf']) {
    const list = schema[name]
    if (Array.isArray(list)) return union(list.map((item) => typeOf(item, depth)))
  }
  const { type } = schema
  if (Array.isArray(type)) return union(type.map((name) => typeOf({ ...schema, type: name }, depth)))
  if (type === 'object') return objectType(schema, depth)
  if (type === 'array') return `readonly ${grouped(typeOf(schema['items'] ?? true, depth))}[]`
  if (type === 'integer') return 'number'
  return typeof type === 'string' ? type : 'unknown'
}

function objectType(schema: Readonly<Record<string, unknown>>, depth: number): string {
  const required = Array.isArray(schema['required']) ? schema['required'] : []
  const properties = isRecord(schema['properties']) ? Object.entries(schema['properties']) : []
  if (properties.length === 0) {
    const rest = schema['additionalProperties'] ?? true
    return rest === false ? 'Readonly<Record<string, never>>' : `Readonly<Record<string, ${typeOf(rest, depth)}>>`
  }
  const members = properties.map(([name, inner]) => {
    const key = /^[A-Za-z_$][\w$]*$/u.test(name) ? name : JSON.stringify(name)
    return `readonly ${key}${required.includes(name) ? '' : '?'}: ${typeOf(inner, depth + 1)}`
  })
  const line = `{ ${members.join('; ')} }`
  if (line.length + 2 * depth <= WIDTH && !line.includes('\n')) return line
  const indent = '  '.repeat(depth + 1)
  return `{\n${members.map((member) => `${indent}${member}\n`).join('')}${'  '.repeat(depth)}}`
}

function union(types: readonly string[]): string {
  return [...new Set(types)].join(' | ') || 'never'
}

function grouped(type: string): string {
  return type.includes(' | ') ? `(${type})` : type
}

function literal(value: unknown): string {
  return typeof value === 'object' && value !== null ? 'unknown' : JSON.stringify(value)
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
