/** The commands of connections: who asks, for what, and the owner's word on it. */
import type { Command } from 'commander'

import { type At, placed } from './options.ts'
import { terminal } from './screen.ts'

const CONNECTION = ['<connection>', 'its id: connections and offers show it'] as const

export function addConnectionCommands(owner: Command, columns: number): void {
  const screen = terminal(columns)
  placed(owner.command('connections'))
    .description('List the connections: how far each is, the contract in force, and whom entries are shared with.')
    .option('--json', 'one JSON object per line')
    .action(async (typed: At & { json?: boolean }) => (await import('./connections.ts')).listConnections(typed, screen))
  placed(owner.command('offers'))
    .description('Show the contracts that wait for a word: fields, purposes, how long each is kept, permissions.')
    .action(async (typed: At) => (await import('./connections.ts')).listOffers(typed, screen))
  placed(owner.command('accept'))
    .description('Accept the contract that is offered; optional fields may be left out.')
    .argument(...CONNECTION)
    .option('--without <field...>', 'an optional field that is not given')
    .action(async (connection: string, typed: At & { without?: string[] }) =>
      (await import('./connections.ts')).acceptOffer(connection, typed, screen),
    )
  placed(owner.command('decline'))
    .description('Decline the contract that is offered: it ends the connection.')
    .argument(...CONNECTION)
    .action(async (connection: string, typed: At) =>
      (await import('./connections.ts')).declineOffer(connection, typed, screen),
    )
  placed(owner.command('sever'))
    .description('End a connection at once, and say what cannot be taken back.')
    .argument(...CONNECTION)
    .option('--discard', 'what it kept out of sight goes as well')
    .action(async (connection: string, typed: At & { discard?: boolean }) =>
      (await import('./connections.ts')).sever(connection, typed, screen),
    )
}
