/** A vault that its owner protects before it is there: its key never lies under the installation's. */
import type { Enclave } from '#host/crypto/enclave.ts'
import { digest } from '#host/crypto/kdf.ts'
import { PIN_SALT_BYTES } from '#host/crypto/pin.ts'
import { keyContext } from '#host/storage/key-file.ts'
import { KEY_BYTES, wrapKey } from '#host/storage/keys.ts'
import {
  encodeProtected,
  type Header,
  ownerInput,
  type OwnerSecret,
  sealHeader,
  wrapRoot,
} from '#host/storage/protected.ts'
import type { VaultId } from '#host/wire/id.ts'
import type { Guard } from './guard.ts'

export interface ProtectedBirth {
  readonly id: VaultId
  /** The vault's key. */
  readonly kek: Uint8Array
  /** The verify key of the owner's first device: the one that may unlock. */
  readonly verifyKey: Uint8Array
  readonly owner: OwnerSecret
}

/** Its key file, and the root key that this process unlocks it with. */
interface ProtectedKeys {
  readonly bytes: Uint8Array
  readonly held: Parameters<Guard['hold']>[1]
}

/** For one enclave and one owner. */
export async function protectNew(
  { id, kek, verifyKey, owner }: ProtectedBirth,
  { enclave, guard, random }: { enclave: Enclave; guard: Guard; random: (length: number) => Uint8Array },
): Promise<ProtectedKeys> {
  const header: Header = {
    seq: 1,
    epoch: 1,
    pepper: random(KEY_BYTES),
    salt: owner.pin === null ? null : random(PIN_SALT_BYTES),
    unlockers: [digest(verifyKey)],
    state: null,
    failures: 0,
    notBefore: 0,
    serial: enclave.release.serial,
    renew: false,
    move: null,
    from: null,
  }
  const input = await ownerInput(owner, header)
  const secret = random(KEY_BYTES)
  const { measurement } = enclave
  const wrapped = wrapRoot(secret, { input, place: { vault: id, measurement, epoch: header.epoch }, random })
  input.fill(0)
  const held = { root: wrapKey(secret), header: sealHeader(enclave, id, header) }
  const keys = guard.sealerOf(held.root).seal(kek, keyContext(id))
  return { bytes: encodeProtected({ keys, seats: [{ measurement, header: held.header, wrapped }] }), held }
}
