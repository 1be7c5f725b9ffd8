/** The subjects of one conversation, both ways. */
import { parseConnectionId, parseEventType, parseVaultId } from '#host/wire/id.ts'
import type { Subject } from '#host/wire/subject.ts'

export interface Lanes {
  /** Where an event of this type is sent. */
  readonly outward: (type: string) => Subject
  /** Where the vault answers events of this type. */
  readonly inward: (type: string) => Subject
  /** Matches everything the vault sends back. */
  readonly everything: string
}

/** A service's lanes to a vault. @throws Refusal `malformed` for ids that are none */
export function connectionLanes(ids: { readonly vault: string; readonly connection: string }): Lanes {
  const vault = parseVaultId(ids.vault)
  const connection = parseConnectionId(ids.connection)
  const lane = { space: 'message', vault, connection } as const
  return {
    outward: (type) => ({ ...lane, direction: 'fromService', type: parseEventType(type) }),
    inward: (type) => ({ ...lane, direction: 'forService', type: parseEventType(type) }),
    everything: `MessageSpace.${vault}.forService.${connection}.>`,
  }
}

/** A device's lanes to its vault. @throws Refusal `malformed` for an id that is none */
export function ownerLanes(id: string): Lanes {
  const vault = parseVaultId(id)
  return {
    outward: (type) => ({ space: 'owner', vault, direction: 'forVault', type: parseEventType(type) }),
    inward: (type) => ({ space: 'owner', vault, direction: 'forApp', type: parseEventType(type) }),
    everything: `OwnerSpace.${vault}.forApp.>`,
  }
}
