/** Sandbox events over a connection: a guest at work in what is hosted here, and what a host tells this vault. */
import { SANDBOX_COPY_PARTS_MAX } from '#host/contracts/limits.ts'
import { verifySandboxCopy } from '#host/contracts/sandbox-copy.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { Refusal } from '#host/errors.ts'
import { anyBytes, check, z } from '#host/schema.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { admitOwn } from '../admit.ts'
import { type Answer, commit, type Leaving, unkeptAnswer } from '../commit.ts'
import { notices } from '../notice.ts'
import type { Opened } from '../open.ts'
import type { Letter } from '../outbox.ts'
import { type Connection, placeOf } from '../party.ts'
import { eventRow } from '../rows.ts'
import type { Vault } from '../vault.ts'
import { answerSandbox } from './answer.ts'
import { mayCopy } from './copy.ts'
import { ACCEPT, OFFERED, takeAcceptance, takeOffer } from './create.ts'
import { COPY, ENDED, forgotten } from './end.ts'
import { findSandbox, type Sandbox } from './held.ts'
import { readSandboxRequest, requestTypes } from './request.ts'

type Moment = Pick<Leaving, 'now' | 'random'>
type Heard = Pick<Leaving, 'changes' | 'expected' | 'outgoing'> & { readonly reason: string }

const named = z.object({ sandbox: z.string().max(64) })
const offered = z.strictObject({ terms: anyBytes })
const accepted = z.strictObject({ sandbox: z.string().max(64), acceptance: anyBytes })
const copied = z.strictObject({ copy: anyBytes })
/** What a host tells: numbers, and no word of what is in it. */
const told = z.strictObject({
  sandbox: z.string().max(64),
  change: z.exactOptional(z.int()),
  proposal: z.exactOptional(z.int()),
  refused: z.exactOptional(z.string().max(64).nullable()),
})
const tellings: ReadonlySet<string> = new Set(['sandbox.changed', 'sandbox.asked', 'sandbox.settled'])

/** What comes over a connection, by delivery class: that something changed is told again by whoever looks. */
export const sandboxTypes = {
  critical: [...requestTypes, OFFERED, ACCEPT, ENDED, COPY, 'sandbox.asked', 'sandbox.settled'],
  bestEffort: ['sandbox.changed'],
} as const

/** Answered by the host itself: no handler, and no contract event type; the sandbox's terms are what permits it. */
export function isSandboxEvent({ event }: Pick<Opened, 'event'>): boolean {
  return event.type.startsWith('sandbox.')
}

/** @throws Refusal, also for a sandbox that is another connection's: absent and forbidden look alike */
export async function hearSandbox(opened: Opened, connection: Connection, moment: Moment): Promise<readonly Letter[]> {
  const { vault, event } = opened
  const { type, body } = event
  // An end, and the copy that comes with it, may find the connection severed already.
  const expected = type === ENDED || type === COPY ? [] : admitOwn(opened, connection, moment.now)
  const from = placeOf(connection) ? hostsWord(opened, connection) : undefined
  if (from || type === ACCEPT) {
    const heard = from ?? takeYes(vault, connection, body)
    return commit({
      vault,
      ...moment,
      opened,
      ...heard,
      expected: [...expected, ...(heard.expected ?? [])],
      answers: [{ to: connection, event, reply: { status: 'accepted' } }],
      rows: [eventRow(connection, event, { at: moment.now, result: 'accepted', reason: heard.reason })],
    })
  }
  const request = readSandboxRequest(type, body)
  const sandbox = ownSandbox(vault, connection, { id: request.sandbox, role: 'creator' })
  const answered = answerSandbox(vault, sandbox, request, { by: 'guest', now: moment.now })
  const answer: Answer = { to: connection, event, reply: { status: 'replied', body: encodeCbor(answered.body) } }
  const letters = await commit({
    vault,
    ...moment,
    opened,
    changes: answered.changes ?? [],
    expected: [...expected, ...(answered.expected ?? [])],
    outgoing: answered.outgoing ?? [],
    answers: answered.isChange ? [answer] : [],
    rows: [
      eventRow(connection, event, {
        at: moment.now,
        result: answered.isChange ? 'changed' : 'replied',
        fields: answered.key === undefined ? [] : [answered.key],
        reason: `${sandbox.id}: ${answered.what}`,
      }),
    ],
  })
  // A look may be had twice: its answer is not kept, or every value read would be written again.
  return answered.isChange ? letters : [...letters, unkeptAnswer(answer, moment)]
}

