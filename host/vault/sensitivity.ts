/**
 * How sensitive an item is: the strictest of what it was, what its contract demands of its category and what whoever
 * writes declares. Nothing makes it laxer but removing it.
 */
import { sensitivities } from '#host/plugin/report.ts'
import type { Change, Sensitivity } from '#host/storage/port.ts'
import { parseConnectionId } from '#host/wire/id.ts'
import type { Vault } from './vault.ts'

/** A change as it may be committed now. The vault's own books are as the vault writes them. */
export function guarded(vault: Vault, change: Change): Change {
  const { namespace, key, value } = change
  if (value === null || !/^(?:personal$|connection\/|handler\/)/u.test(namespace)) return change
  const item = vault.store.namespace(namespace).get(key)
  const category = change.category === undefined ? item?.category : (change.category ?? undefined)
  const levels = new Set([item?.sensitivity, change.sensitivity, demanded(vault, namespace, category)])
  const sensitivity = sensitivities.findLast((level) => levels.has(level))
  return sensitivity === undefined || sensitivity === change.sensitivity ? change : { ...change, sensitivity }
}

function demanded(vault: Vault, namespace: string, category: string | undefined): Sensitivity | undefined {
  if (category === undefined || !namespace.startsWith('connection/')) return undefined
  const connection = vault.connections.get(parseConnectionId(namespace.slice('connection/'.length)))
  const demands = connection?.contract?.contract.permissions.store?.sensitivity ?? {}
  return Object.hasOwn(demands, category) ? demands[category] : undefined
}
