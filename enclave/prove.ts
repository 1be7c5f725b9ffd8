/** Writes the bundle that `proof.ts` reads: the side that has the image. */
import { encodeCbor } from '#host/wire/cbor.ts'

import { type ImageMeasure, proveHandler } from './measure.ts'

/** Evidence and the proof of one handler. @throws Refusal `image-unlisted` for a handler that is not in the image */
export function encodeProof(evidence: Uint8Array, measure: ImageMeasure, id: string): Uint8Array {
  const { index, size, path } = proveHandler(measure, id)
  const handler = measure.handlers[index]
  if (!handler) throw new Error('a proved handler is one of the handlers')
  const { manifest, component } = handler
  return encodeCbor({
    format: 1,
    evidence,
    handler: { id, manifest, component },
    root: measure.handlerRoot,
    index,
    size,
    path,
  })
}
