/** What a namespace may hold, held against every commit: whatever a cell said, and whoever else commits meanwhile. */
import { Refusal } from '#host/errors.ts'
import { handlerCap } from '#host/plugin/grant.ts'
import type { Cap } from '#host/plugin/port.ts'
import { type Change, itemBytes, type Namespace, type NamespaceName } from '#host/storage/port.ts'
import { parseConnectionId } from '#host/wire/id.ts'
import type { Connection } from './party.ts'
import type { Vault } from './vault.ts'

/** What the contract in force lets a connection store; `null` when it may not. */
export function storeCap({ contract }: Pick<Connection, 'contract'>): Cap | null {
  const store = contract?.contract.permissions.store
  if (!contract || !store) return null
  return { categories: store.categories, bytesMax: Math.min(store.bytesMax, contract.contract.limits.storageBytes) }
}

/**
 * Takes the namespaces' running figures, so that its cost is that of the changes alone. A namespace that holds too much
 * already, because a later contract allows less, may still shrink.
 *
 * @throws Refusal `not-permitted`, `category-undeclared`, `storage-full`
 */
export function checkCaps(vault: Vault, changes: readonly Change[]): void {
  const capped = changes.filter(({ namespace }) => /^(?:connection|handler)\//u.test(namespace))
  for (const [name, written] of Map.groupBy(capped, ({ namespace }) => namespace)) {
    if (written.every(({ value }) => value === null)) continue
    const cap = capOf(vault, name)
    if (!cap) throw new Refusal('not-permitted', 'the contract lets this connection store nothing: ask for it first')
    checkSpace(vault.store.namespace(name), { written, cap })
  }
}

function checkSpace(space: Namespace, { written, cap }: { written: readonly Change[]; cap: Cap }): void {
  const after = new Map<string, { readonly bytes: number; readonly category: string | undefined } | undefined>()
  let bytes = space.bytes
  for (const { key, value, category: named } of written) {
    const item = space.get(key)
    const stood = after.has(key)
      ? after.get(key)
      : item && { bytes: itemBytes(key, item.value), category: item.category }
    const category = named === undefined ? stood?.category : (named ?? undefined)
    const left = value === null ? undefined : { bytes: itemBytes(key, value), category }
    after.set(key, left)
    bytes += (left?.bytes ?? 0) - (stood?.bytes ?? 0)
    if (left?.category !== undefined && cap.categories?.includes(left.category) === false) {
      throw new Refusal('category-undeclared', `the contract does not list ${left.category}: store what it lists`)
    }
  }
  if (bytes > cap.bytesMax && bytes > space.bytes) {
    const left = Math.max(cap.bytesMax - space.bytes, 0)
    throw new Refusal(
      'storage-full',
      `at most ${cap.bytesMax} bytes may be stored, ${left} are left: remove some first`,
    )
  }
}

function capOf(vault: Vault, name: NamespaceName): Cap | null {
  if (name.startsWith('handler/')) return handlerCap
  const connection = vault.connections.get(parseConnectionId(name.slice('connection/'.length)))
  return connection ? storeCap(connection) : null
}
