/** A handler in the tree of an image's handlers. */
import { encodeCbor } from '#host/wire/cbor.ts'

/** A handler as the handler-set root holds it. Digests are SHA-384. */
export interface MeasuredHandler {
  readonly id: string
  readonly manifest: Uint8Array
  readonly component: Uint8Array
}

/** The bytes of a handler in its tree: one form, of its own domain. */
export function handlerEntry({ id, manifest, component }: MeasuredHandler): Uint8Array {
  return encodeCbor(['trellis/handler/1', id, manifest, component])
}
