/** `trellis vault create`. */
import { generateSigningKey } from '#host/crypto/sign.ts'
import { VERIFY_KEY_BYTES } from '#host/crypto/sizes.ts'
import { Refusal } from '#host/errors.ts'
import { fingerprint } from '#host/vault/vault.ts'
import { openFolder } from '../open.ts'
import { surroundings } from '../surroundings.ts'
import { readSecret, writeNew } from './files.ts'

/** @throws Refusal `conflict` for a name or a file that is taken, `malformed` for a name or a key that is none */
export async function createVault(
  id: string,
  options: {
    readonly data: string
    readonly device: string
    readonly deviceKey: string | undefined
    readonly newDeviceKey: string | undefined
  },
): Promise<void> {
  const verifyKey = await firstKey(options)
  await using opened = await openFolder(options.data, { create: true })
  const device = { id: options.device, label: options.device, verifyKey }
  const vault = await opened.vaults.create(id, { device, fields: {}, now: surroundings.now() })
  console.log(`${vault.id}  ${fingerprint(vault).toHex()}`)
}

async function firstKey({
  deviceKey,
  newDeviceKey,
}: {
  deviceKey: string | undefined
  newDeviceKey: string | undefined
}): Promise<Uint8Array> {
  if (deviceKey !== undefined) {
    const key = await readSecret(deviceKey)
    if (key.length === VERIFY_KEY_BYTES) return key
    throw new Refusal('malformed', `${deviceKey} has ${key.length} bytes: a verify key has ${VERIFY_KEY_BYTES}`)
  }
  const seed = surroundings.random(64)
  if (newDeviceKey !== undefined) await writeNew(newDeviceKey, seed)
  return generateSigningKey(seed).publicKey
}
