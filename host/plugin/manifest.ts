/** A handler's declaration: what it answers, what it needs, how much it may use. The diff of these is the review. */
import { keyAlgorithms } from '#host/crypto/key-algorithm.ts'
import { Refusal } from '#host/errors.ts'
import {
  HANDLER_DEADLINE_MS,
  HANDLER_DEADLINE_MS_MAX,
  HANDLER_MEMORY_BYTES,
  HANDLER_MEMORY_BYTES_MAX,
  HANDLER_OUTPUT_BYTES_MAX,
  HOST_CALLS_MAX,
  LOG_BYTES_MAX,
  MANIFEST_BYTES_MAX,
  MANIFEST_EVENTS_MAX,
  MANIFEST_KEYS_MAX,
  MANIFEST_KINDS_MAX,
} from '#host/limits.ts'
import { HANDLER_FUEL, HANDLER_FUEL_MAX } from '#host/plugin/limits.ts'
import { mistakes, z } from '#host/schema.ts'
import { commonKinds } from '#host/wire/entry-kind.ts'

import { parseBody } from './body.ts'
import { schemaMistakes, type JsonSchema } from './schemas.ts'

const handlerId = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,62}$/u)
  .describe('Kebab-case; also the name of the file and of the handler’s folder.')

const eventType = z
  .string()
  .regex(/^[a-z0-9_-]{1,64}\.[a-z0-9_-]{1,64}$/u)
  .describe('Exactly `noun.verb`.')

/** This connection's own key; the contract must permit authentication. */
export const CONNECTION_KEY = 'connection'
/** The vault's own key for documents. */
export const IDENTITY_KEY = 'identity'

/** A key's name in its vault. */
export const keyAlias = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/u)

const authorSchema = z
  .record(z.string(), z.unknown())
  .superRefine((schema, context) => {
    for (const { path, message } of schemaMistakes(schema)) {
      context.addIssue({ code: 'custom', path: path === '(root)' ? [] : path.split('.'), message })
    }
  })
  .transform((schema): JsonSchema => schema)

const event = z
  .strictObject({
    type: eventType,
    delivery: z
      .enum(['critical', 'best-effort'])
      .describe('`critical` is kept until the host has committed it; `best-effort` may be lost.'),
    from: z
      .array(z.enum(['connection', 'owner']))
      .min(1)
      .max(2)
      .refine((senders) => new Set(senders).size === senders.length, 'names a sender twice')
      .readonly()
      .default(['connection'])
      .describe('Who may send it: a connection under its contract, or the owner from a device of theirs.'),
    permission: z
      .enum(['data', 'authentication', 'store', 'messages', 'payment'])
      .nullable()
      .describe('What the contract must permit, beyond the event type itself.'),
    approval: z
      .enum(['never', 'always', 'by-tier'])
      .describe('When the owner is asked: by the tier of the fields, or for every event of this type.'),
    fields: z
      .string()
      .regex(/^(\/([^~/]|~[01])*)+$/u)
      .nullable()
      .describe('JSON pointer to the list of field names in the request; null when it asks for none.'),
    request: authorSchema.describe('JSON Schema of the request body.'),
    reply: authorSchema.describe('JSON Schema of the reply body.'),
  })
  .readonly()

const right = z.enum(['r', 'rw'])

