/** Whom a handler may send to besides the one that asked: connections by the owner's alias. */
import type { Connection } from './party.ts'
import type { Vault } from './vault.ts'

/**
 * The one active connection of this alias, if an event of this type may leave to it: a service whose contract permits
 * messages, or a peer whose owner shares messages and this event type, and for whom not too much waits already. Two of
 * one name are none: the owner meant one of them, and it is not known which.
 */
export function reachable(vault: Vault, alias: string, type: string): Connection | undefined {
  const [found, ...others] = [...vault.connections.values()].filter(
    ({ record }) => record.alias === alias && record.status === 'active',
  )
  if (!found || others.length > 0) return undefined
  return permits(vault, found, type) ? found : undefined
}

function permits(vault: Vault, { id, contract, record }: Connection, type: string): boolean {
  const { peer } = record
  if (!peer) return contract?.contract.permissions.messages ?? false
  const { accepted, sharing } = peer.asks ?? {}
  if (!accepted || !sharing?.messages || !sharing.events.includes(type)) return false
  return vault.posts.hasRoom(id)
}
