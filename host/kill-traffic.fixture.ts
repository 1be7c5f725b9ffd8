/** An owner's device and a service that go on asking whatever happens to the host, and keep what they were told. */
import { type Offer, type OwnerDevice, pairDevice, type Question } from '#client/owner.ts'
import { forgetfulStore, type Transport } from '#client/transport.ts'
import { ALICE } from '#host/commands/demo/cast.ts'
import { mailbox } from '#host/commands/demo/mailbox.ts'
import { surroundings } from '#host/commands/surroundings.ts'
import type { SigningKey } from '#host/crypto/port.ts'
import { registryOf } from '#host/plugin/fixtures/stage.ts'
import { newEventId } from '#host/wire/id.ts'
import { decodeReply } from '#host/wire/reply.ts'
import { type Asker, connectService, told } from './service.fixture.ts'

/** Requests of the service at a time. */
const IN_FLIGHT = 8
/** Fields that the owner sets again and again. */
const FIELDS = 8

/** What the other sides of the vault know. */
export interface Known {
  /** The service's connection. */
  readonly connection: string
  /** Of each acknowledged request its answer. */
  readonly answers: ReadonlyMap<string, number>
  /** Sent once, whatever became of it. */
  readonly sentOnce: ReadonlySet<string>
  /** Sent under a contract that is not in force. */
  readonly stale: ReadonlySet<string>
  /** What the vault told its owner is stored. */
  readonly fields: ReadonlyMap<string, string>
}

export interface Traffic extends Known {
  /** Asks until `stop`; resolves when all is answered that is sent until it is. @throws Error for a wrong answer */
  run(roll: () => number): Promise<void>
  stop(): void
  /** Sends again what has no answer yet. */
  resend(): Promise<void>
}

/** Pairs the device and connects the service: a host is there meanwhile. */
export async function openTraffic(sides: {
  readonly transport: Transport
  readonly signing: SigningKey
  readonly identity: Uint8Array
}): Promise<Traffic> {
  const { vault, device } = ALICE
  const alice = await pairDevice({ ...surroundings, ...sides, vault, device, store: forgetfulStore() })
  const acme = await acmeOf(alice, sides.transport)
  const { conversation } = acme.connected
  const broken = Promise.withResolvers<never>()
  const approve = approver(alice, broken.reject)
  const known = {
    connection: acme.invitation.connection,
    answers: new Map<string, number>(),
    sentOnce: new Set<string>(),
    stale: new Set<string>(),
    fields: new Map<string, string>(),
  }
  conversation.on('counts.run', ({ causation, body }) => {
    const reply = told(decodeReply(body))
    if (causation !== null && reply.status === 'replied') known.answers.set(causation, Number(reply.body))
  })
  const stopping = new AbortController()

  async function ask(type: string): Promise<void> {
    const { id, answer } = await acme.request(type)
    const reply = told(await answer)
    if (reply.status !== 'replied') throw new Error(`${type} was answered with ${JSON.stringify(reply)}`)
    known.answers.set(id, Number(reply.body))
  }
  async function askOnce(ids: Set<string>, changes: { contractVersion?: number }): Promise<void> {
    const id = newEventId(surroundings.random)
    ids.add(id)
    const { subject, data } = acme.seal('counts.run', null, { id, ...changes })
    await sides.transport.publish(subject, data)
  }
  async function keepAsking(roll: () => number): Promise<void> {
    while (!stopping.signal.aborted) {
      if (roll() < 0.2) await askOnce(known.sentOnce, {})
      if (roll() < 0.2) await askOnce(known.stale, { contractVersion: 2 })
      await ask(roll() < 0.2 ? 'counts.ask' : 'counts.run')
    }
  }
  async function keepStoring(): Promise<void> {
    for (let at = 0; !stopping.signal.aborted; at++) {
      const name = `${at % FIELDS}`
      await alice.putField(`note_${name}`, `${at}`)
      known.fields.set(name, `${at}`)
    }
  }
  return {
    ...known,
    async run(roll) {
      const asking = Array.from({ length: IN_FLIGHT }, () => keepAsking(roll))
      await Promise.race([Promise.all([keepStoring(), ...asking]), broken.promise])
    },
    stop: () => stopping.abort(),
    async resend() {
      await alice.conversation.resend()
      await conversation.resend()
      // A notice is lost with the host that sends it.
      const { questions } = await alice.pending()
      questions.forEach(approve)
    },
  }
}

function acmeOf(alice: OwnerDevice, transport: Transport): Promise<Asker> {
  const offers = mailbox<Offer>()
  alice.onOffer(offers.put)
  const clock = { now: surroundings.now() }
  const world = { broker: { connect: () => transport }, host: { registry: registryOf('counts') } }
  return connectService({ ...world, alice, offers, clock, now: surroundings.now }, 'Acme')
}

/** Says yes to each question once, however often it comes. */
function approver(alice: OwnerDevice, failed: (error: unknown) => void): (question: Question) => void {
  const seen = new Set<string>()
  const approve = (question: Question): void => {
    if (seen.has(question.question)) return
    seen.add(question.question)
    alice.approve(question).catch(failed)
  }
  alice.onQuestion(approve)
  return approve
}
