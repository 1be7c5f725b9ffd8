/** One event id, one answer: a repeat gets the stored one and runs nothing. */
import { Refusal } from '#host/errors.ts'
import { decodeReply } from '#host/wire/reply.ts'
import { unkeptAnswer } from './commit.ts'
import { inboxKey } from './inbox.ts'
import type { Opened } from './open.ts'
import type { Letter } from './outbox.ts'

interface Moment {
  readonly now: number
  readonly random: (length: number) => Uint8Array
}

/**
 * Runs `work` unless the event was answered before. A repeat that comes while the first is at work waits for it.
 *
 * @throws Refusal `replayed` for an envelope opened before: its answer, if there was one, is sent again by `refuse`
 */
export async function once(
  opened: Opened,
  moment: Moment,
  work: () => Promise<readonly Letter[]>,
): Promise<readonly Letter[]> {
  const { vault, party, event, replay } = opened
  const key = inboxKey(party, event.id)
  while (vault.working.has(key)) await vault.working.get(key)
  if (replay) throw new Refusal('replayed', 'this envelope was received before')
  const answered = again(opened, moment)
  if (answered.length > 0) {
    opened.mark()
    return answered
  }
  const { promise, resolve } = Promise.withResolvers<void>()
  vault.working.set(key, promise)
  try {
    return await work()
  } finally {
    vault.working.delete(key)
    resolve()
  }
}

/** The stored answer to an event, sealed anew; none when there is none yet. */
export function again({ vault, party, event }: Opened, moment: Moment): readonly Letter[] {
  const answered = vault.inbox.find(party, event.id)
  return answered ? [unkeptAnswer({ to: party, event, reply: decodeReply(answered.reply) }, moment)] : []
}
