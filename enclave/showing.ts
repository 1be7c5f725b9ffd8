/** An image that shows itself: the side that `shown.ts` judges. */
import type { Showing } from '#host/crypto/enclave.ts'
import { Refusal } from '#host/errors.ts'

import { PROOF_BYTES_MAX } from './limits.ts'
import type { ImageMeasure } from './measure.ts'
import { encodeProof } from './prove.ts'
import type { Listed } from './release-log.ts'
import { encodeShown } from './shown.ts'

/** A measured image that shows itself. */
export function openShowing(options: {
  /** Of now, by the registers that hold the image. */
  readonly attest: (asked: { nonce: Uint8Array; userData: Uint8Array }) => Promise<Uint8Array>
  readonly measure: ImageMeasure
  /** The line of the release log for the image with this root; undefined where there is none. */
  readonly listed: (root: Uint8Array, knownSize: number) => Listed | undefined
}): Showing {
  const { attest, measure, listed } = options
  return {
    async show({ nonce, userData, handler, logSize }) {
      const evidence = await attest({ nonce, userData })
      const shown = handler === null ? evidence : encodeProof(evidence, measure, handler)
      const bytes = encodeShown(shown, listed(measure.root, logSize))
      const besides = bytes.length - evidence.length
      if (besides <= PROOF_BYTES_MAX) return bytes
      throw new Refusal('too-large', `${besides} bytes besides evidence, at most ${PROOF_BYTES_MAX}: release it anew`)
    },
  }
}
