/**
 * `handler.cases.json`: what a handler must do, said without its language. Twins in several languages pass the same
 * file.
 */
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'

import { SANDBOX_BYTES_MAX } from '#host/contracts/limits.ts'
import { keyAlgorithms } from '#host/crypto/key-algorithm.ts'
import { Refusal, refusalCodes } from '#host/errors.ts'
import { CASES_BYTES_MAX, CASES_MAX } from '#host/limits.ts'
import { keyAlias } from '#host/plugin/manifest.ts'
import { sensitivities } from '#host/plugin/report.ts'
import { mistakes, z } from '#host/schema.ts'
import { jsonMistakes } from './mistake.ts'

const metadata = {
  visibility: z.enum(['transparent', 'opaque']).optional(),
  category: z.string().nullable().optional(),
  sensitivity: z.enum(sensitivities).optional(),
}

const stored = z
  .union([
    z.string(),
    z.strictObject({ json: z.json(), ...metadata }),
    z.strictObject({ base64url: z.string().regex(/^[A-Za-z0-9_-]*$/u), ...metadata }),
  ])
  .describe(
    'Text in UTF-8, or {"json": …} that is compared as JSON, or {"base64url": "…"} for bytes; with its attributes.',
  )

const sandbox = z.strictObject({
  mutual: z.record(z.string(), stored).optional().describe('Without it the terms do not let this vault see it.'),
  own: z.record(z.string(), stored).default({}),
  writable: z.boolean().default(true).describe('Whether the terms let this vault write to the mutual area.'),
  bytesMax: z.number().int().min(0).default(SANDBOX_BYTES_MAX),
})

const areaWrites = z.record(z.string(), stored.nullable()).optional()

const permits = z
  .strictObject({
    store: z
      .union([
        z.boolean(),
        z.strictObject({ categories: z.array(z.string()).nullable(), bytesMax: z.number().int().min(0) }),
      ])
      .default(true)
      .describe('Whether it may store, or which categories (null: any) and how many bytes.'),
    messages: z.boolean().default(true),
    authentication: z.boolean().default(true),
  })
  .describe('What the contract permits: everything, unless said otherwise.')

const credential = z.strictObject({
  kind: z.string(),
  label: z.string(),
  issuer: z.string().default('A'.repeat(43)),
  claims: z.record(z.string(), z.union([z.string(), z.number().int(), z.boolean()])),
  expires: z.number().int().nullable().default(null).describe('Ms since the epoch; past it, it is not there.'),
})

/** The keys that every vault has, unless a case says otherwise. */
const KEY_SEED = '07'.repeat(32)
const secret = z.string().regex(/^[0-9a-f]{64}$/u)

const given = z.strictObject({
  fields: z
    .record(z.string(), z.string())
    .default({})
    .describe('What the owner keeps; a case admits what it asks for.'),
  store: z.record(z.string(), stored).default({}).describe('The asker’s own namespace, by key.'),
  handlerStore: z.record(z.string(), stored).default({}).describe('The handler’s own namespace, by key.'),
  sandboxes: z
    .record(z.string(), sandbox)
    .default({})
    .describe('Sandboxes by id that the asker shares and this vault hosts, with what is in its areas.'),
  keys: z
    .record(keyAlias, z.union([secret, z.strictObject({ algorithm: z.enum(keyAlgorithms), secret })]))
    .default({ connection: KEY_SEED, identity: KEY_SEED })
    .describe('Secrets of 32 bytes in hex, of Ed25519 unless they say otherwise; {} for a vault that has no key.'),
  credentials: z
    .record(z.string(), credential)
    .default({})
    .describe(
      'The owner’s credentials by alias; a proof of one stands for itself: its alias and what it shows, as JSON.',
    ),
  permits: permits.prefault({}),
  now: z.number().int().min(0).default(1_800_000_000_000).describe('The clock, in ms since the epoch.'),
  connection: z.string().default('acme'),
  connectionId: z.string().default('acme-1').describe('Which connection it is, whatever the alias.'),
  kind: z.enum(['service', 'peer', 'owner']).default('service'),
  reaches: z
    .record(z.string(), z.array(z.string()))
    .default({})
    .describe('Other connections by alias, with the event types that each of them takes.'),
  contractVersion: z.number().int().min(1).default(1),
  eventId: z.string().default('event-1'),
  approved: z.boolean().default(false).describe('Whether the owner approved this very request.'),
  answer: z
    .strictObject({ choice: z.string().nullable() })
    .optional()
    .describe('What the owner said to the handler’s own question: {"choice": null} is a plain yes.'),
})

