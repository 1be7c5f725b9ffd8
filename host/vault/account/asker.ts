/** Who of its user's directory a device is that sends a command. */
import type { Device, Directory } from '#host/entries/model.ts'
import type { Command } from '../command.ts'
import { deviceOfKey, knownDirectory } from './directory.ts'
import { inactive } from './judge.ts'

export interface Asker {
  readonly directory: Directory
  readonly device: Device
}

/**
 * The key of the session is the device's signing key.
 *
 * @throws Refusal `device-inactive` for a device that its user's directory does not vouch for; `command-invalid` before
 *   the sign-up
 */
export function askerOf({ vault, device, now }: Pick<Command, 'vault' | 'device' | 'now'>): Asker {
  const directory = knownDirectory(vault, now)
  const found = deviceOfKey(directory, device.record.verifyKey)
  if (found?.status !== 'active') throw inactive()
  return { directory, device: found }
}
