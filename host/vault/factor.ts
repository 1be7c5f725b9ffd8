/**
 * The owner's second factor: a PIN on top of the device that says it, for what is critical.
 *
 * A device is what the owner has; the PIN is what they know, and needs no second device at hand. Four digits would fall
 * to whoever steals the store, so that Argon2id and, against guessing through the vault, a counter that is durable
 * before each try stand before it.
 */
import { Refusal } from '#host/errors.ts'
import { PIN_DELAY_MS, PIN_DELAY_MS_MAX, PIN_FREE_TRIES, UNLOCK_ONCE_MS } from '#host/limits.ts'
import type { Change, Namespace } from '#host/storage/port.ts'
import { decodeRecord, encodeRecord, type FactorRecord } from './records.ts'

/** Whether the vault is unlocked right now; forgotten with the process. */
export interface Factor {
  /** The record, when a PIN was set. */
  record(): FactorRecord | undefined
  isOpen(now: number): boolean
  /** For one event: true while unlocked. With a window of 0 it is true once. */
  use(now: number): boolean
  /** When it closes, milliseconds since the epoch. */
  unlock(now: number): number
  lock(): void
}

const KEY = 'factor'

export function openFactor(system: Namespace): Factor {
  let until = 0
  let once = false

  const record = (): FactorRecord | undefined => {
    const item = system.get(KEY)
    return item && decodeRecord('factor', item.value)
  }
  return {
    record,
    isOpen: (now) => now < until,
    use(now) {
      const isOpen = now < until
      if (once) until = 0
      return isOpen
    },
    unlock(now) {
      const windowMs = record()?.windowMs ?? 0
      once = windowMs === 0
      until = now + (once ? UNLOCK_ONCE_MS : windowMs)
      return until
    },
    lock() {
      until = 0
    },
  }
}

export function factorChange(record: FactorRecord): Change {
  const value = encodeRecord('factor', record)
  return { namespace: 'system', key: KEY, value, visibility: 'opaque', sensitivity: 'critical' }
}

/** The record with one more try counted, and when the next may come. */
export function counted<T extends Pick<FactorRecord, 'failures' | 'notBefore'>>(record: T, now: number): T {
  const failures = record.failures + 1
  const steps = failures - PIN_FREE_TRIES
  const delay = steps < 0 ? 0 : Math.min(PIN_DELAY_MS * 2 ** steps, PIN_DELAY_MS_MAX)
  return { ...record, failures, notBefore: now + delay }
}

export function factorNeeded(): Refusal {
  return new Refusal('second-factor-needed', 'the owner has to unlock what is critical first: ask again then')
}

/** A namespace whose critical items are as good as absent; whether one was looked for is remembered. */
export function withoutCritical(namespace: Namespace, missed: () => void): Namespace {
  return {
    name: namespace.name,
    get bytes() {
      return namespace.bytes
    },
    get(key) {
      const item = namespace.get(key)
      if (item?.sensitivity !== 'critical') return item
      missed()
      return undefined
    },
    scan(options) {
      const page = namespace.scan(options)
      const items = page.items.filter(([, { sensitivity }]) => sensitivity !== 'critical')
      if (items.length < page.items.length) missed()
      return { ...page, items }
    },
  }
}
