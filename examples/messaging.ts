/**
 * Two live vaults, a message to a host that is away, its receipt, and a position that is shared for a while.
 *
 *     node examples/messaging.ts
 *
 * Exits with 0 only if all of it came out as it should.
 */
import { deepEqual, equal } from 'node:assert/strict'

import type { Sharing } from '#host/contracts/sharing.ts'
import { decodeCbor } from '#host/wire/cbor.ts'
import { inFolder, type Person, startPerson, wire, type Place } from './person.ts'

/** What each of the two lets the other do. */
const SHARING: Sharing = {
  events: ['messaging.receive', 'location.update'],
  store: { categories: ['messages', 'location'], bytesMax: 10_000_000 },
  messages: true,
  authentication: false,
  requestsPerHour: 1_000,
}

await inFolder('messaging', play)

async function play({ folder, image }: Place): Promise<void> {
  await using alice = await startPerson('alice', { folder, image })
  await using bob = await startPerson('bob', { folder, image })
  await wire(alice, bob)

  const atBob = await connect(alice, bob)
  console.log('connected: each owner accepted what the other shares')

  await bob.leave()
  const receipts = alice.notices('peer.answered')
  const sent = await alice.phone.run('messaging.send', { to: 'Bob', text: 'The key is under the third pot.' })
  console.log('sent while Bob’s host is away:', sent)
  await bob.comeBack()
  const { alias, status, body } = decodeCbor(await receipts.take()) as Record<string, unknown>
  deepEqual([alias, status], ['Bob', 'replied'])
  console.log('receipt:', readJson(body as Uint8Array))
  const inbox = (await bob.phone.run('messaging.inbox', {}, atBob)) as { messages: { text: string }[] }
  deepEqual(
    inbox.messages.map(({ text }) => text),
    ['The key is under the third pot.'],
  )
  console.log('in Bob’s inbox, once:', inbox.messages[0]?.text)

  const moved = bob.notices('location.updated')
  const position = { latitude: 47.376_887, longitude: 8.541_694, at: Date.now() }
  const until = Date.now() + 60_000
  await alice.phone.run('location.share', { to: 'Bob', action: 'start', precision: 2, until, position })
  await moved.take()
  const seen = (await bob.phone.run('location.where', {}, atBob)) as { latitude: number; longitude: number }
  deepEqual([seen.latitude, seen.longitude], [47.38, 8.54])
  console.log('Bob sees Alice within a kilometre:', seen)
  await alice.phone.run('location.share', { to: 'Bob', action: 'stop' })
  await moved.take()
  deepEqual(await bob.phone.run('location.where', {}, atBob), { state: 'off' })
  console.log('and no more once she stopped')

  const ended = alice.notices('connection.ended')
  await bob.phone.sever(atBob)
  equal((decodeCbor(await ended.take()) as { alias: string }).alias, 'Bob')
  const refused = await alice.phone.run('messaging.send', { to: 'Bob', text: 'Still there?' }).then(
    () => undefined,
    (error: unknown) => String(error),
  )
  equal(refused?.includes('peer-unavailable'), true)
  console.log('Bob ended it: nothing reaches him any more')
}

/** Bob invites, Alice dials, both accept; the answer is the connection's id in Bob's vault. */
async function connect(alice: Person, bob: Person): Promise<string> {
  const ready = bob.notices('connection.ready')
  const invitation = await bob.phone.invitePeer('Alice', { name: 'Bob', sharing: SHARING })
  await alice.phone.connectPeer('Bob', invitation, { name: 'Alice', sharing: SHARING })
  await bob.phone.accept(await bob.offers.take(), [])
  await alice.phone.accept(await alice.offers.take(), [])
  await ready.take()
  return invitation.connection
}

function readJson(body: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(body)) as unknown
}
