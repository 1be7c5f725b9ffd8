/** What the owner takes away or calls otherwise, in any namespace: told first what will stop working. */
import { Refusal } from '#host/errors.ts'
import { ALIAS_CHARS_MAX, CREDENTIAL_LABEL_BYTES_MAX, KEY_BYTES_MAX } from '#host/limits.ts'
import { z } from '#host/schema.ts'
import { isDeviceNamespace } from '#host/storage/port.ts'
import { type Command, type Done, knownConnection, readCommand } from './command.ts'
import { credentialChange, storedCredentials } from './credentials.ts'
import { namespaceName } from './owner-browse.ts'
import { connectionChange } from './records.ts'
import { eventRow } from './rows.ts'
import { stopsWithout } from './stops.ts'

const removed = z.strictObject({
  namespace: namespaceName,
  key: z.string().min(1).max(KEY_BYTES_MAX),
  /** Without it nothing is removed, and the answer says what would stop. */
  confirm: z.exactOptional(z.boolean()),
})
const renamed = z.strictObject({ connection: z.string(), alias: z.string().min(1).max(ALIAS_CHARS_MAX) })
const labelled = z.strictObject({
  alias: z.string(),
  label: z
    .string()
    .min(1)
    .refine((text) => Buffer.byteLength(text) <= CREDENTIAL_LABEL_BYTES_MAX, 'is too long'),
})

/**
 * Takes an item away, once `confirm` says so: the vault is the owner's, whatever a contract says. The vault's own books
 * are not items: commands change them.
 *
 * @throws Refusal `command-invalid` when there is no such item, or it is the vault's own
 */
export function remove(command: Command): Done {
  const { vault, device, opened, registry, now } = command
  const { namespace, key, confirm = false } = readCommand(removed, command)
  // A sandbox is two people's: what leaves it leaves by its rules, and its history stays.
  const isBook = namespace === 'system' || namespace === 'audit' || isDeviceNamespace(namespace)
  if (isBook || namespace.startsWith('sandbox/')) {
    throw new Refusal('command-invalid', `${namespace} is the vault’s own: use the command for what it holds`)
  }
  if (!vault.store.namespace(namespace).get(key)) throw new Refusal('command-invalid', 'no such item: list them first')
  const stops = stopsWithout({ vault, registry }, { namespace, key })
  const told = { at: now, fields: [key], reason: confirm ? `removed from ${namespace}` : `asked: ${namespace}` }
  return {
    body: { removed: confirm, stops },
    changes: confirm ? [{ namespace, key, value: null }] : [],
    rows: [eventRow(device, opened.event, { ...told, result: confirm ? 'changed' : 'replied' })],
  }
}

/** Gives a connection another name: handlers send to it under the new one from now on. */
export function renameConnection(command: Command): Done {
  const { vault, device, opened, now } = command
  const { connection: id, alias } = readCommand(renamed, command)
  const connection = knownConnection(vault, id)
  const record = { ...connection.record, alias }
  const reason = `${connection.record.alias} is ${alias}`
  return {
    apply: () => void (connection.record = record),
    changes: [connectionChange(connection.id, record)],
    rows: [eventRow(device, opened.event, { at: now, result: 'changed', connection: connection.id, reason })],
  }
}

/** @throws Refusal `command-invalid` when there is none of that alias */
export function renameCredential(command: Command): Done {
  const { vault, device, opened, now } = command
  const { alias, label } = readCommand(labelled, command)
  const found = storedCredentials(vault).find((stored) => stored.alias === alias)
  if (!found) throw new Refusal('command-invalid', 'no such credential')
  return {
    changes: [credentialChange(alias, { ...found.record, label })],
    rows: [eventRow(device, opened.event, { at: now, result: 'changed', fields: [alias] })],
  }
}