function takeYes(vault: Vault, connection: Connection, body: Uint8Array): Heard {
  const { sandbox: id, acceptance } = check(accepted, decodeCbor(body), 'malformed-request', ACCEPT)
  const sandbox = ownSandbox(vault, connection, { id, role: 'creator' })
  return { ...takeAcceptance(vault, sandbox, { acceptance }), reason: `${id}: terms accepted` }
}

/** What the vault that hosts says to the guest's; `undefined` for what a guest says. */
function hostsWord({ vault, event }: Opened, connection: Connection): Heard | undefined {
  const { type } = event
  if (type === OFFERED) {
    const { terms } = check(offered, decodeCbor(event.body), 'malformed-request', type)
    const begun = takeOffer(vault, connection, terms)
    return { ...begun, reason: `${begun.id}: offered` }
  }
  if (type === COPY) return takeCopy(vault, connection, event.body)
  if (type !== ENDED && !tellings.has(type)) return undefined
  const { sandbox: id } = check(named, decodeCbor(event.body), 'malformed-request', type)
  const sandbox = ownSandbox(vault, connection, { id, role: 'guest' })
  if (type === ENDED) {
    const about = { sandbox: id, name: sandbox.record.terms.name }
    return { ...forgotten(vault, sandbox), outgoing: notices(vault, ENDED, about), reason: `${id}: ended` }
  }
  const body = check(told, decodeCbor(event.body), 'malformed-request', type)
  return { outgoing: notices(vault, type, { ...body }), reason: `${id}: told` }
}

/** Kept for the owner as it was signed: their own side in it is still sealed. */
function takeCopy(vault: Vault, connection: Connection, body: Uint8Array): Heard {
  const { peerKey } = connection.record
  const { copy } = check(copied, decodeCbor(body), 'malformed-request', COPY)
  if (!peerKey) throw new Refusal('connection-inactive', 'the handshake is not finished')
  const { sandbox: id, terms, part } = verifySandboxCopy(nativeCrypto, copy, peerKey)
  const { record } = ownSandbox(vault, connection, { id, role: 'guest' })
  if (!mayCopy(record.terms) || !equalBytes(terms, record.hash) || part >= SANDBOX_COPY_PARTS_MAX) {
    throw new Refusal('not-permitted', 'the terms of this sandbox give no such copy')
  }
  // It comes once: whoever hosts must not write here as often as they like.
  if (vault.store.namespace('personal').get(copyKey(id, part))) {
    throw new Refusal('not-permitted', 'this part of the copy is here already')
  }
  return {
    changes: [{ namespace: 'personal', key: copyKey(id, part), value: copy, visibility: 'opaque' }],
    reason: `${id}: copy kept, part ${part}`,
  }
}

/** Where a part of a copy is kept. */
export function copyKey(id: string, part: number): string {
  return `sandbox-copy/${id}/${String(part).padStart(4, '0')}`
}

function ownSandbox(
  vault: Vault,
  connection: Connection,
  { id, role }: { readonly id: string; readonly role: 'creator' | 'guest' },
): Sandbox {
  const sandbox = findSandbox(vault, id)
  if (sandbox?.record.connection === connection.id && sandbox.record.role === role) return sandbox
  throw new Refusal('not-permitted', 'no such sandbox on this connection')
}
