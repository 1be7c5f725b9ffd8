/** What other users share with this one: their vaults are asked by way of the own one, which keeps nothing of it. */
import { type EntryId, parseUserId } from '#host/entries/ids.ts'
import { Refusal } from '#host/errors.ts'
import { bytesOf, check, z } from '#host/schema.ts'
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import type { Conversation } from './conversation.ts'
import {
  type EntryPage,
  entryPage,
  type PlacedVersion,
  servedVersions,
  standing,
  versionsPage,
} from './owner-entries.ts'

const SHARED_LIFE_MS = 60_000

const directoryPage = z.object({
  user: bytesOf(32).transform(parseUserId),
  statements: z.array(z.instanceof(Uint8Array)),
  next: z.int().nullable(),
})
const listPage = versionsPage.extend({ next: z.instanceof(Uint8Array).nullable() })

export interface OwnerShared {
  /** The other user's statements after one, oldest first; -1 for all. Walk them before anything is shared. */
  directory(connection: string, after?: number): Promise<z.infer<typeof directoryPage>>
  /** Outlines of what is shared with this device. */
  list(
    connection: string,
    after?: Uint8Array,
  ): Promise<{ readonly versions: readonly PlacedVersion[]; readonly next: Uint8Array | null }>
  /** One entry with its content; the latest version if none is named. */
  get(connection: string, entry: EntryId, seq?: number): Promise<EntryPage>
}

/** @throws Refusal with the other vault's code, or this one's */
export function ownerShared(conversation: Pick<Conversation, 'request'>): OwnerShared {
  async function ask<T>(schema: z.ZodType<T>, type: string, body: Cbor): Promise<T> {
    const { answer } = await conversation.request(type, encodeCbor(body), { lifeMs: SHARED_LIFE_MS })
    const reply = await answer
    if (reply.status === 'replied') return check(schema, decodeCbor(reply.body), 'malformed', `the answer to ${type}`)
    const why = reply.status === 'refused' ? `${reply.code}: ${reply.message}` : reply.status
    throw new Refusal('command-invalid', `${type} was refused: ${why}`)
  }
  return {
    directory: (connection, after = -1) => ask(directoryPage, 'shared.directory', { connection, after }),
    async list(connection, after) {
      const page = await ask(listPage, 'shared.list', { connection, ...(after && { after }) })
      return { versions: servedVersions(page), next: page.next }
    },
    async get(connection, entry, seq) {
      const body = { connection, entry, ...(seq !== undefined && { seq }) }
      return entryPage(await ask(standing, 'shared.get', body))
    },
  }
}
