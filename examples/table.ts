/** Two people with a vault each, connected, and one sandbox that the first creates and hosts. */
import { equal } from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type OwnerSandboxes, ownerSandboxes, type Sandbox } from '#client/sandbox.ts'
import type { SandboxClauses } from '#host/contracts/sandbox.ts'
import type { Sharing } from '#host/contracts/sharing.ts'
import { Refusal } from '#host/errors.ts'
import { decodeCbor } from '#host/wire/cbor.ts'
import { type Person, startPerson, wire } from './person.ts'

/** Nothing but the connection itself: the sandbox has terms of its own. */
const SHARING: Sharing = { events: [], store: null, messages: false, authentication: false, requestsPerHour: 1_000 }

export interface Seat {
  readonly person: Person
  readonly sandboxes: OwnerSandboxes
  /** Their side of the sandbox. */
  readonly at: Sandbox
  /** The connection's id in their vault. */
  readonly connection: string
  /** The next notice of a type to their phone. */
  next(type: string): () => Promise<Record<string, unknown>>
}

export interface Table {
  readonly id: string
  readonly creator: Seat
  readonly guest: Seat
}

/** Sets the table, plays, and clears up. */
export async function atTable(
  names: { readonly creator: string; readonly guest: string },
  clauses: SandboxClauses,
  play: (table: Table) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'trellis-story-'))
  try {
    await using one = await startPerson(names.creator.toLowerCase(), { folder })
    await using other = await startPerson(names.guest.toLowerCase(), { folder })
    await wire(one, other)
    const [atOne, atOther] = await connect(one, other, names)
    const [creator, guest] = [ownerSandboxes(one.phone.conversation), ownerSandboxes(other.phone.conversation)]
    const [offered, accepted] = [next(other)('sandbox.offered'), next(one)('sandbox.accepted')]
    const id = await creator.create(atOne, clauses)
    equal((await offered())['sandbox'], id)
    await guest.accept(id)
    await accepted()
    await play({
      id,
      creator: { person: one, sandboxes: creator, at: creator.open(id, 'creator'), connection: atOne, next: next(one) },
      guest: { person: other, sandboxes: guest, at: guest.open(id, 'guest'), connection: atOther, next: next(other) },
    })
  } finally {
    await rm(folder, { recursive: true })
  }
}

function next(person: Person): Seat['next'] {
  return (type) => {
    const box = person.notices(type)
    return async () => decodeCbor(await box.take()) as Record<string, unknown>
  }
}

async function connect(
  one: Person,
  other: Person,
  names: { readonly creator: string; readonly guest: string },
): Promise<readonly [atOne: string, atOther: string]> {
  const ready = next(other)('connection.ready')
  const invitation = await other.phone.invitePeer(names.creator, { name: names.guest, sharing: SHARING })
  const atOne = await one.phone.connectPeer(names.guest, invitation, { name: names.creator, sharing: SHARING })
  await other.phone.accept(await other.offers.take(), [])
  await one.phone.accept(await one.offers.take(), [])
  await ready()
  return [atOne, invitation.connection]
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** What an item says; `null` when it is not there, or not to be seen. */
export async function says(sandbox: Sandbox, place: 'mine' | 'theirs' | 'mutual', key: string): Promise<string | null> {
  const item = await sandbox.read(place, key)
  return item && new TextDecoder().decode(item.value)
}

/** Writes a new item, or over the one that is there now. */
export async function puts(sandbox: Sandbox, place: 'mine' | 'theirs' | 'mutual', [key, text]: [string, string]) {
  const expected = (await sandbox.read(place, key))?.revision ?? 0
  return sandbox.write({ place, key, expected }, bytes(text))
}

/** The code of the refusal. @throws Error when it was done */
export async function refusalOf(work: Promise<unknown>): Promise<string> {
  const outcome = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (outcome instanceof Refusal) return outcome.code
  throw outcome ?? new Error('it was to be refused')
}
