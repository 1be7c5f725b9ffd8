/** Reads FHIR JSON strictly: what is not named is refused, never skipped. */
import { refuse } from '../sdk/refuse.ts'

const PATH_CHARS_MAX = 120

export type Fields = Readonly<Record<string, unknown>>

/** @throws refusal `fhir-invalid`: it is no FHIR */
export function invalid(path: string, why: string): never {
  return refuse('fhir-invalid', `${clip(path)}: ${why}`)
}

/** @throws refusal `fhir-unsupported`: it is FHIR, and outside of what this handler can decide by */
export function unsupported(path: string, why: string): never {
  return refuse('fhir-unsupported', `${clip(path)}: ${why}`)
}

/** An object whose every element is among the known ones. */
export function fieldsOf(value: unknown, path: string, known: readonly string[]): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return invalid(path, 'must be an object')
  const fields = value as Fields
  for (const [name, content] of Object.entries(fields)) {
    if (!known.includes(name)) return unsupported(`${path}.${name}`, whyNot(name))
    if (content === null) return invalid(`${path}.${name}`, 'must not be null: leave it out')
  }
  if (Object.keys(fields).length === 0) return invalid(path, 'must not be empty: leave it out')
  return fields
}

function whyNot(name: string): string {
  if (name === 'modifierExtension' || name === 'implicitRules') return 'changes the meaning in a way unknown here'
  return 'is not understood here: leave it out'
}

/** The items of an optional list. An empty list is no FHIR. */
export function listOf<T>(
  value: unknown,
  place: { readonly path: string; readonly max: number },
  read: (item: unknown, path: string) => T,
): readonly T[] {
  const { path, max } = place
  if (value === undefined) return []
  if (!Array.isArray(value) || value.length === 0) return invalid(path, 'must be a list with something in it')
  if (value.length > max) return unsupported(path, `has more than ${max} items`)
  return value.map((item: unknown, index) => read(item, `${path}[${index}]`))
}

/** A string without control characters, not empty. */
export function textOf(value: unknown, path: string, charsMax: number): string {
  if (typeof value !== 'string' || value === '') return invalid(path, 'must be a string with something in it')
  if (value.length > charsMax) return unsupported(path, `is longer than ${charsMax} characters`)
  if (!isPlain(value)) return unsupported(path, 'must not contain control or invisible characters')
  return value
}

/** A text without spaces: what stands in a sentence to the owner must not be able to write that sentence. */
export function wordOf(value: unknown, path: string, charsMax: number): string {
  const text = textOf(value, path, charsMax)
  return /\s/.test(text) ? unsupported(path, 'must not contain spaces') : text
}

export function optionalText(value: unknown, path: string, charsMax: number): string | undefined {
  return value === undefined ? undefined : textOf(value, path, charsMax)
}

/** What neither hides nor reorders the text beside it on a screen. */
export function isPlain(text: string): boolean {
  return text.isWellFormed() && !unreadable.test(text)
}

const unreadable = /[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/u

/** The pairs whose value is there, as an object: an element that is not there is left out. */
export function present<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const kept = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(kept) as { [K in keyof T]: Exclude<T[K], undefined> }
}

function clip(path: string): string {
  return path.length <= PATH_CHARS_MAX ? path : `…${path.slice(-PATH_CHARS_MAX)}`
}
