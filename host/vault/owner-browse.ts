/** Every namespace as the owner sees it: what is there, who put it there and when; values where they may be seen. */
import { ITEMS_PAGE_BYTES, KEY_BYTES_MAX, SCAN_ITEMS_MAX } from '#host/limits.ts'
import { z } from '#host/schema.ts'
import { isDeviceNamespace, type Item, type NamespaceName } from '#host/storage/port.ts'
import { isNamespaceName } from '#host/storage/writes.ts'
import type { Cbor } from '#host/wire/cbor.ts'
import { type Command, type Done, readCommand } from './command.ts'
import { eventRow } from './rows.ts'
import type { Vault } from './vault.ts'

const key = z.string().max(KEY_BYTES_MAX)
const limit = z.exactOptional(z.int().min(1).max(SCAN_ITEMS_MAX))
export const namespaceName = z.custom<NamespaceName>((name) => typeof name === 'string' && isNamespaceName(name))
const nothing = z.strictObject({})
const browsed = z.strictObject({
  namespace: namespaceName,
  prefix: z.exactOptional(key),
  after: z.exactOptional(key),
  limit,
})

/** All that hold something, by name, with their bytes; `alias` is the owner's name for a connection's. */
export function listNamespaces(command: Command): Done {
  readCommand(nothing, command)
  const { vault } = command
  const namespaces = vault.store.namespaces().map((name): Cbor => {
    return { name, bytes: vault.store.namespace(name).bytes, alias: aliasOf(vault, name) }
  })
  return { body: { namespaces }, rows: [read(command)] }
}

/** A page of one namespace, in the order of its keys. */
export function browse(command: Command): Done {
  const { vault } = command
  const { namespace, prefix = '', after, limit = SCAN_ITEMS_MAX } = readCommand(browsed, command)
  const page = vault.store.namespace(namespace).scan({ prefix, limit, ...(after !== undefined && { after }) })
  const items: Cbor[] = []
  let { next } = page
  let room = ITEMS_PAGE_BYTES
  for (const [key, item] of page.items) {
    const isBook = namespace === 'personal' && key.startsWith('credential/')
    const value = isBook ? null : shownValue(namespace, item, vault.factor.isOpen(command.now))
    room -= value?.length ?? 0
    if (room < 0) break
    items.push({ ...facts(key, item), value })
    next = items.length < page.items.length ? key : page.next
  }
  return { body: { items, next: next ?? null }, rows: [read(command, namespace)] }
}

/** What may be known of an item without its value. */
function facts(key: string, item: Item) {
  const { value, visibility, sensitivity, category = null, revision, updatedAt, author = null } = item
  return { key, category, visibility, sensitivity, size: value.length, revision, updated: updatedAt, author }
}

/**
 * The owner's own fields; elsewhere what is transparent; what is critical while it is unlocked. Never a secret, nor the
 * vault's own books: those are keys, and a device that is stolen must not carry them away.
 */
function shownValue(
  namespace: NamespaceName,
  { value, visibility, sensitivity }: Item,
  isUnlocked: boolean,
): Uint8Array | null {
  if (namespace === 'system' || namespace === 'audit' || isDeviceNamespace(namespace)) return null
  if (sensitivity === 'secret' || (sensitivity === 'critical' && !isUnlocked)) return null
  const isOpen = namespace === 'personal' || visibility === 'transparent'
  return isOpen && value.length <= ITEMS_PAGE_BYTES ? value : null
}

function aliasOf({ connections }: Vault, name: NamespaceName): string | null {
  const found = [...connections.values()].find(({ key }) => key === name)
  return found?.record.alias ?? null
}

function read({ device, opened, now }: Command, namespace?: NamespaceName) {
  return eventRow(device, opened.event, { at: now, result: 'replied', fields: namespace ? [namespace] : [] })
}
