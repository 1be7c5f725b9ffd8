/**
 * What an owner's device asks of another vault: passed on under its own id, so that the other does it once however
 * often it comes, and answered when the other has answered. Nothing of it is kept.
 */
import { Refusal } from '#host/errors.ts'
import { decodeReply, type Reply } from '#host/wire/reply.ts'
import { commit, type Leaving, unkeptAnswer, unkeptEvent } from './commit.ts'
import type { Opened } from './open.ts'
import type { Letter } from './outbox.ts'
import { ANSWER, type Connection, type Device } from './party.ts'
import type { PassedOn } from './passed.ts'
import { refusedReply } from './refuse.ts'
import { eventRow } from './rows.ts'
import type { Vault } from './vault.ts'

type Moment = Pick<Leaving, 'now' | 'random'>

/** A kind of request that is passed on. */
export interface Passage<Asked> {
  readonly waiting: (vault: Vault) => PassedOn<Asked>
  readonly waitingMax: number
  readonly waitMs: number
  /** What a device is told when the connection is not active. */
  readonly inactive: string
  /** What a device is told that has waited for too long. */
  readonly late: string
}

export interface PassRequest<Asked> extends Moment {
  readonly from: Device
  /** `undefined` when there is no such connection any more. */
  readonly to: Connection | undefined
  readonly asked: Asked
  /** Made when it is certain to leave. */
  readonly body: () => Uint8Array
  /** Of its row. */
  readonly reason: string
}

/** @throws Refusal `connection-inactive`, `busy`, and what `body` throws */
export async function passOn<Asked>(
  { waiting, waitingMax, waitMs, inactive }: Passage<Asked>,
  opened: Opened,
  { from, to, asked, body, reason, now, random }: PassRequest<Asked>,
): Promise<readonly Letter[]> {
  const { vault, event } = opened
  const { id, type } = event
  const asks = to?.record.peer?.asks
  if (!to?.session || to.record.status !== 'active' || !asks) throw new Refusal('connection-inactive', inactive)
  const passed = waiting(vault)
  if (passed.size >= waitingMax) throw new Refusal('busy', 'too much waits for the other vault: try again')
  const until = now + waitMs
  const outward = { id, type, ts: now, exp: until, contractVersion: asks.version, causation: null, body: body() }
  const row = eventRow(from, event, { at: now, result: 'accepted', connection: to.id, reason })
  const letters = await commit({ vault, now, random, opened, rows: [row] })
  passed.set(id, { event, device: from, connection: to.id, asked, until })
  return [...letters, unkeptEvent(outward, { to, random })]
}

/** The other vault's answer to what a device waits for, as `read` has it; `undefined` when it is none. */
export function takePassed<Asked>(
  { waiting }: Passage<Asked>,
  opened: Opened,
  {
    connection,
    read = (reply) => reply,
    ...moment
  }: Moment & { readonly connection: Connection; readonly read?: (reply: Reply, asked: Asked) => Reply },
): readonly Letter[] | undefined {
  const { type, causation, body } = opened.event
  if (type !== ANSWER || causation === null) return undefined
  const passed = waiting(opened.vault)
  const found = passed.get(causation)
  if (found?.connection !== connection.id) return undefined
  passed.delete(causation)
  opened.mark()
  const reply = read(decodeReply(body), found.asked)
  return [unkeptAnswer({ to: found.device, event: found.event, reply }, moment)]
}

/** Devices whose request the other vault did not answer in time: they are told, and may try again. */
export function expirePassed<Asked>({ waiting, late }: Passage<Asked>, vault: Vault, moment: Moment): Letter[] {
  const passed = waiting(vault)
  const reply = refusedReply(new Refusal('busy', late))
  const overdue = [...passed].filter(([, { until }]) => until <= moment.now)
  return overdue.map(([id, { device, event }]) => {
    passed.delete(id)
    return unkeptAnswer({ to: device, event, reply }, moment)
  })
}
