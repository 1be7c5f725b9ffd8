/**
 * The owner's yes to one move of one vault: from this code to that, for one question. Signed by a device; a yes to
 * another vault, from other code or to another question is none.
 */
import type { SigningKey, Suite } from '#host/crypto/port.ts'
import { bytesOf, check, z } from '#host/schema.ts'

import { APPROVAL_BYTES_MAX } from './limits.ts'
import { MEASUREMENT_BYTES, REQUEST_BYTES } from './provisioning.ts'
import { openSigned, type SignedKind, signValue } from './signed.ts'

const schema = z.strictObject({
  vault: z.string(),
  request: bytesOf(REQUEST_BYTES),
  from: bytesOf(MEASUREMENT_BYTES),
  to: bytesOf(MEASUREMENT_BYTES),
  release: z.string().max(64),
  serial: z.number().int().min(0),
})
export type Approval = z.infer<typeof schema>

const kind: SignedKind = {
  label: 'trellis/approve/1',
  what: 'approval',
  code: 'move-refused',
  bytesMax: APPROVAL_BYTES_MAX,
  itemsMax: 32,
}

export function signApproval(approval: Approval, key: SigningKey): Uint8Array {
  return signValue(kind, approval, key)
}

/** @throws Refusal `move-refused` unless this device signed it */
export function verifyApproval(crypto: Suite, bytes: Uint8Array, device: Uint8Array): Approval {
  return check(schema, openSigned(crypto, kind, { bytes, by: device }).value, 'move-refused', 'approval')
}
