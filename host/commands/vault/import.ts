/** `trellis vault import`. */
import { stat } from 'node:fs/promises'

import { openAge } from '#host/crypto/age-file.ts'
import { Refusal } from '#host/errors.ts'
import { BACKUP_FILE_BYTES_MAX } from '#host/storage/limits.ts'
import { decodeBackup } from '#host/vault/backup.ts'
import { openFolder } from '../open.ts'
import { surroundings } from '../surroundings.ts'
import { readSecret, secretLine } from './files.ts'

/**
 * Nothing has happened when it is refused.
 *
 * @throws Refusal `backup-invalid`, `too-large`, `audit-broken`; `conflict` when the vault is there
 */
export async function importVault(
  file: string,
  options: {
    readonly data: string
    readonly identityFile: string | undefined
    readonly passphraseFile: string | undefined
  },
): Promise<void> {
  const { data, identityFile, passphraseFile = '' } = options
  const key =
    identityFile === undefined
      ? { passphrase: await secretLine(passphraseFile, { comments: false }) }
      : { identity: await secretLine(identityFile, { comments: true }) }
  const { size } = await stat(file).catch((cause: unknown) => {
    throw new Refusal('backup-invalid', `${file} cannot be read: choose another file`, { cause })
  })
  if (size > BACKUP_FILE_BYTES_MAX) {
    throw new Refusal('too-large', `${file} has ${size} bytes: no backup has as many`)
  }
  const bytes = await openAge(await readSecret(file), key)
  const backup = decodeBackup(bytes)
  await using opened = await openFolder(data, { create: true })
  const vault = await opened.vaults.restore(backup, surroundings.now())
  bytes.fill(0)
  console.log(`${vault.id}: ${vault.store.size.items} items restored`)
}
