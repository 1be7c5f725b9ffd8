/**
 * What the state of a vault looks like, by its format.
 *
 * - 0: before formats had numbers.
 * - 1: what the vault itself keeps (`system`) is opaque unless it is declared otherwise; it was transparent before.
 */
import { Refusal } from '#host/errors.ts'
import type { Stretch } from './journal.ts'
import type { State } from './state.ts'

/** What this host writes. */
export const STATE_FORMAT = 1

/** By the format they start from: the writes that make it one more. Each may be done twice. */
const migrations: readonly ((state: State) => Stretch[])[] = [hideSystem]

/**
 * The writes that bring a state to this host's format; none when it is there.
 *
 * @throws Refusal `storage-failed` for a state that a newer host has written
 */
export function migration(vault: string, state: State): readonly Stretch[] {
  if (state.format > STATE_FORMAT) {
    const known = `format ${state.format}, this host knows up to ${STATE_FORMAT}`
    throw new Refusal('storage-failed', `vault ${vault} is in ${known}: start the newer host again`)
  }
  return migrations.slice(state.format).flatMap((migrate) => migrate(state))
}

function hideSystem(state: State): Stretch[] {
  return Array.from(state.items('system'), ([key, { value, updatedAt }]) => ({
    namespace: 'system',
    now: updatedAt,
    writes: [{ key, value, visibility: 'opaque' }],
  }))
}