const refusal = z.strictObject({
  code: z.string().describe('Without the `handler/` before it.'),
  message: z.string().optional(),
  retry: z.boolean().optional(),
})

const outgoing = z.strictObject({
  to: z.enum(['owner', 'connection', 'connections']),
  alias: z.string().optional().describe('Whom of the connections it goes to.'),
  type: z.string(),
  body: z.json(),
})

const ends = ['reply', 'accepted', 'suspended', 'refusal', 'failure'] as const

const expected = z
  .strictObject({
    reply: z.json().optional().describe('The reply, compared as JSON.'),
    accepted: z.literal(true).optional(),
    suspended: z
      .strictObject({ text: z.string(), choices: z.array(z.string()) })
      .optional()
      .describe('The question it asks the owner.'),
    refusal: refusal.optional().describe('The handler’s own no.'),
    failure: z.enum(refusalCodes).optional().describe('The host’s no: `handler-deadline`, `malformed-request` …'),
    writes: z
      .record(z.string(), stored.nullable())
      .optional()
      .describe('All that is written for the asker; null deletes.'),
    handlerWrites: z
      .record(z.string(), stored.nullable())
      .optional()
      .describe('All that is written to the handler’s own namespace.'),
    sandboxes: z
      .record(z.string(), z.strictObject({ mutual: areaWrites, own: areaWrites }))
      .optional()
      .describe('All that is wished for in sandboxes, by id: the terms judge it when it is committed.'),
    outgoing: z.array(outgoing).optional().describe('All that is sent, in order.'),
    hostCallsMax: z.number().int().min(0).optional(),
  })
  .refine((value) => ends.filter((end) => value[end] !== undefined).length === 1, {
    error: `must have exactly one of ${ends.join(', ')}`,
  })

const oneCase = z.strictObject({
  name: z.string().min(1).max(100),
  event: z.string().describe('One of the manifest’s event types.'),
  request: z.json().default({}),
  given: given.prefault({}),
  expect: expected,
})

/** The shape of a cases file. `trellis/cases.schema.json` is made from it. */
export const casesSchema = z
  .strictObject({ $schema: z.string().optional(), cases: z.array(oneCase).min(1).max(CASES_MAX) })
  .refine(({ cases }) => new Set(cases.map(({ name }) => name)).size === cases.length, {
    error: 'two cases have the same name',
    path: ['cases'],
  })

export type Case = z.output<typeof oneCase>
export type GivenSandbox = z.output<typeof sandbox>
export type GivenCredential = z.output<typeof credential>
export type Stored = z.output<typeof stored>

/** @throws Refusal `cases-invalid` with one line `file:line: what` for every mistake */
export function parseCases(text: string, file: string): readonly Case[] {
  if (text.length > CASES_BYTES_MAX) throw new Refusal('cases-invalid', `${file}:1: is over ${CASES_BYTES_MAX} bytes`)
  const found = jsonMistakes([], { file, text })
  if (found.length > 0) throw new Refusal('cases-invalid', found.join('\n'))
  const result = casesSchema.safeParse(JSON.parse(text))
  if (result.success) return result.data.cases
  throw new Refusal('cases-invalid', jsonMistakes(mistakes(result.error), { file, text }).join('\n'))
}

/** @throws Refusal `cases-invalid`, also when there is no such file */
export async function readCases(path: string): Promise<readonly Case[]> {
  const text = await readFile(path, 'utf8').catch(() => undefined)
  if (text !== undefined) return parseCases(text, basename(path))
  throw new Refusal('cases-invalid', `${basename(path)} is not there: write the cases that this handler must pass`)
}