const needs = z
  .strictObject({
    fields: z.boolean().default(false).describe('The personal fields the event was admitted for.'),
    kinds: z
      .array(
        z
          .string()
          .regex(/^[a-z][a-z0-9-]{0,62}$/u)
          .refine((kind) => !commonKinds.includes(kind), 'is a common kind: fields and credentials serve those'),
      )
      .max(MANIFEST_KINDS_MAX)
      .refine((kinds) => new Set(kinds).size === kinds.length, 'names a kind twice')
      .readonly()
      .default([])
      .describe(
        'Kinds of the owner’s entries, beyond the common ones, that are fields of their title for this handler.',
      ),
    namespaces: z
      .strictObject({
        connection: right.optional().describe('The asker’s own namespace.'),
        handler: right.optional().describe('The handler’s own namespace in this vault, one for all connections.'),
        'sandbox/mutual': right
          .optional()
          .describe('The mutual area of a sandbox that the asker shares and this vault hosts, under its terms.'),
        'sandbox/own': right
          .optional()
          .describe('This vault’s own side of such a sandbox, which the asker does not see.'),
      })
      .readonly()
      .default({}),
    keys: z
      .array(
        z
          .strictObject({
            alias: keyAlias.describe('`connection`, `identity`, or a key that the owner makes under this name.'),
            uses: z
              .array(z.enum(['sign']))
              .min(1)
              .max(1)
              .readonly(),
            algorithm: z.enum(keyAlgorithms).optional().describe('A key of another algorithm is not granted.'),
          })
          .readonly(),
      )
      .max(MANIFEST_KEYS_MAX)
      .refine((keys) => new Set(keys.map(({ alias }) => alias)).size === keys.length, 'names a key twice')
      .refine((keys) => !keys.some(isNoVaultKey), 'connection and identity are ed25519 keys')
      .readonly()
      .default([])
      .describe('Keys the handler may use. The secret never reaches it.'),
    credentials: z
      .enum(['list', 'prove'])
      .optional()
      .describe('To see which credentials the owner has, or also to prove the claims the event was admitted for.'),
    outbox: z
      .array(z.enum(['owner', 'connection', 'connections']))
      .max(3)
      .refine((targets) => new Set(targets).size === targets.length, 'names a target twice')
      .readonly()
      .default([])
      .describe('Whom it may send to: the owner, the connection that asked, other connections by their alias.'),
    approval: z.boolean().default(false).describe('To ask the owner about a request before it is answered.'),
    session: z.boolean().default(false).describe('Who asks, and under which contract version.'),
    clock: z.boolean().default(false),
    random: z.boolean().default(false),
    log: z.boolean().default(false).describe('Lines for the operator, without personal data.'),
    audit: z.boolean().default(false).describe('Facts of its own in the owner’s audit trail, marked as such.'),
  })
  .readonly()

const limits = z
  .strictObject({
    deadline_ms: whole(HANDLER_DEADLINE_MS_MAX, HANDLER_DEADLINE_MS).describe('Wall clock of one event.'),
    fuel: whole(HANDLER_FUEL_MAX, HANDLER_FUEL).describe('Function entries and loop turns of one event.'),
    memory_bytes: whole(HANDLER_MEMORY_BYTES_MAX, HANDLER_MEMORY_BYTES).describe('Linear memory, all of it.'),
    output_bytes: whole(HANDLER_OUTPUT_BYTES_MAX, HANDLER_OUTPUT_BYTES_MAX).describe('One reply or outgoing event.'),
    host_calls: whole(HOST_CALLS_MAX, HOST_CALLS_MAX).describe('Calls to the host in one event.'),
    log_bytes: whole(LOG_BYTES_MAX, LOG_BYTES_MAX).describe('All log lines of one event.'),
  })
  .transform((limits) => ({
    deadlineMs: limits.deadline_ms,
    fuel: limits.fuel,
    memoryBytes: limits.memory_bytes,
    outputBytes: limits.output_bytes,
    hostCalls: limits.host_calls,
    logBytes: limits.log_bytes,
  }))
  .readonly()

/** These keys are there from the start, and of one algorithm. */
function isNoVaultKey(key: { readonly alias: string; readonly algorithm?: string | undefined }): boolean {
  const isVaultKey = key.alias === CONNECTION_KEY || key.alias === IDENTITY_KEY
  return isVaultKey && key.algorithm !== undefined && key.algorithm !== 'ed25519'
}

function whole(max: number, fallback: number) {
  return z.number().int().min(1).max(max).default(fallback)
}

