/** Reading a vine-CBOR array field by field, in order, each with its limit. */
import { Refusal, type RefusalCode } from '#host/errors.ts'
import { type Cbor, decodeCbor } from '#host/wire/cbor.ts'

interface ArrayKind {
  /** What it is called in a refusal. */
  readonly what: string
  readonly code: RefusalCode
  readonly bytesMax: number
  readonly itemsMax: number
}

/** Every method takes the next field. @throws Refusal with the kind's code */
export interface Fields {
  uint(name: string, max: number): number
  bytes(name: string, length: number): Uint8Array
  bytesUpTo(name: string, max: number): Uint8Array
  /** At least one character, none of them for control. */
  text(name: string, charsMax: number): string
  choice<T extends string>(name: string, options: readonly T[]): T
  flag(name: string): boolean
  literal(name: string, value: number | string): void
  list<T>(name: string, max: number, read: (item: Fields) => T): T[]
  maybe<T>(read: (fields: Fields) => T): T | null
  inner(name: string): Fields
  /** There is nothing more. */
  end(): void
}

/** Decodes one array, limits first. @throws Refusal with the kind's code */
export function readFields(kind: ArrayKind, bytes: Uint8Array): Fields {
  try {
    return fieldsOf(kind, decodeCbor(bytes, { bytesMax: kind.bytesMax, itemsMax: kind.itemsMax, depthMax: 4 }))
  } catch (cause) {
    if (!(cause instanceof Refusal) || cause.code === kind.code) throw cause
    throw new Refusal(kind.code, `${kind.what}: ${cause.message}`, { cause })
  }
}

function fieldsOf(kind: ArrayKind, value: Cbor): Fields {
  if (!Array.isArray(value)) throw new Refusal(kind.code, `${kind.what}: must be an array`)
  const values: readonly Cbor[] = value
  let at = 0
  function wrong(name: string, must: string): Refusal {
    return new Refusal(kind.code, `${kind.what}: ${name} must be ${must}`)
  }
  function next(name: string): Cbor {
    const found = values[at++]
    if (found === undefined) throw wrong(name, 'there')
    return found
  }
  const fields: Fields = {
    uint(name, max) {
      const found = next(name)
      if (typeof found !== 'number' || found < 0 || found > max) throw wrong(name, `0 to ${max}`)
      return found
    },
    bytes(name, length) {
      const found = next(name)
      if (!(found instanceof Uint8Array) || found.length !== length) throw wrong(name, `${length} bytes`)
      return found
    },
    bytesUpTo(name, max) {
      const found = next(name)
      if (!(found instanceof Uint8Array) || found.length > max) throw wrong(name, `at most ${max} bytes`)
      return found
    },
    text(name, charsMax) {
      const found = next(name)
      if (typeof found !== 'string' || !isText(found, charsMax)) throw wrong(name, `1 to ${charsMax} characters`)
      return found
    },
    choice(name, options) {
      const found = next(name)
      const option = options.find((one) => one === found)
      if (option === undefined) throw wrong(name, `one of ${options.join(', ')}`)
      return option
    },
    flag(name) {
      const found = next(name)
      if (typeof found !== 'boolean') throw wrong(name, 'true or false')
      return found
    },
    literal(name, expected) {
      if (next(name) !== expected) throw wrong(name, String(expected))
    },
    list(name, max, read) {
      const found = next(name)
      if (!Array.isArray(found) || found.length > max) throw wrong(name, `a list of at most ${max}`)
      return found.map((item: Cbor) => read(fieldsOf(kind, [item])))
    },
    maybe(read) {
      if (values[at] !== null) return read(fields)
      at++
      return null
    },
    inner: (name) => fieldsOf(kind, next(name)),
    end() {
      if (at !== values.length) throw wrong('the array', `${at} long`)
    },
  }
  return fields
}

const control = /\p{Cc}/u

/** Whether a text has 1 to `charsMax` characters and no control characters. */
export function isText(text: string, charsMax: number): boolean {
  return text.length > 0 && text.length <= charsMax && !control.test(text)
}
