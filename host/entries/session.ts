/** What a device signs to show a host that it holds its key: a challenge, for one audience. */
import { encodeCbor } from '#host/wire/cbor.ts'

import type { DeviceId, UserId } from './ids.ts'

export const SESSION_CONTEXT = 'entries/1 session'
const FORMAT = 1

/** Vine-CBOR of `[1, user, device, audience, challenge]`. */
export function sessionMessage(session: {
  readonly user: UserId
  readonly device: DeviceId
  /** Whom the token is for. */
  readonly audience: string
  readonly challenge: Uint8Array
}): Uint8Array {
  return encodeCbor([FORMAT, session.user, session.device, session.audience, session.challenge])
}
