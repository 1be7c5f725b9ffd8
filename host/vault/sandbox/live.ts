/** What is forgotten with the process. */
import type { ConnectionId } from '#host/wire/id.ts'
import type { PassedOn } from '../passed.ts'
import type { SandboxRequest } from './request.ts'

export interface SandboxesLive {
  /** Connection -> ids of its sandboxes; made from the records when it is first asked for. */
  ofConnection?: Map<ConnectionId, Set<string>>
  /** Sandbox -> until when its guest is told of changes. */
  readonly watches: Map<string, number>
  /** What devices ask of the vaults that host them. */
  readonly relays: PassedOn<SandboxRequest>
}
