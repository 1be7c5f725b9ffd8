/** That a vault is to get a new KEK: kept with the commit that makes it due, so that no crash forgets it. */
import type { Change } from '#host/storage/port.ts'
import type { Command, Done } from './command.ts'
import { eventRow } from './rows.ts'
import type { Vault } from './vault.ts'

const KEY = 'erasure'

/** Makes an erasure due: the next round of upkeep does it. */
export const dueErasure: Change = { namespace: 'system', key: KEY, value: Uint8Array.of(1) }
/** It is done. */
export const erased: Change = { namespace: 'system', key: KEY, value: null }

export function erasureDue(vault: Vault): boolean {
  return vault.system.get(KEY) !== undefined
}

/** The owner asks for new keys: what was removed before opens nowhere afterwards. */
export function renewKeys({ device, opened, now }: Command): Done {
  return { changes: [dueErasure], rows: [eventRow(device, opened.event, { at: now, result: 'changed' })] }
}
