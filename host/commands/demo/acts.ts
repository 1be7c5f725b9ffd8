/** The first three acts: getting to know each other, asking, and asking for what only the owner can allow. */
import type { Offer, Question } from '#client/owner.ts'
import { ALICE, SERVICES, type ServiceName } from './cast.ts'
import type { Printer } from './print.ts'
import type { Answer } from './services.ts'
import { lastSeen, type Stage, within } from './stage.ts'

export interface Play {
  readonly stage: Stage
  readonly print: Printer
  /** The next contract that Alice's phone is shown. */
  nextOffer(): Promise<Offer>
  /** The next question that Alice's phone is asked. */
  nextQuestion(): Promise<Question>
  /** Connection ids by service. */
  readonly connections: Map<ServiceName, string>
}

/** Thrown when an act did not come out as it should: the demo says so and fails. */
export class ActFailed extends Error {
  override readonly name = 'ActFailed'
}

export function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new ActFailed(what)
}

/** A service is invited, reads the profile, presents its contract; Alice accepts it, less some optional fields. */
export async function handshake(play: Play, service: ServiceName, declined: readonly string[]): Promise<void> {
  const { stage, print } = play
  const from = stage.seen.length
  await stage.services.found(service)
  const invitation = await within(stage.alice.invite(SERVICES[service], 'service'), 'the invitation')
  play.connections.set(service, invitation.connection)
  print.fact('alice', `invites ${SERVICES[service]} to connection ${invitation.connection}`)
  const handlers = await within(stage.services.discover(service, invitation), 'reading the profile')
  must(handlers.length > 0, 'the profile names its handlers')
  print.fact(service, `verified the profile: ${handlers.join(' · ')}`)
  const proved = await within(stage.services.evidence(service, stage.expected, 'data-access'), 'the evidence')
  must(!proved.hardware && proved.handler === 'data-access', 'evidence proves the code and its handler, by software')
  print.fact(service, `checked evidence before hello: this image, with ${proved.handler}; hardware: false`)

  const connected = stage.services.connect(service)
  const offer = await within(play.nextOffer(), 'the contract on the phone')
  for (const line of offer.added) if (line.what.startsWith('field ')) print.fact('phone', line.text)
  print.steps((await lastSeen(stage, 'connection.hello', from)).trace)
  await within(stage.alice.accept(offer, declined), 'accepting')
  const terms = await within(connected, 'the handshake')
  must(terms.version === 1, 'the service is told the accepted version')
  must(terms.offered.length > 0, 'the service finds what it can do here')
  must(terms.declined.join() === declined.join(), 'the service is told what was declined')
  print.fact('alice', `accepted version 1${declined.length > 0 ? `, declined ${declined.join(', ')}` : ''}`)
  print.fact(service, `may send ${terms.offered.join(', ')}`)
  print.steps((await lastSeen(stage, 'contract.accept', from)).trace)
}

/** On-demand: answered at once, by a handler in its sandbox. */
export async function onDemand(play: Play): Promise<void> {
  const { stage, print } = play
  const from = stage.seen.length
  const answer = await ask(play, 'acme', 'data.request', { fields: ['shipping_address'] })
  must(fieldOf(answer, 'shipping_address') === ALICE.fields.shipping_address, 'Acme gets the shipping address')
  print.fact('acme', `got shipping_address = ${ALICE.fields.shipping_address}`)
  print.steps((await lastSeen(stage, 'data.request', from)).trace)
}

/** Consent: asked on the phone, the host killed while it waits; one yes, one no. */
export async function consent(play: Play): Promise<void> {
  const { stage, print } = play
  const from = stage.seen.length
  const request = await stage.services.ask('acme', 'data.request', { fields: ['date_of_birth'] })
  const question = await within(play.nextQuestion(), 'the question on the phone')
  must(question.who === SERVICES.acme && question.fields.join() === 'date_of_birth', 'the phone is told who and what')
  print.fact('phone', `${question.who} asks for ${question.fields.join(', ')}: ${question.purpose}`)
  await within(stage.services.pending(request), 'the pending answer')
  print.steps((await lastSeen(stage, 'data.request', from)).trace)

  const started = performance.now()
  await within(stage.crash(), 'the restart')
  print.fact('host', `killed without warning, back from its log in ${Math.round(performance.now() - started)} ms`)
  const resumed = stage.seen.length
  await within(stage.alice.approve(question), 'approving')
  const answer = await within(stage.services.answer(request), 'the answer after approval')
  must(fieldOf(answer, 'date_of_birth') === ALICE.fields.date_of_birth, 'Acme gets the date of birth')
  print.fact('alice', `approved; acme got date_of_birth = ${ALICE.fields.date_of_birth}`)
  print.steps((await lastSeen(stage, 'consent.approve', resumed)).trace)

  const second = await stage.services.ask('acme', 'data.request', { fields: ['date_of_birth'] })
  await within(stage.alice.deny(await within(play.nextQuestion(), 'the second question')), 'denying')
  const refused = await within(stage.services.answer(second), 'the refusal')
  must(refused.status === 'refused' && refused.code === 'consent-denied', 'the second request is denied')
  print.fact('alice', 'denied the second; acme got a refusal: consent-denied')
  print.steps((await lastSeen(stage, 'consent.deny', resumed)).trace)
}

/** One request and its final answer. */
export async function ask(play: Play, service: ServiceName, type: string, body: unknown): Promise<Answer> {
  const { services } = play.stage
  return within(services.answer(await services.ask(service, type, body)), `the answer to ${type}`)
}

/** A field of a data.request's reply. */
export function fieldOf(answer: Answer, name: string): unknown {
  if (answer.status !== 'replied') return undefined
  const { fields } = answer.body as { fields?: Record<string, unknown> }
  return fields?.[name]
}
