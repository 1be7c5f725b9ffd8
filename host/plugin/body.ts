/** Bodies of events: JSON in UTF-8, read once by the host before a handler sees it. */
import { Refusal, type RefusalCode } from '#host/errors.ts'
import { BODY_DEPTH_MAX } from '#host/limits.ts'

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * @throws Refusal with the given code for bytes that are not UTF-8, not JSON, or nest deeper than `BODY_DEPTH_MAX`
 */
export function parseBody(bytes: Uint8Array, options: { code: RefusalCode; what: string }): unknown {
  const { code, what } = options
  if (nestsDeeper(bytes, BODY_DEPTH_MAX)) throw new Refusal(code, `${what} nests deeper than ${BODY_DEPTH_MAX}`)
  try {
    return JSON.parse(strictUtf8.decode(bytes)) as unknown
  } catch {
    // The parser's own message quotes the text, which may be personal data.
    throw new Refusal(code, `${what} is not JSON in UTF-8`)
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c

function nestsDeeper(bytes: Uint8Array, max: number): boolean {
  let depth = 0
  let inText = false
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (inText) {
      if (byte === BACKSLASH) at += 1
      else if (byte === QUOTE) inText = false
    } else if (byte === QUOTE) inText = true
    else if (byte === 0x5b || byte === 0x7b) {
      depth += 1
      if (depth > max) return true
    } else if (byte === 0x5d || byte === 0x7d) depth -= 1
  }
  return false
}

/**
 * The value a JSON pointer (RFC 6901) names, or `undefined`.
 *
 * Only own properties: `/constructor` names nothing.
 */
export function atPointer(value: unknown, pointer: string): unknown {
  let found = value
  for (const raw of pointer.split('/').slice(1)) {
    const token = raw.replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, token)) return undefined
    found = (found as Readonly<Record<string, unknown>>)[token]
  }
  return found
}

/** Puts another value in the place of the one at a pointer of RFC 6901; where there is none, nothing happens. */
export function replaceAtPointer(value: unknown, pointer: string, by: unknown): void {
  const cut = pointer.lastIndexOf('/')
  const holder = atPointer(value, pointer.slice(0, cut))
  const token = pointer
    .slice(cut + 1)
    .replaceAll('~1', '/')
    .replaceAll('~0', '~')
  if (typeof holder === 'object' && holder !== null && Object.hasOwn(holder, token)) Reflect.set(holder, token, by)
}
