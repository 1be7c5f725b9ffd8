/** A connection publishes a new contract version: the one in force stops admitting in the same commit. */
import { verifyContract } from '#host/contracts/contract.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { Refusal } from '#host/errors.ts'
import { commit } from './commit.ts'
import { notices, presented } from './notice.ts'
import type { Opened } from './open.ts'
import type { Letter } from './outbox.ts'
import type { Connection } from './party.ts'
import { undecided } from './owner-contract.ts'
import { connectionChange } from './records.ts'
import { eventRow } from './rows.ts'

/** The event that publishes; its body is the signed contract, its final answer comes when the owner accepts. */
export const PUBLISH = 'contract.publish'

/** @throws Refusal `contract-invalid` when not signed by this connection or no newer version; `connection-inactive` */
export async function present(
  opened: Opened,
  connection: Connection,
  options: { now: number; random: (length: number) => Uint8Array },
): Promise<readonly Letter[]> {
  const { vault, event } = opened
  const { now, random } = options
  const { record, contract } = connection
  if (record.status !== 'active' || !contract || !record.peerKey) {
    throw new Refusal('connection-inactive', 'the connection is not active: connect anew')
  }
  const offered = verifyContract(nativeCrypto, event.body, record.peerKey)
  const newest = connection.offered?.contract.version ?? contract.contract.version
  if (offered.contract.id !== contract.contract.id || offered.contract.version <= newest) {
    throw new Refusal('contract-invalid', `contract: must be ${contract.contract.id} in a version above ${newest}`)
  }
  const next = { ...record, offer: { contract: event.body, event: { id: event.id, type: event.type, exp: event.exp } } }
  const outdated = new Refusal('contract-stale', `version ${offered.contract.version} was published meanwhile`)
  return commit({
    vault,
    now,
    random,
    opened,
    apply: () => {
      connection.record = next
      connection.offered = offered
    },
    answers: [{ to: connection, event, reply: { status: 'pending' } }, ...undecided(connection, outdated)],
    outgoing: notices(
      vault,
      'contract.changed',
      presented(connection, { bytes: event.body, signed: offered, publisher: record.peerKey }),
    ),
    changes: [connectionChange(connection.id, next)],
    rows: [
      eventRow(connection, event, {
        at: now,
        result: 'pending',
        contractVersion: offered.contract.version,
        answeredAt: null,
      }),
    ],
  })
}
