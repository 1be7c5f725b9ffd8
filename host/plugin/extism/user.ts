/**
 * The handler's world for plug-ins: `extism:host/user` functions over the very host functions components get. Each
 * takes the offset of a block with one JSON object and gives the offset of a block with `{"ok": …}` or `{"err": …}`.
 * `plugins/sdk/extism/README.md` has the table.
 */
import { Refusal, unreachable } from '#host/errors.ts'
import { LIFT_BYTES_MAX } from '#host/limits.ts'

import { parseBody } from '../body.ts'
import type { HostImports } from '../component/instantiate.ts'
import { HostError, lied, Trap } from '../component/trap.ts'
import type { Attributes } from '../report.ts'
import type { Blocks } from './blocks.ts'
import type { CoreTable } from './kernel.ts'

/** What a member of a request may be; `?` when it may be missing. */
type Kind = 'text' | 'texts' | 'bytes' | 'u32' | 'text?' | 'u53?' | 'attributes?'

interface UserFunction {
  /** The interface of `wit/` it belongs to: what the manifest must need. */
  readonly owner: string
  readonly members: Readonly<Record<string, Kind>>
  /** The function of the interface, and the arguments it gets after the namespace where it has one. */
  readonly name: string
  readonly inNamespace?: boolean
}

/** In the order of `members` are the arguments. */
const table: Readonly<Record<string, UserFunction>> = {
  trellis_session: { owner: 'session', name: 'current', members: {} },
  trellis_approval: { owner: 'approval', name: 'current', members: {} },
  trellis_clock_now: { owner: 'clock', name: 'now', members: {} },
  trellis_random_bytes: { owner: 'random', name: 'bytes', members: { length: 'u32' } },
  trellis_fields_get: { owner: 'fields', name: 'get', members: { name: 'text' } },
  trellis_keys_list: { owner: 'keys', name: 'list', members: {} },
  trellis_keys_algorithm: { owner: 'keys', name: 'algorithm-of', members: { alias: 'text' } },
  trellis_keys_public: { owner: 'keys', name: 'public-key', members: { alias: 'text' } },
  trellis_keys_sign: { owner: 'keys', name: 'sign', members: { alias: 'text', message: 'bytes' } },
  trellis_credentials_list: { owner: 'credentials', name: 'list', members: {} },
  trellis_credentials_prove: {
    owner: 'credentials',
    name: 'prove',
    members: { alias: 'text', disclose: 'texts', nonce: 'bytes' },
  },
  trellis_outbox_emit: { owner: 'outbox', name: 'emit', members: { type: 'text', body: 'bytes' } },
  trellis_outbox_notify_owner: { owner: 'outbox', name: 'notify-owner', members: { type: 'text', body: 'bytes' } },
  trellis_outbox_send: { owner: 'outbox', name: 'send', members: { to: 'text', type: 'text', body: 'bytes' } },
  trellis_audit_note: { owner: 'audit', name: 'note', members: { fact: 'text' } },
  trellis_store_get: inNamespace('get', { key: 'text' }),
  trellis_store_put: inNamespace('put', { key: 'text', value: 'bytes', expected: 'u53?', attributes: 'attributes?' }),
  trellis_store_delete: inNamespace('delete', { key: 'text' }),
  trellis_store_scan: inNamespace('scan', { prefix: 'text', after: 'text?', limit: 'u32' }),
}

function inNamespace(name: string, members: UserFunction['members']): UserFunction {
  return {
    owner: 'store',
    name: `[method]namespace.${name}`,
    members: { label: 'text', ...members },
    inNamespace: true,
  }
}

/** Interface of `wit/` by function. */
export const userFunctions: ReadonlyMap<string, string> = new Map(
  Object.entries(table).map(([name, { owner }]) => [name, owner]),
)

/** The functions of one instance, without the blocks. */
export interface User {
  /** @throws Trap `lied` when the request is not what the function takes; whatever the host function throws */
  answer(name: string, request: unknown): unknown
  /** The event is over: its namespaces are gone. */
  reset(): void
}

