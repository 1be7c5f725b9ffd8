/**
 * Entries over a connection: another vault, or a service with devices of its own, asks for what was shared with its
 * user. The owner's own devices ask their vault, which passes it on and keeps nothing of it.
 */
import { type DeviceId, type EntryId, parseDeviceId, parseEntryId } from '#host/entries/ids.ts'
import { VERSIONS_MAX } from '#host/entries/limits.ts'
import { Refusal } from '#host/errors.ts'
import { bytesOf, check, z } from '#host/schema.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import type { VineEvent } from '#host/wire/event.ts'
import { admitOwn } from '../admit.ts'
import { commit, type Leaving, unkeptAnswer } from '../commit.ts'
import { knownConnection } from '../command.ts'
import type { Opened } from '../open.ts'
import type { Letter } from '../outbox.ts'
import type { Connection, Device } from '../party.ts'
import { type Passage, passOn, takePassed } from '../passing.ts'
import { eventRow } from '../rows.ts'
import type { Vault } from '../vault.ts'
import { askerOf } from './asker.ts'
import { knownDirectory, ownStatements, userDirectory, usersOf } from './directory.ts'
import { entryRecord, heldShare, heldVersion } from './held.ts'
import { SHARED_RELAY_MS, SHARED_RELAYS_MAX, STATEMENTS_PAGE } from './limits.ts'
import { audienceOf, listFor, pageFor, standOf } from './served.ts'

type Moment = Pick<Leaving, 'now' | 'random'>

/** What may be asked over a connection; a device says over which. */
export const sharedTypes = ['shared.directory', 'shared.list', 'shared.get'] as const

const device = bytesOf(32).transform(parseDeviceId)
const entry = bytesOf(16).transform(parseEntryId)
const after = z.int().min(-1).default(-1)
const schemas = {
  'shared.directory': z.strictObject({ after }),
  'shared.list': z.strictObject({ device, after: z.exactOptional(entry) }),
  'shared.get': z.strictObject({ device, entry, seq: z.exactOptional(z.int().min(1).max(VERSIONS_MAX)) }),
}
const asked = z.looseObject({ connection: z.string() })

/** Answered by the host itself: that a connection is in force, and whom it is shared with, permits it. */
export function isSharedEvent({ event }: Pick<Opened, 'event'>): boolean {
  return sharedTypes.some((type) => type === event.type)
}

/** @throws Refusal; what was not shared looks like what is not there */
export async function hearShared(opened: Opened, connection: Connection, moment: Moment): Promise<readonly Letter[]> {
  const { vault, event } = opened
  const expected = admitOwn(opened, connection, moment.now)
  const { body, fields } = answered(vault, connection, { event, now: moment.now })
  const letters = await commit({
    vault,
    ...moment,
    opened,
    expected,
    rows: [eventRow(connection, event, { at: moment.now, result: 'replied', fields })],
  })
  // A look may be had twice: its answer is not kept.
  const answer = { to: connection, event, reply: { status: 'replied', body: encodeCbor(body) } } as const
  return [...letters, unkeptAnswer(answer, moment)]
}

function answered(
  vault: Vault,
  connection: Connection,
  { event, now }: { readonly event: VineEvent; readonly now: number },
): { body: Cbor; fields: readonly string[] } {
  const given = decodeCbor(event.body)
  const read = <T>(schema: z.ZodType<T>): T => check(schema, given, 'malformed-request', event.type)
  if (event.type === 'shared.directory') {
    const { after } = read(schemas['shared.directory'])
    const { user, head } = knownDirectory(vault, now)
    const statements = ownStatements(vault).slice(after + 1, after + 1 + STATEMENTS_PAGE)
    const last = after + statements.length
    return { body: { user, statements, next: last < head.seq ? last : null }, fields: [] }
  }
  if (event.type === 'shared.list') {
    const { device, after } = read(schemas['shared.list'])
    const isFor = sharedWith(vault, connection, { device, now })
    return { body: listFor(vault, device, { after, isFor }), fields: [] }
  }
  const { device, entry, seq } = read(schemas['shared.get'])
  const record = entryRecord(vault, entry)
  const at = seq ?? record?.seq ?? 0
  const held = record && heldVersion(vault, entry, at)
  if (!record || !held || !sharedWith(vault, connection, { device, now })(entry)) throw nothing()
  // Of what was there before the sharing, they see nothing.
  if (!heldShare(vault, held.version, device)) throw nothing()
  const page = pageFor(vault, device)
  page.add(entry, at, { content: true })
  return { body: { ...page.body, ...standOf(vault, entry, record) }, fields: [entry.toHex()] }
}

/** Which entries a device of a connection's user is given. @throws Refusal when it is none of theirs */
function sharedWith(
  vault: Vault,
  connection: Connection,
  { device, now }: { readonly device: DeviceId; readonly now: number },
): (entry: EntryId) => boolean {
  const whose = usersOf(vault, connection.id).find(
    (user) => userDirectory(vault, user, now)?.devices.get(device.toHex())?.status === 'active',
  )
  if (!whose) throw nothing()
  return (entry) => audienceOf(vault, entry)?.users.some((user) => equalBytes(user, whose)) === true
}

function nothing(): Refusal {
  return new Refusal('not-permitted', 'nothing of that name is shared with this device')
}

/** What devices ask of other vaults. */
export const sharedRelays: Passage<undefined> = {
  waiting: (vault) => vault.account.relays,
  waitingMax: SHARED_RELAYS_MAX,
  waitMs: SHARED_RELAY_MS,
  inactive: 'this is no active connection to another vault',
  late: 'the other vault did not answer: try again',
}

/**
 * A device's request for what another vault shares: sent on under its own id, and answered when the other has answered.
 *
 * @throws Refusal `connection-inactive`, `busy`, `device-inactive`
 */
export async function relayShared(opened: Opened, from: Device, moment: Moment): Promise<readonly Letter[]> {
  const { vault, event } = opened
  const { connection: name, ...rest } = check(asked, decodeCbor(event.body), 'command-invalid', event.type)
  return passOn(sharedRelays, opened, {
    from,
    to: knownConnection(vault, name),
    asked: undefined,
    body: () =>
      encodeCbor(requestOf(event.type, rest, () => askerOf({ vault, device: from, now: moment.now }).device.id)),
    reason: 'passed on',
    ...moment,
  })
}

/** The device is whoever asks: what a body says of it counts for nothing. */
function requestOf(type: string, rest: Readonly<Record<string, unknown>>, who: () => DeviceId): Cbor {
  const given = type === 'shared.directory' ? rest : { ...rest, device: who() }
  switch (type) {
    case 'shared.directory':
      return { ...check(schemas[type], given, 'command-invalid', type) }
    case 'shared.list':
      return { ...check(schemas[type], given, 'command-invalid', type) }
    default:
      return { ...check(schemas['shared.get'], given, 'command-invalid', type) }
  }
}

/** The other vault's answer to what a device waits for; `undefined` when it is none. */
export function takeShared(opened: Opened, connection: Connection, moment: Moment): readonly Letter[] | undefined {
  return takePassed(sharedRelays, opened, { connection, ...moment })
}
