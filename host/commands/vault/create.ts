/** `trellis vault create`. */
import { measuredRegisters } from '#enclave/measure.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { VERIFY_KEY_BYTES } from '#host/crypto/sizes.ts'
import { Refusal } from '#host/errors.ts'
import type { OwnerSecret } from '#host/storage/protected.ts'
import { makeSecretFile, readSecretFile } from '#host/storage/secret-file.ts'
import { fingerprint } from '#host/vault/vault.ts'
import type { Enclaved } from '#host/vault/vaults.ts'
import { booted } from '../booted.ts'
import { openEnclave, releasedOf } from '../enclaved.ts'
import { readMeasured } from '../image/read.ts'
import { openFolder } from '../open.ts'
import { openReleases } from '../releases.ts'
import { surroundings } from '../surroundings.ts'
import { warn } from '../warn.ts'
import { readSecret, writeNew } from './files.ts'
import { readPin } from './pin.ts'

export interface CreateOptions {
  readonly data: string
  /** What the vault calls the first device. */
  readonly device: string
  readonly deviceKey?: string
  readonly newDeviceKey?: string
  /** The file of the owner's secret: the vault is protected with it from its first byte. */
  readonly protect?: string
  readonly pin?: boolean
  /** The image that a protected vault opens with. */
  readonly image: string
}

/**
 * @throws Refusal `conflict` for a name or a file that is taken, `malformed` for a name or a key that is none,
 *   `key-missing` for a secret that is none, `image-…`
 */
export async function createVault(id: string, options: CreateOptions): Promise<void> {
  const { data, protect, image } = options
  const verifyKey = await firstKey(options)
  const owner = protect === undefined ? undefined : await ownerOf(protect, options.pin === true)
  await using opened = await openFolder(data, {
    create: true,
    enclaved: owner && (() => enclavedBy(image, data)),
  })
  const device = { id: options.device, label: options.device, verifyKey }
  const vault = await opened.vaults.create(id, { device, fields: {}, now: surroundings.now() }, owner)
  owner?.secret.fill(0)
  const withPin = owner?.pin ? ' and your PIN' : ''
  console.log(`${vault.id}  ${fingerprint(vault).toHex()}`)
  if (owner) console.log(`protected: it opens with this image, the secret in ${protect}${withPin}`)
}

async function firstKey({ deviceKey, newDeviceKey }: CreateOptions): Promise<Uint8Array> {
  if (deviceKey !== undefined) {
    const key = await readSecret(deviceKey)
    if (key.length === VERIFY_KEY_BYTES) return key
    throw new Refusal('malformed', `${deviceKey} has ${key.length} bytes: a verify key has ${VERIFY_KEY_BYTES}`)
  }
  const seed = surroundings.random(64)
  if (newDeviceKey !== undefined) await writeNew(newDeviceKey, seed)
  return generateSigningKey(seed).publicKey
}

/** The secret that is there, or one drawn now and kept in the file: durable before anything is sealed with it. */
async function ownerOf(file: string, hasPin: boolean): Promise<OwnerSecret> {
  await makeSecretFile(file, surroundings.random)
  const secret = await readSecretFile(file)
  if (!secret) throw new Refusal('key-missing', `${file} is gone: choose another file`)
  return { secret, pin: hasPin ? await readPin() : null }
}

/** The code that the vault will open with: the image that was booted, or the one in the folder. */
async function enclavedBy(folder: string, data: string): Promise<Enclaved> {
  const { image, measure } = booted() ?? (await readMeasured(folder))
  const releases = await openReleases(image, { data, warn })
  const released = releasedOf(measure, { registers: measuredRegisters(measure), releases })
  const enclave = await openEnclave(released, { ...surroundings, folder: data, warn })
  return { enclave, releases, now: surroundings.now }
}
