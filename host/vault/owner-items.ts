/** What a connection keeps in the vault, as the owner sees it: all of it by name, the values only where transparent. */
import { Refusal } from '#host/errors.ts'
import { ITEMS_PAGE_BYTES, KEY_BYTES_MAX, SCAN_ITEMS_MAX } from '#host/limits.ts'
import { z } from '#host/schema.ts'
import type { Item } from '#host/storage/port.ts'
import type { Cbor } from '#host/wire/cbor.ts'
import { storeCap } from './caps.ts'
import { type Command, type Done, knownConnection, readCommand } from './command.ts'
import { eventRow } from './rows.ts'
import { stopsWithout } from './stops.ts'

const key = z.string().max(KEY_BYTES_MAX)
const listed = z.strictObject({
  connection: z.string(),
  prefix: key.optional(),
  after: key.optional(),
  limit: z.int().min(1).max(SCAN_ITEMS_MAX).optional(),
})
const removed = z.strictObject({ connection: z.string(), key })

/** A page, with how much is kept and may be. A value over `ITEMS_PAGE_BYTES` is left out: its size is told. */
export function listItems(command: Command): Done {
  const { vault, device, opened, now } = command
  const { connection: id, prefix = '', after, limit = SCAN_ITEMS_MAX } = readCommand(listed, command)
  const connection = knownConnection(vault, id)
  const space = vault.store.namespace(connection.key)
  const page = space.scan({ prefix, limit, ...(after !== undefined && { after }) })
  const items: Cbor[] = []
  let { next } = page
  let room = ITEMS_PAGE_BYTES
  for (const [key, item] of page.items) {
    const shown = shownItem(key, item, vault.factor.isOpen(now))
    room -= shown.value?.length ?? 0
    if (room < 0) break
    items.push(shown)
    next = items.length < page.items.length ? key : page.next
  }
  return {
    body: { items, next: next ?? null, bytes: space.bytes, bytesMax: storeCap(connection)?.bytesMax ?? 0 },
    rows: [eventRow(device, opened.event, { at: now, result: 'replied', connection: connection.id })],
  }
}

/** Takes one item away, whatever its contract says, and says what stops working: the vault is the owner's. */
export function removeItem(command: Command): Done {
  const { vault, device, opened, now } = command
  const { connection: id, key } = readCommand(removed, command)
  const connection = knownConnection(vault, id)
  if (!vault.store.namespace(connection.key).get(key)) {
    throw new Refusal('command-invalid', 'no such item: list them first')
  }
  return {
    body: { stops: stopsWithout(command, { namespace: connection.key, key }) },
    changes: [{ namespace: connection.key, key, value: null }],
    rows: [
      eventRow(device, opened.event, {
        at: now,
        result: 'changed',
        connection: connection.id,
        fields: [key],
        reason: 'item removed',
      }),
    ],
  }
}

function shownItem(key: string, item: Item, isUnlocked: boolean) {
  const { value, visibility, sensitivity, category, revision, updatedAt } = item
  const isOpen = sensitivity === 'data' || (sensitivity === 'critical' && isUnlocked)
  const isShown = isOpen && visibility === 'transparent' && value.length <= ITEMS_PAGE_BYTES
  return {
    key,
    category: category ?? null,
    visibility,
    size: value.length,
    revision,
    updated: updatedAt,
    value: isShown ? value : null,
  }
}
