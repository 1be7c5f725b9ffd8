/** A connection at its beginning. */
import { fullBucket } from '#host/contracts/rate.ts'
import { GREETINGS_PER_HOUR } from '#host/limits.ts'
import { parseConnectionId } from '#host/wire/id.ts'
import type { Connection } from './party.ts'
import type { ConnectionRecord } from './records.ts'
import type { Vault } from './vault.ts'

/** A connection that nothing was heard of yet. */
export function newConnection(
  vault: Vault,
  begin: Pick<ConnectionRecord, 'alias' | 'kind' | 'status' | 'peer'>,
  { now, random }: { readonly now: number; readonly random: (length: number) => Uint8Array },
): Connection {
  const id = parseConnectionId(`c-${random(8).toHex()}`)
  const record: ConnectionRecord = {
    ...begin,
    peerKey: null,
    hello: null,
    contract: null,
    acceptedAt: 0,
    declined: [],
    offer: null,
  }
  return {
    party: 'connection',
    id,
    key: `connection/${id}`,
    vault: vault.id,
    record,
    contract: undefined,
    offered: undefined,
    session: undefined,
    bucket: fullBucket({ capacity: 0 }, 0),
    toldBlocked: undefined,
    greetings: fullBucket({ capacity: GREETINGS_PER_HOUR }, now),
    authentication: undefined,
  }
}
