/** What contracts in force need: told to the owner who takes it away. */
import type { Registry } from '#host/plugin/registry.ts'
import type { NamespaceName } from '#host/storage/port.ts'
import { storedCredentials } from './credentials.ts'
import type { Connection } from './party.ts'
import type { Vault } from './vault.ts'

interface Where {
  readonly namespace: NamespaceName
  readonly key: string
}

/** What stops working without an item, for whom, in the order of their names. */
export function stopsWithout(
  { vault, registry }: { readonly vault: Vault; readonly registry: Registry },
  where: Where,
): { connection: string; alias: string; what: string }[] {
  return active(vault).flatMap((connection) =>
    needsOf(vault, { connection, registry, ...where }).map((what) => {
      return { connection: connection.id, alias: connection.record.alias, what }
    }),
  )
}

/** In the order of their names. */
function active(vault: Vault): Connection[] {
  const found = [...vault.connections.values()].filter(({ record }) => record.status === 'active')
  return found.sort((one, other) => one.record.alias.localeCompare(other.record.alias))
}

interface Need extends Where {
  readonly connection: Connection
  readonly registry: Registry
}

/** In words for the owner: what a contract in force needs an item for. */
function needsOf(vault: Vault, { connection, registry, namespace, key }: Need): string[] {
  const { contract, record } = connection
  if (!contract) return []
  const { fields, permissions } = contract.contract
  const given = fields.filter(({ name }) => !record.declined.includes(name))
  const [kind = '', name = ''] = key.split('/')
  if (namespace === 'personal' && kind === 'field') {
    return given.filter((field) => field.name === name).map(({ tier }) => `the field ${name}, ${tier}`)
  }
  if (namespace === 'personal' && kind === 'credential') {
    const credential = storedCredentials(vault).find(({ alias }) => alias === name)
    const proven = given.filter((field) => credential?.metadata.claims.includes(field.name))
    return proven.length > 0 ? [`proofs of ${proven.map((field) => field.name).join(', ')}`] : []
  }
  if (namespace === connection.key) return ['what it keeps here']
  const types = permissions.events.filter((type) => `handler/${registry.lookup(type)?.name}` === namespace)
  return types.length > 0 ? [`events that need it: ${types.join(', ')}`] : []
}
