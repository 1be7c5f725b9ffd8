// Credentials of the handler's world: what the owner can prove, and proofs of the admitted claims.
import { AREA, keep, take, takeText, toBytes } from './world.as'

@external("trellis:handler/credentials@0.1.0", "list")
declare function credentialsList(out: usize): void
@external("trellis:handler/credentials@0.1.0", "prove")
declare function credentialsProve(alias: usize, aliasSize: usize, disclose: usize, count: usize, nonce: usize, nonceSize: usize, out: usize): void

/** What may be known of a credential: never the value of a claim. */
export class Credential {
  alias: string = ''
  kind: string = ''
  issuer: string = ''
  label: string = ''
  /** Those this event was admitted for. */
  claims: string[] = []
  /** Milliseconds since the epoch; 0 for never. */
  expires: u64 = 0
}

/** The credentials that have a claim this event was admitted for. */
export function listCredentials(): Credential[] {
  credentialsList(AREA)
  const first = load<usize>(AREA)
  const count = load<i32>(AREA, 4)
  const credentials: Credential[] = []
  for (let index = 0; index < count; index++) {
    const at = first + <usize>index * 56
    const credential = new Credential()
    credential.alias = takeText(load<usize>(at), load<usize>(at, 4))
    credential.kind = takeText(load<usize>(at, 8), load<usize>(at, 12))
    credential.issuer = takeText(load<usize>(at, 16), load<usize>(at, 20))
    credential.label = takeText(load<usize>(at, 24), load<usize>(at, 28))
    const names = load<usize>(at, 32)
    for (let claim = 0; claim < load<i32>(at, 36); claim++) {
      const name = names + <usize>claim * 8
      credential.claims.push(takeText(load<usize>(name), load<usize>(name, 4)))
    }
    if (load<u8>(at, 40) == 1) credential.expires = load<u64>(at, 48)
    credentials.push(credential)
  }
  return credentials
}

/** A proof of exactly these claims for a nonce of 16 to 64 bytes; null when it is not to be had. */
export function prove(alias: string, disclose: string[], nonce: Uint8Array): Uint8Array | null {
  const name = toBytes(alias)
  const names = heap.alloc(<usize>disclose.length * 8)
  for (let index = 0; index < disclose.length; index++) {
    const bytes = toBytes(disclose[index])
    store<usize>(names + <usize>index * 8, keep(bytes))
    store<i32>(names + <usize>index * 8, bytes.length, 4)
  }
  const count = <usize>disclose.length
  credentialsProve(name.dataStart, <usize>name.length, names, count, nonce.dataStart, <usize>nonce.length, AREA)
  return load<u8>(AREA) == 0 ? take(load<usize>(AREA, 4), load<usize>(AREA, 8)) : null
}
