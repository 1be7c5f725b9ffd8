/** `trellis vault export`. */
import { sealAge } from '#host/crypto/age-file.ts'
import { Refusal } from '#host/errors.ts'
import { encodeBackup } from '#host/vault/backup.ts'
import { openFolder } from '../open.ts'
import { secretLine, writeNew } from './files.ts'

/** @throws Refusal `vault-unknown`, `conflict` when the file is there, `backup-invalid` for a recipient that is none */
export async function exportVault(
  id: string,
  options: {
    readonly data: string
    readonly out: string
    readonly recipient: string | undefined
    readonly passphraseFile: string | undefined
  },
): Promise<void> {
  const { data, out, recipient, passphraseFile = '' } = options
  const lock =
    recipient === undefined ? { passphrase: await secretLine(passphraseFile, { comments: false }) } : { recipient }
  await using opened = await openFolder(data, { create: false })
  const vault = await opened.vaults.find(id)
  if (!vault) throw new Refusal('vault-unknown', `no vault ${id}: trellis vault list says which there are`)
  const bytes = encodeBackup(vault.store)
  const file = await sealAge(bytes, lock)
  bytes.fill(0)
  await writeNew(out, file)
  console.log(`${id}: ${vault.store.size.items} items in ${out}, ${file.length} bytes`)
}
