/** What is in the vault after the last of many kills, beside what the others were told. */
import { ALICE } from '#host/commands/demo/cast.ts'
import { openFolder } from '#host/commands/open.ts'
import { allRows, trailBase, trailHead, verifyTrail } from '#host/storage/audit.ts'
import { entries } from '#host/vault/read.ts'
import { decodeRecord } from '#host/vault/records.ts'
import type { Vault } from '#host/vault/vault.ts'
import { decodeReply } from '#host/wire/reply.ts'
import { told } from './service.fixture.ts'

/** Read from the folder alone; opening it verifies the journal's chain. */
export interface Found {
  /** The number that each event was given, by the vault's inbox. */
  readonly done: ReadonlyMap<string, number>
  /** Ids of the events that the trail says were done, in its order. Its chain is verified. */
  readonly rows: readonly string[]
  /** What the handler has counted. */
  readonly count: number
  readonly fields: ReadonlyMap<string, string>
}

export async function findEffects(folder: string, connection: string): Promise<Found> {
  await using opened = await openFolder(folder, { create: false })
  const vault = await opened.vaults.find(ALICE.vault)
  if (!vault) throw new Error('the vault is gone')
  const text = new TextDecoder()
  const count = vault.store.namespace(`connection/${connection}`).get('n')
  const notes = entries(vault.store.namespace('personal'), 'field/note_')
  return {
    done: answersIn(vault, connection),
    rows: doneRows(vault),
    count: Number(count ? text.decode(count.value) : 0),
    fields: new Map(notes.map(([name, value]) => [name, text.decode(value)])),
  }
}

/** At once, or after the owner's yes. */
const done: ReadonlySet<string> = new Set(['replied', 'approved'])

function doneRows({ store }: Vault): string[] {
  const namespace = store.namespace('audit')
  const rows = [...allRows(namespace)]
  verifyTrail(rows, trailHead(namespace), trailBase(namespace))
  return rows.flatMap(({ eventType, eventId, result }) =>
    eventType?.startsWith('counts.') && done.has(result) && eventId !== null ? [eventId] : [],
  )
}

function answersIn({ system }: Vault, connection: string): Map<string, number> {
  const marks = entries(system, `inbox/connection/${connection}/`)
  return new Map(
    marks.flatMap(([id, value]): [string, number][] => {
      const reply = told(decodeReply(decodeRecord('inbox', value).reply))
      return reply.status === 'replied' ? [[id, Number(reply.body)]] : []
    }),
  )
}
