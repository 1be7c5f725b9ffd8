/** Makes Alice's vault with her phone as its first device. */
import type { SigningKey } from '#host/crypto/port.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { fingerprint } from '#host/vault/vault.ts'
import { openFolder } from '../open.ts'
import { surroundings } from '../surroundings.ts'
import { ALICE } from './cast.ts'

/** What the phone keeps: its key, and the fingerprint of the vault it belongs to. */
export async function foundAlice(folder: string): Promise<{ signing: SigningKey; identity: Uint8Array }> {
  const signing = generateSigningKey()
  await using opened = await openFolder(folder, { create: true })
  const device = { id: ALICE.device, label: ALICE.label, verifyKey: signing.publicKey }
  const vault = await opened.vaults.create(ALICE.vault, { device, fields: ALICE.fields, now: surroundings.now() })
  return { signing, identity: fingerprint(vault) }
}
