/**
 * A trail on paper: JSON lines that anybody can verify who has the vault's public key, or its fingerprint.
 *
 * The first line is `{kind: 'trail', format: 1, vault, verifyKey, base}`, then one `row` each with every column and its
 * hashes, and last a `checkpoint` at the last row. Bytes are base64. A row's content is encoded anew from its columns,
 * so that a changed column shows; nothing in the file is believed but what the last checkpoint's signature covers.
 */
import { identityId } from '#host/crypto/identity.ts'
import { Refusal } from '#host/errors.ts'
import { check, z } from '#host/schema.ts'
import { equalBytes } from '#host/wire/bytes.ts'

import { type TrailBase, walkTrail } from './audit.ts'
import { type AuditHead, type AuditRow, entrySchema } from './audit-row.ts'
import { type Checkpoint, verifyCheckpoint } from '#host/crypto/checkpoint.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { EXPORT_LINE_CHARS_MAX } from './limits.ts'

const base64 = z.string().transform((text, context) => {
  try {
    return Uint8Array.fromBase64(text)
  } catch {
    context.addIssue({ code: 'custom', message: 'is not base64' })
    return z.NEVER
  }
})
const hash = base64.refine((bytes) => bytes.length === 32, 'must be 32 bytes')
const lineSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('trail'),
    format: z.literal(1),
    vault: z.string(),
    verifyKey: base64,
    /** Signed: where a pruned trail begins. */
    base: base64.nullable(),
  }),
  entrySchema.extend({
    kind: z.literal('row'),
    sequence: z.number().int().min(1),
    previous: hash,
    hash,
  }),
  z.strictObject({ kind: z.literal('checkpoint'), checkpoint: base64 }),
])
type Line = z.infer<typeof lineSchema>

export interface ExportedTrail {
  readonly vault: string
  /** The vault's raw composite key. */
  readonly verifyKey: Uint8Array
  /** The signed base of a pruned trail. */
  readonly base: Uint8Array | undefined
  readonly rows: Iterable<AuditRow>
  /** Signed, at the last row. */
  readonly checkpoint: Uint8Array
}

/** What a verified file proves. */
export interface VerifiedTrail {
  readonly vault: string
  /** `identityId` of the key that signed: compare it with one that came another way. */
  readonly identity: Uint8Array
  readonly rows: number
  /** What was pruned before; undefined when the trail is whole. */
  readonly base: Checkpoint | undefined
  readonly head: Checkpoint
}

/** The lines of a file, without their ends. */
export function* exportTrail({ vault, verifyKey, base, rows, checkpoint }: ExportedTrail): Generator<string> {
  const based = base ? base.toBase64() : null
  yield JSON.stringify({ kind: 'trail', format: 1, vault, verifyKey: verifyKey.toBase64(), base: based })
  for (const { previous, hash, ...row } of rows) {
    yield JSON.stringify({ kind: 'row', ...row, previous: previous.toBase64(), hash: hash.toBase64() })
  }
  yield JSON.stringify({ kind: 'checkpoint', checkpoint: checkpoint.toBase64() })
}

/**
 * Verifies a file line by line, in memory that does not grow with it but for the rows that pruning kept.
 *
 * @param expected what the verifier knows already: the vault's fingerprint, and the last row that a device holds
 * @throws Refusal `audit-broken` naming the first bad row
 */
export async function verifyExport(
  lines: AsyncIterable<string> | Iterable<string>,
  expected: { readonly identity?: Uint8Array; readonly head?: AuditHead } = {},
): Promise<VerifiedTrail> {
  let start: (Line & { kind: 'trail' }) | undefined
  let base: Checkpoint | undefined
  let walk = walkTrail()
  let head: Checkpoint | undefined
  let rows = 0
  let number = 0
  for await (const text of lines) {
    number++
    const line = readLine(text, { number, row: walk.next })
    if (head) throw broken(`line ${number} stands behind the last checkpoint`)
    if (!start || line.kind === 'trail') {
      if (start || line.kind !== 'trail') throw broken('the first line, and no other, must name the vault')
      start = line
      if (expected.identity && !equalBytes(identityId(nativeCrypto, start.verifyKey), expected.identity)) {
        throw broken('the key in it is not that of the vault with this fingerprint')
      }
      base = line.base ? signedBy(start, line.base) : undefined
      walk = walkTrail(baseOf(base))
    } else if (line.kind === 'row') {
      const { kind: _kind, ...row } = line
      walk.take(row)
      if (expected.head?.sequence === row.sequence && !equalBytes(expected.head.hash, row.hash)) {
        throw broken(`row ${row.sequence}: is not the row that the device was told of`)
      }
      rows++
    } else {
      head = signedBy(start, line.checkpoint)
    }
  }
  const last = walk.end()
  if (!start || !head) throw broken(`row ${last.sequence + 1}: is missing, or the checkpoint that ends the file`)
  checkHead(last, head)
  if (expected.head && expected.head.sequence > last.sequence) throw missing(last.sequence + 1)
  return { vault: start.vault, identity: identityId(nativeCrypto, start.verifyKey), rows, base, head }
}

function checkHead(last: AuditHead, head: Checkpoint): void {
  if (head.sequence > last.sequence) throw missing(last.sequence + 1)
  if (head.sequence < last.sequence) throw broken(`row ${head.sequence + 1}: no checkpoint covers it`)
  if (!equalBytes(head.hash, last.hash)) throw broken(`row ${last.sequence}: is not the row that was signed`)
}

function baseOf(base: Checkpoint | undefined): TrailBase | undefined {
  if (base && !base.kept) throw broken('its base is no pruning')
  return base
}

function signedBy({ vault, verifyKey }: { vault: string; verifyKey: Uint8Array }, bytes: Uint8Array): Checkpoint {
  const checkpoint = verifyCheckpoint(nativeCrypto, bytes, verifyKey)
  if (checkpoint.vault !== vault) throw broken(`a checkpoint of vault ${checkpoint.vault} stands in it`)
  return checkpoint
}

function readLine(text: string, { number, row }: { number: number; row: number }): Line {
  const what = `row ${row}: line ${number}`
  if (text.length > EXPORT_LINE_CHARS_MAX) throw broken(`${what} is too long`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new Refusal('audit-broken', `${what} is not JSON`, { cause })
  }
  return check(lineSchema, value, 'audit-broken', what)
}

function missing(sequence: number): Refusal {
  return broken(`row ${sequence}: is missing`)
}

function broken(what: string): Refusal {
  return new Refusal('audit-broken', what)
}
