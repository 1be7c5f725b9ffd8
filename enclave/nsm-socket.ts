/** The unix socket of the process that owns the security module. */
import { Refusal } from '#host/errors.ts'

import { NSM_ANSWER_MS_MAX, NSM_RESPONSE_BYTES_MAX } from './limits.ts'
import type { NsmDevice } from './nsm.ts'
import { askSocket } from './unix-socket.ts'

/** Its answers are refused (`not-attested`) when there are none, or none that is whole. */
export function nsmSocket(path: string): NsmDevice {
  const limits = { bytesMax: NSM_RESPONSE_BYTES_MAX, silentMsMax: NSM_ANSWER_MS_MAX }
  return (request) =>
    askSocket(path, request, limits).catch((cause: unknown) => {
      throw new Refusal('not-attested', `nsm: ${path}: ${whyOf(cause)}: start the process that owns the module`, {
        cause,
      })
    })
}

function whyOf(cause: unknown): string {
  if (!(cause instanceof Error)) return 'no answer'
  return 'code' in cause ? 'nobody listens' : cause.message
}