/** The shape of a manifest file. `manifests/schema.json` is made from it. */
export const manifestSchema = z
  .strictObject({
    $schema: z.string().optional(),
    handler: handlerId,
    version: z.string().regex(/^(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})(-[a-z0-9.-]{1,32})?$/u),
    summary: z.string().min(1).max(200).describe('One sentence for the owner and the asker.'),
    author: z.string().min(1).max(100),
    runtime: z.enum(['component', 'extism']),
    events: z.array(event).min(1).max(MANIFEST_EVENTS_MAX).readonly(),
    needs,
    limits: limits.prefault({}),
  })
  .readonly()

export type Manifest = Omit<z.output<typeof manifestSchema>, '$schema'>
export type ManifestEvent = Manifest['events'][number]
export type Needs = Manifest['needs']

/**
 * Reads one manifest file.
 *
 * @throws Refusal `manifest-invalid` that lists every mistake as `file: path: message`
 */
export function parseManifest(bytes: Uint8Array, file: string): Manifest {
  if (bytes.length > MANIFEST_BYTES_MAX) {
    throw new Refusal('manifest-invalid', `${file}: is larger than ${MANIFEST_BYTES_MAX} bytes`)
  }
  const value = parseBody(bytes, { code: 'manifest-invalid', what: `${file}: the manifest` })
  const result = manifestSchema.safeParse(value)
  const found = [
    ...(result.success ? [] : mistakes(result.error)),
    ...repeatedKeys(bytes, value),
    ...crossChecks(value),
  ]
  if (!result.success || found.length > 0) {
    throw new Refusal('manifest-invalid', found.map((mistake) => `${file}: ${mistake}`).join('; '))
  }
  const { $schema: _schema, ...manifest } = result.data
  return manifest
}

/** What travels in a vault's profile: what it answers, and nothing of how. */
export interface PublishedManifest {
  readonly handler: string
  readonly version: string
  readonly summary: string
  readonly author: string
  readonly events: readonly ManifestEvent[]
}

export function publishedManifest(manifest: Manifest): PublishedManifest {
  const { handler, version, summary, author } = manifest
  // What only the owner may send is nobody else's to know.
  const events = manifest.events.filter(({ from }) => from.includes('connection'))
  return { handler, version, summary, author, events }
}

/** A reader sees the first of two equal keys, the parser keeps the last: a reviewed file must not allow that. */
function repeatedKeys(bytes: Uint8Array, value: unknown): string[] {
  const text = new TextDecoder().decode(bytes).replaceAll(/("(?:[^"\\]|\\.)*")|\s+/gu, '$1')
  if (text === JSON.stringify(value)) return []
  return ['(root): write every key once, and numbers and characters in their plain form']
}

/** What no single part can see. Parts that do not read at all are reported elsewhere. */
function crossChecks(value: unknown): string[] {
  const parts = z.object({ events: z.array(z.unknown()), needs: z.unknown() }).safeParse(value)
  if (!parts.success) return []
  const needed = needs.safeParse(parts.data.needs)
  const kinds = needed.success && needed.data.kinds.length > 0 && !needed.data.fields
  const seen = new Set<string>()
  const inEvents = parts.data.events.flatMap((entry, index) => {
    const parsed = event.safeParse(entry)
    if (!parsed.success) return []
    const { type, fields, approval } = parsed.data
    const found: string[] = []
    const at = `events.${index}`
    if (seen.has(type)) found.push(`${at}.type: ${type} is declared twice`)
    seen.add(type)
    if (fields === null && approval === 'by-tier') found.push(`${at}.approval: by-tier needs a pointer in fields`)
    if (fields !== null && needed.success && !needed.data.fields && needed.data.credentials === undefined) {
      found.push(`${at}.fields: needs.fields must be true, or needs.credentials set, since this event asks for fields`)
    }
    return found
  })
  return kinds
    ? ['needs.kinds: needs.fields must be true, since entries of these kinds are fields', ...inEvents]
    : inEvents
}
