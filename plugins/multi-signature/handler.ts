/**
 * Transfers that k of n vaults approve. On the vault that holds them: `transfer.policy`, `.propose`, `.vote` and
 * `.status`. On a vault that votes: `transfer.ask`, `.asked`, `.cast` and `.released`.
 */
import { current } from 'trellis:handler/session@0.1.0'
import type { Outcome } from 'trellis:handler/types@0.1.0'

import { parseJson } from '../sdk/json.ts'
import { policy, type PolicyRequest, propose, type ProposeRequest, status, vote, type VoteRequest } from './hosting.ts'
import { ask, asked, cast, released } from './voting.ts'

export function handle(body: Uint8Array): Outcome {
  const { eventType } = current()
  const request = parseJson(body)
  switch (eventType) {
    case 'transfer.policy':
      return policy(request as PolicyRequest)
    case 'transfer.propose':
      return propose(request as ProposeRequest)
    case 'transfer.vote':
      return vote(request as VoteRequest)
    case 'transfer.status':
      return status(request as Parameters<typeof status>[0])
    case 'transfer.ask':
      return ask(request as Parameters<typeof ask>[0])
    case 'transfer.asked':
      return asked(request as Parameters<typeof asked>[0])
    case 'transfer.cast':
      return cast(request as Parameters<typeof cast>[0])
    case 'transfer.released':
      return released(request as Parameters<typeof released>[0])
    default:
      throw new Error(`no event type ${eventType} in the manifest`)
  }
}