export function openUser(imports: HostImports): User {
  const namespaces = new Map<unknown, unknown>()
  const namespace = (label: unknown): unknown => {
    const known = namespaces.get(label) ?? callHost(imports, { owner: 'store', name: 'open' }, [label])
    namespaces.set(label, known)
    return known
  }
  return {
    answer(name, request) {
      const target = table[name]
      if (target === undefined) throw new Error(`no function ${name}`)
      const values = readMembers(request, { name, members: target.members })
      try {
        const given = target.inNamespace === true ? [namespace(values[0]), ...values.slice(1)] : values
        return { ok: shown(callHost(imports, target, given)) ?? null }
      } catch (error) {
        if (error instanceof HostError) return { err: shown(error.payload) }
        throw error
      }
    },
    reset: () => namespaces.clear(),
  }
}

/** The functions as the plug-in imports them: a block in, a block out. */
export function userTable(user: User, blocks: Blocks): CoreTable {
  const entries = Object.keys(table).map((name) => [
    name,
    (at: number | bigint | undefined) => {
      const answer = JSON.stringify(user.answer(name, readRequest(blocks, Number(at))))
      return BigInt(blocks.put(new TextEncoder().encode(answer)))
    },
  ])
  return Object.fromEntries(entries) as CoreTable
}

/** 0 stands for a request without members. */
function readRequest(blocks: Blocks, at: number): unknown {
  if (at === 0) return {}
  const bytes = blocks.bytes(at)
  if (bytes.length > LIFT_BYTES_MAX) throw new Trap('output', `handed over more than ${LIFT_BYTES_MAX} bytes`)
  try {
    return parseBody(bytes, { code: 'handler-lied', what: 'a request to the host' })
  } catch (error) {
    throw error instanceof Refusal ? lied(error.message) : error
  }
}

function callHost(
  imports: HostImports,
  { owner, name }: Pick<UserFunction, 'owner' | 'name'>,
  args: unknown[],
): unknown {
  const target = imports[`trellis:handler/${owner}@0.1.0`]?.[name]
  if (target === undefined) throw new Error(`the world has no ${owner} ${name}`)
  return target(...(args as never[]))
}

function readMembers(request: unknown, to: { name: string; members: UserFunction['members'] }): unknown[] {
  if (typeof request !== 'object' || request === null || Array.isArray(request)) {
    throw lied(`${to.name} takes one JSON object`)
  }
  const given = new Map<string, unknown>(Object.entries(request))
  for (const name of given.keys()) {
    if (!Object.hasOwn(to.members, name)) throw lied(`${to.name} takes no ${JSON.stringify(name.slice(0, 64))}`)
  }
  return Object.entries(to.members).map(([name, kind]) => {
    const value = given.get(name) ?? undefined
    if (value === undefined && kind.endsWith('?')) return undefined
    const read = readValue(value, kind)
    if (read === undefined) throw lied(`${to.name} takes ${name} as ${kind.replace('?', '')}`)
    return read
  })
}

function readValue(value: unknown, kind: Kind): unknown {
  switch (kind) {
    case 'text':
    case 'text?':
      return typeof value === 'string' && value.isWellFormed() ? value : undefined
    case 'texts':
      return Array.isArray(value) && value.every((text) => typeof text === 'string' && text.isWellFormed())
        ? value
        : undefined
    case 'bytes':
      return typeof value === 'string' ? decodeBytes(value) : undefined
    case 'u32':
      return isCount(value) && value <= 0xffff_ffff ? value : undefined
    case 'u53?':
      return isCount(value) ? BigInt(value) : undefined
    case 'attributes?':
      return readAttributes(value)
    default:
      return unreachable(kind)
  }
}

function readAttributes(value: unknown): Attributes | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { visibility, category, ...rest } = Object.fromEntries(Object.entries(value)) as Record<string, unknown>
  if ((visibility !== 'transparent' && visibility !== 'opaque') || Object.keys(rest).length > 0) return undefined
  const name = category ?? undefined
  return name === undefined || typeof name === 'string' ? { visibility, category: name } : undefined
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** Base64url without padding, in its one form. */
function decodeBytes(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? new Uint8Array(bytes) : undefined
}

/**
 * A host function's value in JSON: bytes in base64url, names in snake case, numbers as numbers, a case of a variant as
 * its name or as `{name: what it carries}`.
 */
function shown(value: unknown): unknown {
  if (value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64url')
  if (typeof value === 'bigint') return Number(value)
  if (Array.isArray(value)) return value.map(shown)
  if (typeof value !== 'object' || value === null) return value
  if ('tag' in value) return 'val' in value ? { [String(value.tag)]: shown(value.val) } : value.tag
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name.replaceAll(/[A-Z]/gu, (letter) => `_${letter.toLowerCase()}`),
      shown(member) ?? null,
    ]),
  )
}
