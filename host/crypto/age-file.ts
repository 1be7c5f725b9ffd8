/**
 * Files for the owner to keep, in the age format (age-encryption.org/v1): any age implementation opens them with the
 * same passphrase or identity. The file key, the header and every 64 KiB are authenticated, the end as well.
 */
import { Decrypter, Encrypter } from 'age-encryption'

import { Refusal } from '#host/errors.ts'

/** Who may open it: whoever knows a passphrase, or has the identity of a recipient (`age1…`). */
export type AgeLock = { readonly passphrase: string } | { readonly recipient: string }
/** `AGE-SECRET-KEY-1…` or a passphrase. */
export type AgeKey = { readonly passphrase: string } | { readonly identity: string }

/**
 * `costLog2` is scrypt's, 18 if it is not said: a second.
 *
 * @throws Refusal `backup-invalid` for a recipient that is none
 */
export async function sealAge(bytes: Uint8Array, lock: AgeLock & { readonly costLog2?: number }): Promise<Uint8Array> {
  const encrypter = new Encrypter()
  if ('passphrase' in lock) {
    if (lock.costLog2 !== undefined) encrypter.setScryptWorkFactor(lock.costLog2)
    encrypter.setPassphrase(lock.passphrase)
  } else {
    understood('the recipient', () => encrypter.addRecipient(lock.recipient))
  }
  return encrypter.encrypt(bytes)
}

/** @throws Refusal `backup-invalid`: another key or passphrase, or a file that was changed. It cannot tell which */
export async function openAge(file: Uint8Array, key: AgeKey): Promise<Uint8Array> {
  const decrypter = new Decrypter()
  if ('passphrase' in key) decrypter.addPassphrase(key.passphrase)
  else understood('the identity', () => decrypter.addIdentity(key.identity))
  try {
    return await decrypter.decrypt(file)
  } catch (cause) {
    throw new Refusal('backup-invalid', 'it does not open: another key or passphrase, or the file was changed', {
      cause,
    })
  }
}

/** The library's own words may hold what was typed: they stay out of ours. */
function understood(what: string, take: () => void): void {
  try {
    take()
  } catch (cause) {
    throw new Refusal('backup-invalid', `${what} is not understood: give an age key`, { cause })
  }
}
