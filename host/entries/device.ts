/** Who a device and a user are: hashes of keys, so that nobody who stores them can put others in their place. */
import { type DeviceId, parseDeviceId, parseUserId, type UserId } from './ids.ts'
import type { DeviceKeys } from './model.ts'
import type { EntryCrypto } from './port.ts'
import { Refusal } from '#host/errors.ts'

export const SIGNING_KEY_BYTES = 1_984
export const SEALING_KEY_BYTES = 1_216
export const SIGNATURE_BYTES = 3_373

const utf8 = new TextEncoder()
const USER = utf8.encode('entries/1 user')
const DEVICE = utf8.encode('entries/1 device')
const BACKUP = utf8.encode('entries/1 backup')

/** SHA-256 of `entries/1 device`, the signing key and the sealing key. */
export function deviceId(crypto: EntryCrypto, { signing, sealing }: DeviceKeys): DeviceId {
  return parseDeviceId(crypto.digest(DEVICE, signing, sealing))
}

/** SHA-256 of `entries/1 user` and the two keys of the user's first device. */
export function userId(crypto: EntryCrypto, { signing, sealing }: DeviceKeys): UserId {
  return parseUserId(crypto.digest(USER, signing, sealing))
}

/** The operator's backup key as a recipient: SHA-256 of `entries/1 backup` and the sealing key. */
export function backupId(crypto: EntryCrypto, sealingKey: Uint8Array): DeviceId {
  return parseDeviceId(crypto.digest(BACKUP, sealingKey))
}

/** The keys of 3,200 bytes: signing, then sealing. @throws Refusal `malformed` for another length */
export function parseDeviceKeys(bytes: Uint8Array): DeviceKeys {
  if (bytes.length !== SIGNING_KEY_BYTES + SEALING_KEY_BYTES) {
    throw new Refusal('malformed', `device keys: ${SIGNING_KEY_BYTES + SEALING_KEY_BYTES} bytes, not ${bytes.length}`)
  }
  return { signing: bytes.slice(0, SIGNING_KEY_BYTES), sealing: bytes.slice(SIGNING_KEY_BYTES) }
}
