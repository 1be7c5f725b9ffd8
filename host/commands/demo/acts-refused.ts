/** The last four acts: what is refused, proof of a key, a new contract version, and the end. */
import type { RefusalCode } from '#host/errors.ts'
import { ask, fieldOf, handshake, must, type Play } from './acts.ts'
import { ALICE, REQUESTS_PER_HOUR, SERVICES } from './cast.ts'
import { lastSeen, within } from './stage.ts'

const ADDRESS = { fields: ['shipping_address'] }

/** Six wrong requests, six codes, and not one handler instance. */
export async function refusals(play: Play): Promise<void> {
  const { stage, print } = play
  await handshake(play, 'bolt', [])
  for (let count = 1; count <= REQUESTS_PER_HOUR; count++) {
    const { status } = await ask(play, 'bolt', 'data.request', ADDRESS)
    must(status === 'replied', `request ${count} of the hour is answered`)
  }
  const first = stage.seen.length
  await stage.services.sendOnce('acme', 'data.request', ADDRESS)
  // Acme's own: from another process, what the host tells of Bolt's last request may still be on its way.
  const { instances } = await lastSeen(stage, `${play.connections.get('acme')}.data.request`, first)
  print.fact('host', `${instances} handler instances since its restart; ${REQUESTS_PER_HOUR} for ${SERVICES.bolt}`)

  const answered = async (what: string, ending: string, expected: RefusalCode, send: () => Promise<unknown>) => {
    const from = stage.seen.length
    await send()
    const { trace } = await lastSeen(stage, ending, from)
    must(trace.outcome === expected, `${what}: ${expected}, not ${trace.outcome}`)
    print.refusal(expected, what)
    print.steps(trace)
  }
  const asked =
    (type: string, body: unknown, code: RefusalCode, service: 'acme' | 'bolt' = 'acme') =>
    async () => {
      const answer = await ask(play, service, type, body)
      must(answer.status === 'refused' && answer.code === code, `${type} is refused with ${code}`)
    }
  await answered(
    'a field the contract does not declare',
    'data.request',
    'field-undeclared',
    asked('data.request', { fields: ['passport'] }, 'field-undeclared'),
  )
  await answered(
    'an optional field that was declined',
    'data.request',
    'field-declined',
    asked('data.request', { fields: ['phone'] }, 'field-declined'),
  )
  await answered(
    'an event type that no handler answers',
    'ride.book',
    'unsupported-event',
    asked('ride.book', { to: 'the station' }, 'unsupported-event'),
  )
  await answered(
    `request ${REQUESTS_PER_HOUR + 1} of the hour`,
    'data.request',
    'rate-limited',
    asked('data.request', ADDRESS, 'rate-limited', 'bolt'),
  )
  await answered('the same envelope again', 'data.request', 'replayed', () => stage.services.sendAgain())
  await answered("an envelope on another connection's subject", 'data.request', 'misrouted', () =>
    stage.services.sendOnLaneOf('acme', 'bolt'),
  )
  const after = stage.seen.at(-1)?.instances
  must(after === instances, `no handler instance was made: ${instances}, then ${after}`)
  print.fact('host', `${after} handler instances still: nothing refused reached a handler`)
}

/** The vault proves that it holds the connection's key. */
export async function challenge(play: Play): Promise<void> {
  const { stage, print } = play
  const from = stage.seen.length
  must(await within(stage.services.challenge('acme'), 'the signed nonce'), 'the signature verifies')
  print.fact('acme', "the nonce came back signed: it verifies with the connection's key")
  print.steps((await lastSeen(stage, 'auth.challenge', from)).trace)
}

/** Version 2: the old one admits nothing from the moment it is published. */
export async function newVersion(play: Play): Promise<void> {
  const { stage, print } = play
  const from = stage.seen.length
  await stage.services.publish('acme')
  const offer = await within(play.nextOffer(), 'the new version on the phone')
  print.fact('acme', `published contract version ${offer.signed.contract.version}`)
  const frozen = await ask(play, 'acme', 'data.request', ADDRESS)
  must(frozen.status === 'refused' && frozen.code === 'contract-frozen', 'version 1 admits nothing any more')
  print.fact('host', 'version 1 admits nothing from that moment: contract-frozen')
  must(offer.added.length > 0 && offer.removed.length > 0 && offer.changed.length > 0, 'the phone shows what is new')
  for (const { text } of offer.added) print.fact('phone', `added    ${text}`)
  for (const { text } of offer.removed) print.fact('phone', `removed  ${text}`)
  for (const { text } of offer.changed) print.fact('phone', `changed  ${text}`)
  await within(stage.alice.accept(offer, []), 'accepting version 2')
  const terms = await within(stage.services.accepted('acme'), 'the news of it')
  must(terms.version === 2, 'Acme is told that version 2 holds')
  const answer = await ask(play, 'acme', 'data.request', { fields: ['name', 'shipping_address'] })
  must(fieldOf(answer, 'name') === ALICE.fields.name, 'requests work again, under version 2')
  print.fact('alice', `accepted version 2; acme got name = ${ALICE.fields.name}`)
  print.steps((await lastSeen(stage, 'data.request', from)).trace)
}

/** The end of a connection. */
export async function sever(play: Play): Promise<void> {
  const { stage, print } = play
  const connection = play.connections.get('acme')
  must(connection !== undefined, 'Acme was connected')
  const from = stage.seen.length
  await within(stage.alice.sever(connection), 'severing')
  print.fact('alice', `severed ${SERVICES.acme}`)
  print.steps((await lastSeen(stage, 'connection.sever', from)).trace)
  const answer = await ask(play, 'acme', 'data.request', ADDRESS)
  must(answer.status === 'refused' && answer.code === 'connection-inactive', 'a severed connection reaches nothing')
  print.fact('acme', 'its next request is refused: connection-inactive')
}
