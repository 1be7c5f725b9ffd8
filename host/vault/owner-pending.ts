/** Everything that waits for the owner: for a device that was away when it was told. */
import type { Cbor } from '#host/wire/cbor.ts'
import type { Command, Done } from './command.ts'
import { asked, presented } from './notice.ts'
import { questions } from './pending.ts'
import { eventRow } from './rows.ts'
import type { Vault } from './vault.ts'

/** The notices that were sent, as they would be sent now. */
export function listPending({ vault, device, opened, now }: Command): Done {
  return {
    body: { questions: questions(vault).map((question) => asked(vault, question)), offers: offersOf(vault) },
    rows: [eventRow(device, opened.event, { at: now, result: 'replied' })],
  }
}

function offersOf(vault: Vault): Cbor[] {
  return [...vault.connections.values()].flatMap((connection): Cbor[] => {
    const { offered, record } = connection
    if (!offered || !record.offer || !record.peerKey) return []
    return [presented(connection, { bytes: record.offer.contract, signed: offered, publisher: record.peerKey })]
  })
}
