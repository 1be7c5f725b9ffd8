/** What either side asks of a sandbox: the same words from a device, a service or another vault. */
import { SANDBOX_PAGE_ITEMS_MAX, SANDBOX_VALUE_BYTES_MAX } from '#host/contracts/limits.ts'
import type { Deed, Place } from '#host/contracts/sandbox-deed.ts'
import { Refusal, unreachable } from '#host/errors.ts'
import { KEY_BYTES_MAX } from '#host/limits.ts'
import { bytesUpTo, check, z } from '#host/schema.ts'
import { decodeCbor } from '#host/wire/cbor.ts'

export type SandboxRequest = { readonly sandbox: string } & (
  | { readonly kind: 'deed'; readonly deed: Deed }
  | { readonly kind: 'read'; readonly place: Place; readonly key: string }
  | {
      readonly kind: 'list'
      readonly place: Place
      readonly prefix: string
      readonly after: string | undefined
      readonly limit: number
    }
  | { readonly kind: 'history'; readonly after: number; readonly isWatch: boolean }
  | { readonly kind: 'proposals' }
  | { readonly kind: 'export'; readonly part: number }
)

// A seal makes a value a little longer.
const value = bytesUpTo(SANDBOX_VALUE_BYTES_MAX + 64)
const place = z.enum(['mine', 'theirs', 'mutual'])
const text = z.string().max(KEY_BYTES_MAX)
const sandbox = z.string().max(64)
const key = text.min(1)
const expected = z.int().min(0)
const number = z.int().min(0)
const carried = value.nullable().default(null)
/** From a guest, whose own keys are sealed. */
const name = key.nullable().default(null)

const schemas = {
  'sandbox.read': z.strictObject({ sandbox, place, key }),
  'sandbox.list': z.strictObject({
    sandbox,
    place,
    prefix: text.default(''),
    after: text.optional(),
    limit: z.int().min(1).max(SANDBOX_PAGE_ITEMS_MAX).default(SANDBOX_PAGE_ITEMS_MAX),
  }),
  'sandbox.write': z.strictObject({ sandbox, place, key, value, expected, open: z.boolean().default(false) }),
  'sandbox.remove': z.strictObject({ sandbox, place, key, expected }),
  'sandbox.move': z.strictObject({ sandbox, to: z.enum(['mutual', 'mine']), key, expected, value: carried, name }),
  'sandbox.share': z.strictObject({
    sandbox,
    key,
    grant: z.enum(['none', 'visible', 'writable']),
    expected,
    value: carried,
    name,
  }),
  'sandbox.decide': z.strictObject({ sandbox, proposal: number, approve: z.boolean() }),
  'sandbox.history': z.strictObject({ sandbox, after: number.default(0) }),
  'sandbox.watch': z.strictObject({ sandbox, after: number.default(0) }),
  'sandbox.proposals': z.strictObject({ sandbox }),
  'sandbox.export': z.strictObject({ sandbox, part: number.default(0) }),
  'sandbox.end': z.strictObject({ sandbox }),
}

type RequestType = keyof typeof schemas

export const requestTypes: readonly string[] = Object.keys(schemas)

function isRequest(type: string): type is RequestType {
  return Object.hasOwn(schemas, type)
}

/** @throws Refusal `malformed-request` naming every mistake; `unsupported-event` for what is none */
export function readSandboxRequest(type: string, body: Uint8Array): SandboxRequest {
  if (!isRequest(type)) throw new Refusal('unsupported-event', `a sandbox answers ${requestTypes.join(', ')}`)
  const given = decodeCbor(body)
  const read = <T>(schema: z.ZodType<T>): T => check(schema, given, 'malformed-request', type)
  switch (type) {
    case 'sandbox.read':
      return { kind: 'read', ...read(schemas[type]) }
    case 'sandbox.list': {
      const { after, ...rest } = read(schemas[type])
      return { kind: 'list', after, ...rest }
    }
    case 'sandbox.history':
    case 'sandbox.watch':
      return { kind: 'history', isWatch: type === 'sandbox.watch', ...read(schemas[type]) }
    case 'sandbox.proposals':
      return { kind: 'proposals', ...read(schemas[type]) }
    case 'sandbox.export':
      return { kind: 'export', ...read(schemas[type]) }
    case 'sandbox.write':
      return asDeed({ kind: 'write', ...read(schemas[type]) })
    case 'sandbox.remove':
      return asDeed({ kind: 'remove', ...read(schemas[type]) })
    case 'sandbox.move':
      return asDeed({ kind: 'move', ...read(schemas[type]) })
    case 'sandbox.share':
      return asDeed({ kind: 'share', ...read(schemas[type]) })
    case 'sandbox.decide':
      return asDeed({ kind: 'decide', ...read(schemas[type]) })
    case 'sandbox.end':
      return asDeed({ kind: 'end', ...read(schemas[type]) })
    default:
      return unreachable(type)
  }
}

function asDeed({ sandbox: id, ...deed }: Deed & { readonly sandbox: string }): SandboxRequest {
  return { kind: 'deed', sandbox: id, deed }
}
