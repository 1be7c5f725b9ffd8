/** `trellis owner connections`, `offers`, `accept`, `decline`, `sever`: who may ask, for what, and until when. */
import type { Offer, OwnerDevice } from '#client/owner.ts'
import { diffContracts } from '#host/contracts/diff.ts'
import { Refusal } from '#host/errors.ts'
import { table } from '../table.ts'
import type { Typed } from './account.ts'
import { SHORT_ID_CHARS } from './limits.ts'
import { withVault } from './reach.ts'
import type { Screen } from './screen.ts'

const INDENT = '  '

interface Json {
  readonly json?: boolean
}

export function listConnections({ device, json, ...typed }: Typed & Json, screen: Screen): Promise<void> {
  return withVault(device, typed, async (owner) => {
    const connections = await owner.connections()
    const rows = connections.map(({ users, ...one }) =>
      Object.assign(one, { users: users.map((user) => user.toHex()) }),
    )
    if (json === true) return rows.forEach((row) => screen.print(JSON.stringify(row)))
    const lines = rows.map(({ connection, alias, kind, status, contract, users }) => [
      connection,
      alias,
      kind,
      status,
      contract === null ? '' : `version ${contract.version}`,
      users.map((user) => user.slice(0, SHORT_ID_CHARS)).join(' '),
    ])
    screen.print(table([['id', 'called', 'kind', 'status', 'contract', 'shared with'], ...lines], screen.columns))
  })
}

/** What waits for the owner's word, in the words that its publisher signed. */
export function listOffers({ device, ...typed }: Typed, screen: Screen): Promise<void> {
  return withVault(device, typed, async (owner) => {
    const { offers } = await owner.pending()
    if (offers.length === 0) screen.print('nothing is offered')
    for (const offer of offers) tellOffer(offer, screen)
  })
}

/** @throws Refusal `command-invalid` when nothing is offered; `contract-invalid` for a field that is not optional */
export function acceptOffer(
  connection: string,
  { device, without = [], ...typed }: Typed & { readonly without?: readonly string[] },
  screen: Screen,
): Promise<void> {
  return withVault(device, typed, async (owner) => {
    const offer = await offerOf(owner, connection)
    await owner.accept(offer, without)
    const left = without.length === 0 ? '' : `, without ${without.join(', ')}`
    screen.print(`accepted ${offer.alias}, version ${offer.signed.contract.version}${left}`)
  })
}

/** Ends the connection: a contract that is not accepted admits nothing. */
export function declineOffer(connection: string, { device, ...typed }: Typed, screen: Screen): Promise<void> {
  return withVault(device, typed, async (owner) => {
    const offer = await offerOf(owner, connection)
    await owner.reject(offer)
    screen.print(`declined ${offer.alias}: the connection has ended`)
  })
}

export function sever(
  connection: string,
  { device, discard = false, ...typed }: Typed & { readonly discard?: boolean },
  screen: Screen,
): Promise<void> {
  return withVault(device, typed, async (owner) => {
    const remains = await owner.sever(connection, discard ? 'discard' : 'keep')
    screen.print(`severed ${connection}: nothing more is admitted, nor shared over it`)
    if (remains.length > 0) screen.print('What cannot be taken back:')
    for (const line of remains) screen.print(INDENT + line)
  })
}

async function offerOf(owner: OwnerDevice, connection: string): Promise<Offer> {
  const offer = (await owner.pending()).offers.find((one) => one.connection === connection)
  if (offer !== undefined) return offer
  throw new Refusal('command-invalid', `${connection}: nothing is offered there: trellis owner offers`)
}

/** All terms, as their publisher signed them; and what is new in them, where another version is in force. */
function tellOffer({ connection, alias, signed, removed, changed, added }: Offer, screen: Screen): void {
  const { version, publishedAt, fields } = signed.contract
  const optional = fields.filter(({ tier }) => tier === 'optional').map(({ name }) => name)
  const without = optional.length === 0 ? '' : ` [--without ${optional.join(' ')}]`
  const lines = [
    ...diffContracts(undefined, signed.contract).added.map(({ text }) => text),
    ...changed.map(({ text }) => `changed: ${text}`),
    ...removed.map(({ text }) => `no more: ${text}`),
    ...(version === 1 ? [] : added.map(({ what }) => `new: ${what}`)),
    `accept ${connection}${without}, or decline ${connection}`,
  ]
  screen.print(`${connection}  ${alias}, version ${version} of ${new Date(publishedAt).toISOString().slice(0, 10)}`)
  for (const line of lines) screen.print(wrapped(line, screen.columns))
}

/** A line broken at words, and set in from the left; what goes on is set in once more. */
function wrapped(text: string, columns: number): string {
  let line = INDENT
  const lines: string[] = []
  for (const word of text.split(' ')) {
    if (line.trim() !== '' && line.length + word.length > columns) {
      lines.push(line.trimEnd())
      line = INDENT + INDENT
    }
    line += `${word} `
  }
  return [...lines, line.trimEnd()].join('\n')
}
