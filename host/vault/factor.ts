/**
 * The owner's second factor: a PIN on top of the device that says it, for what is critical.
 *
 * A device is what the owner has; the PIN is what they know, and needs no second device at hand. Four digits would fall
 * to whoever steals the store, so that Argon2id and, against guessing through the vault, a counter that is durable
 * before each try stand before it.
 */
import { Refusal } from '#host/errors.ts'
import { PIN_DELAY_MS, PIN_DELAY_MS_MAX, PIN_FREE_TRIES, UNLOCK_ONCE_MS } from '#host/limits.ts'
import type { Registered } from '#host/plugin/registry.ts'
import type { Change, Namespace } from '#host/storage/port.ts'
import type { EventId } from '#host/wire/id.ts'
import { decodeRecord, encodeRecord, type FactorRecord } from './records.ts'

/** Whether the vault is unlocked right now; forgotten with the process. */
export interface Factor {
  /** The record, when a PIN was set. */
  record(): FactorRecord | undefined
  isOpen(now: number): boolean
  /** Unlocked for whatever comes, and not for one event alone. */
  isWide(now: number): boolean
  /** For one event, as often as it needs: true while unlocked. With a window of 0 the first one has it. */
  use(now: number, event: EventId): boolean
  /** When it closes, milliseconds since the epoch. */
  unlock(now: number): number
  lock(): void
}

const KEY = 'factor'

export function openFactor(system: Namespace): Factor {
  let until = 0
  let once = false
  let taker: EventId | undefined

  const record = (): FactorRecord | undefined => {
    const item = system.get(KEY)
    return item && decodeRecord('factor', item.value)
  }
  return {
    record,
    isOpen: (now) => now < until && taker === undefined,
    isWide: (now) => now < until && !once,
    use(now, event) {
      if (now >= until) return false
      if (once) taker ??= event
      return !once || taker === event
    },
    unlock(now) {
      const windowMs = record()?.windowMs ?? 0
      once = windowMs === 0
      taker = undefined
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

/** Whether an event that needs the owner's PIN waits for it: one that is worth nothing later is refused. */
export function mayWait(refusal: Refusal, { registered }: { readonly registered: Registered }): boolean {
  return refusal.code === 'second-factor-needed' && registered.event.delivery === 'critical'
}

/** What stands between one event and all that is critical. */
export interface Gate {
  /** Called when something critical is needed: whether it may be used. */
  pass(): boolean
  /** It was needed, and the vault was locked. */
  readonly missed: boolean
}

export function gateFor(factor: Factor, { event, now }: { readonly event: EventId; readonly now: number }): Gate {
  let missed = false
  return {
    pass() {
      const isOpen = factor.use(now, event)
      missed ||= !isOpen
      return isOpen
    },
    get missed() {
      return missed
    },
  }
}

/** A namespace whose critical items are as good as absent while the gate is shut. */
export function withoutCritical(namespace: Namespace, gate: Gate): Namespace {
  return {
    name: namespace.name,
    get bytes() {
      return namespace.bytes
    },
    get(key) {
      const item = namespace.get(key)
      return item?.sensitivity === 'critical' && !gate.pass() ? undefined : item
    },
    scan(options) {
      const page = namespace.scan(options)
      const items = page.items.filter(([, { sensitivity }]) => sensitivity !== 'critical')
      return items.length === page.items.length || gate.pass() ? page : { ...page, items }
    },
  }
}
