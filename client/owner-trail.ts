/** The audit trail as an owner's device reads it, and the signed checkpoints that it keeps. */
import { type Checkpoint, verifyCheckpoint } from '#host/crypto/checkpoint.ts'
import type { Suite } from '#host/crypto/port.ts'
import { Refusal } from '#host/errors.ts'
import { CHECKPOINT_BYTES_MAX } from '#host/limits.ts'
import { bytesUpTo, check, z } from '#host/schema.ts'
import { type Cbor, decodeCbor } from '#host/wire/cbor.ts'
import type { Conversation } from './conversation.ts'

const rowsPage = z.object({
  rows: z.array(
    z.object({
      sequence: z.number(),
      /** When it happened, milliseconds since the epoch. */
      at: z.number(),
      connection: z.string().nullable(),
      who: z.string(),
      eventId: z.string().nullable(),
      eventType: z.string().nullable(),
      fields: z.array(z.string()),
      purpose: z.string().nullable(),
      contractVersion: z.number().nullable(),
      /** `noted`: a handler's own word, linked to the row of its event. */
      result: z.string(),
      reason: z.string().nullable(),
      askedAt: z.number().nullable(),
      answeredAt: z.number().nullable(),
      link: z.number().nullable(),
      count: z.number(),
      previous: z.instanceof(Uint8Array),
      hash: z.instanceof(Uint8Array),
    }),
  ),
  /** Goes into the following request as `after`; null at the end. */
  next: z.number().nullable(),
})
const signed = z.object({ checkpoint: bytesUpTo(CHECKPOINT_BYTES_MAX) })
const pruned = z.object({ pruned: z.number(), through: z.number() })

export type RowsPage = z.infer<typeof rowsPage>

export interface OwnerTrail {
  /** Rows in their order, all or of one connection. A page may hold none and still have a `next`. */
  auditRows(range?: { connection?: string; after?: number; limit?: number }): Promise<RowsPage>
  /** Everything up to now, signed by the vault and verified here: keep it, and no earlier trail passes for whole. */
  auditCheckpoint(): Promise<Checkpoint>
  /** Told of each checkpoint that the vault signs by itself. One that is not the vault's is dropped. */
  onCheckpoint(receive: (checkpoint: Checkpoint) => void): void
  /** Drops rows from before a time; says how many went and up to which row the trail is its base alone. */
  pruneAudit(before: number): Promise<{ readonly pruned: number; readonly through: number }>
  /** Has rows go by themselves once they are older than so many days; `null`: they stay until they are pruned. */
  retainAudit(days: number | null): Promise<void>
}

export function ownerTrail(
  command: (type: string, body: Cbor) => Promise<Cbor>,
  options: {
    readonly crypto: Suite
    readonly conversation: Conversation
    readonly vault: string
    readonly vaultKey: Uint8Array
  },
): OwnerTrail {
  const verified = (body: Cbor): Checkpoint => {
    const { checkpoint } = check(signed, body, 'malformed', 'checkpoint')
    const read = verifyCheckpoint(options.crypto, checkpoint, options.vaultKey)
    if (read.vault !== options.vault) throw new Refusal('audit-broken', 'a checkpoint of another vault')
    return read
  }
  return {
    async auditRows(range = {}) {
      return check(rowsPage, await command('audit.rows', range), 'malformed', 'the trail')
    },
    auditCheckpoint: async () => verified(await command('audit.checkpoint', {})),
    onCheckpoint: (receive) =>
      options.conversation.on('audit.checkpoint', ({ body }) => receive(verified(decodeCbor(body)))),
    async retainAudit(days) {
      await command('audit.retain', { days })
    },
    async pruneAudit(before) {
      return check(pruned, await command('audit.prune', { before }), 'malformed', 'what was pruned')
    },
  }
}
