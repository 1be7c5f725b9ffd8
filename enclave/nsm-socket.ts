/** The unix socket of the process that owns the security module. */
import { NSM_ANSWER_MS_MAX, NSM_RESPONSE_BYTES_MAX } from './limits.ts'
import type { NsmDevice } from './nsm.ts'
import { askSocket } from './unix-socket.ts'

export function nsmSocket(path: string): NsmDevice {
  const limits = { bytesMax: NSM_RESPONSE_BYTES_MAX, silentMsMax: NSM_ANSWER_MS_MAX }
  return (request) => askSocket(path, request, limits)
}
