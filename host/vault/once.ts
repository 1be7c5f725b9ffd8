/** One event id, one answer: a repeat gets the stored one and runs nothing. */
import { Refusal } from '#host/errors.ts'
import { inboxKey } from './inbox.ts'
import type { Opened } from './open.ts'
import type { Letter } from './outbox.ts'

/**
 * Runs `work` unless the event was answered before. A repeat that comes while the first is at work waits for it.
 *
 * @throws Refusal `replayed` for an envelope opened before: its answer, if there was one, is sent again by `refuse`
 */
export async function once(opened: Opened, work: () => Promise<readonly Letter[]>): Promise<readonly Letter[]> {
  const { vault, party, event, replay } = opened
  const key = inboxKey(party, event.id)
  while (vault.working.has(key)) await vault.working.get(key)
  if (replay) throw new Refusal('replayed', 'this envelope was received before')
  const answered = vault.inbox.find(party, event.id)
  if (answered) {
    opened.mark()
    return answered.answer ? [{ key: '', ...answered.answer }] : []
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
