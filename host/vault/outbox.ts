/** What must leave: durable with the commit that caused it, forgotten with a later one once it was published. */
import type { Change } from '#host/storage/port.ts'
import type { Party } from './party.ts'
import { decodeRecord, encodeRecord, type OutboxRecord } from './records.ts'

/** One sealed message on its way out. */
export interface Letter {
  /** Key of its outbox entry. */
  readonly key: string
  readonly subject: string
  readonly envelope: Uint8Array
  /** Whom it is sealed to, when it leaves without being kept. */
  readonly to?: Party
}

export interface Outbox {
  /** The change that keeps a message until it is published. */
  keep(message: OutboxRecord): { change: Change; letter: Letter }
  /** Says that letters are kept for sure: from now on they may leave. */
  durable(letters: readonly Letter[], now: number): void
  /** Says that a letter was handed to the bus. */
  sent(letter: Letter): void
  /** Deletes for what was handed over since the last commit. */
  settle(): Change[]
  /** Whether something has not left, or what left is not yet forgotten on disk. */
  readonly standing: 'waits' | 'unsettled' | 'empty'
  /** What was committed before `age` ms ago, or by an earlier run, and is not known to have left. */
  left(now: number, age: number): Letter[]
}

export function openOutbox(entries: Iterable<readonly [key: string, value: Uint8Array]>): Outbox {
  let next = 0
  const waiting = new Map<string, { letter: Letter; since: number }>()
  for (const [key, value] of entries) {
    next = Math.max(next, Number(key.slice('outbox/'.length)) + 1)
    waiting.set(key, { letter: { key, ...decodeRecord('outbox', value) }, since: 0 })
  }
  const done: string[] = []
  return {
    get standing() {
      if (waiting.size > 0) return 'waits'
      return done.length > 0 ? 'unsettled' : 'empty'
    },
    keep({ subject, envelope }) {
      const key = `outbox/${String(next++).padStart(15, '0')}`
      const change: Change = { namespace: 'system', key, value: encodeRecord('outbox', { subject, envelope }) }
      const letter = { key, subject, envelope }
      waiting.set(key, { letter, since: Number.POSITIVE_INFINITY })
      return { change, letter }
    },
    durable(letters, now) {
      for (const letter of letters) if (waiting.has(letter.key)) waiting.set(letter.key, { letter, since: now })
    },
    sent(letter) {
      if (waiting.delete(letter.key)) done.push(letter.key)
    },
    settle() {
      return done.splice(0).map((key) => ({ namespace: 'system', key, value: null }))
    },
    left: (now, age) => [...waiting.values()].filter(({ since }) => since + age <= now).map(({ letter }) => letter),
  }
}
