/** `trellis instance show`, `set` and `backup-key`. */
import { digest } from '#host/crypto/kdf.ts'
import { generateKemKey } from '#host/crypto/kem.ts'
import { KEM_SEED_BYTES } from '#host/crypto/sizes.ts'
import { openFolder } from '../open.ts'
import { surroundings } from '../surroundings.ts'
import { readSecret, writeNew } from '../vault/files.ts'

/** What was typed; `backupKey` is a file, or `false` for none. */
export interface InstanceChange {
  readonly data: string
  readonly signUps?: 'open' | 'closed'
  readonly backupKey?: string | boolean
  readonly newTokenKey?: boolean
}

export async function showInstance(data: string): Promise<void> {
  await using opened = await openFolder(data, { create: false })
  const { signUps, backupKey } = opened.vaults.instance.row
  console.log(`sign-ups    ${signUps}`)
  console.log(`backup key  ${backupKey ? digest(backupKey).toHex() : 'none'}`)
}

/** @throws Refusal `malformed` for a file that holds no public key */
export async function changeInstance({ data, signUps, backupKey, newTokenKey }: InstanceChange): Promise<void> {
  const key = typeof backupKey === 'string' ? await readSecret(backupKey) : null
  await using opened = await openFolder(data, { create: true })
  await opened.vaults.instance.change({
    ...(signUps && { signUps }),
    ...((key || backupKey === false) && { backupKey: key }),
    ...(newTokenKey && { tokenKey: 'new' }),
  })
}

export function isChange({ signUps, backupKey, newTokenKey }: InstanceChange): boolean {
  return signUps !== undefined || typeof backupKey === 'string' || backupKey === false || newTokenKey === true
}

/** The private half is the seed of an X-Wing key, 32 bytes. @throws Refusal `conflict` for a file that is there */
export async function makeBackupKey({
  secret,
  open,
}: {
  readonly secret: string
  readonly open: string
}): Promise<void> {
  const seed = surroundings.random(KEM_SEED_BYTES)
  await writeNew(secret, seed)
  await writeNew(open, generateKemKey(seed).publicKey)
  seed.fill(0)
}
