/** Questions to the owner: durable, bound to one exact request and one contract version. */
import type { Change } from '#host/storage/port.ts'
import { parseConnectionId, type EventId } from '#host/wire/id.ts'
import { Refusal } from '#host/errors.ts'
import type { Connection } from './party.ts'
import { entries } from './read.ts'
import { decodeRecord, encodeRecord, type PendingRecord } from './records.ts'
import type { Vault } from './vault.ts'

export interface Question {
  /** Names the question to the owner: `<connection>/<event id>`. */
  readonly id: string
  readonly record: PendingRecord
}

/** A question's name: one per request. */
export function questionId(connection: Connection, event: EventId): string {
  return `${connection.id}/${event}`
}

/** The change that opens a question. */
export function ask(id: string, record: PendingRecord): Change {
  return { namespace: 'system', key: `pending/${id}`, value: encodeRecord('pending', record) }
}

/** The change that ends one. */
export function settle(id: string): Change {
  return { namespace: 'system', key: `pending/${id}`, value: null }
}

/** @throws Refusal `command-invalid` when no such question is open, swept or not */
export function question(vault: Vault, id: string, now: number): Question & { connection: Connection } {
  const item = vault.system.get(`pending/${id}`)
  const record = item && decodeRecord('pending', item.value)
  const connection = record && askerOf(vault, record)
  if (!record || !connection || record.expires <= now)
    throw new Refusal('command-invalid', `no open question ${id}: it was answered or it expired`)
  return { id, record, connection }
}

/** Whether a question that was read some time ago waits still. */
export function isOpen(vault: Vault, { id }: Question): boolean {
  return vault.system.get(`pending/${id}`) !== undefined
}

/** Whose request a question is about. */
export function askerOf(vault: Vault, { connection }: PendingRecord): Connection | undefined {
  return vault.connections.get(parseConnectionId(connection))
}

/** Every open question, of one connection or of all. */
export function questions(vault: Vault, connection?: Connection): Question[] {
  const prefix = connection ? `${connection.id}/` : ''
  return entries(vault.system, `pending/${prefix}`).map(([name, value]) => ({
    id: prefix + name,
    record: decodeRecord('pending', value),
  }))
}
