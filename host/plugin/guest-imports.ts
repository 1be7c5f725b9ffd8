/** The world as a cell offers it to a component. Reads go to the host; everything else is kept back. */
import { randomFillSync } from 'node:crypto'

import {
  ALIAS_CHARS_MAX,
  KEY_BYTES_MAX,
  OUTBOX_ITEMS_MAX,
  RANDOM_BYTES_MAX,
  SIGN_BYTES_MAX,
  VALUE_BYTES_MAX,
} from '#host/limits.ts'

import type { StoredItem } from './calls.ts'
import type { HostImports } from './component/instantiate.ts'
import { HostError } from './component/trap.ts'
import { type BaseReader, type Overlay, overlay } from './overlay.ts'
import { isEventType, type ReportedEvent, type ReportedLine } from './report.ts'
import { fitsKey, type Seat, type Visit } from './visit.ts'

type Interface = HostImports[string]

/** Every interface of `wit/`. A component reaches those it imports, which the registry held against its manifest. */
export function guestImports(seat: Seat): HostImports {
  return {
    'trellis:handler/session@0.1.0': { current: () => seat.enter().job.session },
    'trellis:handler/clock@0.1.0': { now: () => BigInt(seat.enter().job.now) },
    'trellis:handler/random@0.1.0': randomInterface(seat),
    'trellis:handler/log@0.1.0': logInterface(seat),
    'trellis:handler/fields@0.1.0': fieldsInterface(seat),
    'trellis:handler/keys@0.1.0': keysInterface(seat),
    'trellis:handler/outbox@0.1.0': outboxInterface(seat),
    'trellis:handler/approval@0.1.0': approvalInterface(seat),
    'trellis:handler/store@0.1.0': storeInterface(seat),
  }
}

function approvalInterface(seat: Seat): Interface {
  return {
    current() {
      const { answer } = seat.enter().job
      if (answer === undefined) return { tag: 'none' }
      return answer.choice === null ? { tag: 'yes' } : { tag: 'chosen', val: answer.choice }
    },
  }
}

function randomInterface(seat: Seat): Interface {
  return {
    bytes(length: number) {
      seat.enter()
      if (length > RANDOM_BYTES_MAX) seat.stop('trap', `asked for more than ${RANDOM_BYTES_MAX} random bytes`)
      return randomFillSync(new Uint8Array(length))
    },
  }
}

function logInterface(seat: Seat): Interface {
  return {
    write(level: ReportedLine['level'], message: string) {
      seat.enter()
      seat.print(level, message)
    },
  }
}

function fieldsInterface(seat: Seat): Interface {
  return {
    get(name: string) {
      const value = seat.enter().job.fields.get(name)
      if (value === undefined) throw new HostError('unavailable')
      return value
    },
  }
}

function keysInterface(seat: Seat): Interface {
  const publicKey = (alias: string): Uint8Array => {
    const { job } = seat.enter()
    if (!seat.handler.aliases.includes(alias)) seat.probed(`key ${quoted(alias)}`)
    const key = job.publicKeys.get(alias)
    if (key === undefined) throw new HostError('unavailable')
    return key
  }
  return {
    list: () => [...seat.enter().job.publicKeys.keys()],
    'public-key': publicKey,
    sign(alias: string, message: Uint8Array) {
      publicKey(alias)
      const answer = message.length <= SIGN_BYTES_MAX ? seat.ask({ op: 'sign', alias, message }) : undefined
      if (answer?.kind !== 'bytes') throw new HostError('unavailable')
      return answer.bytes
    },
  }
}

function outboxInterface(seat: Seat): Interface {
  const post = (visit: Visit, event: ReportedEvent): void => {
    if (!visit.job.outbox.includes(event.to)) throw new HostError('unavailable')
    const isOver = event.body.length > seat.handler.outputBytesMax || visit.outgoing.length >= OUTBOX_ITEMS_MAX
    if (isOver || !isEventType(event.type)) throw new HostError('limit')
    seat.charge(event.body.length + event.type.length)
    visit.outgoing.push(event)
  }
  return {
    'notify-owner': (type: string, body: Uint8Array) => post(seat.enter(), { to: 'owner', type, body }),
    emit: (type: string, body: Uint8Array) => post(seat.enter(), { to: 'connection', type, body }),
    send(alias: string, type: string, body: Uint8Array) {
      const visit = seat.enter()
      const known = visit.job.outbox.includes('connections') && alias.length <= ALIAS_CHARS_MAX && isEventType(type)
      if (!known || seat.ask({ op: 'reach', alias, type }).kind !== 'bytes') throw new HostError('unavailable')
      post(visit, { to: 'connections', alias, type, body })
    },
  }
}

/** A granted namespace in the guest's hand, of the one event it was given out in. */
class NamespaceHandle {
  readonly #visit: Visit
  readonly #granted: { readonly label: string; readonly writable: boolean }

  constructor(visit: Visit, granted: { readonly label: string; readonly writable: boolean }) {
    this.#visit = visit
    this.#granted = granted
  }

  static granted(handle: unknown, visit: Visit): { readonly label: string; readonly writable: boolean } | undefined {
    return handle instanceof NamespaceHandle && handle.#visit === visit ? handle.#granted : undefined
  }
}

function storeInterface(seat: Seat): Interface {
  const spaceOf = (visit: Visit, handle: unknown, use: { key: string; writes?: boolean }): Overlay => {
    const granted = NamespaceHandle.granted(handle, visit)
    if (granted === undefined) return seat.stop('lied', 'used a namespace of another event')
    if (!fitsKey(use.key)) throw new HostError({ tag: 'too-large', val: KEY_BYTES_MAX })
    if (use.writes === true && (!granted.writable || use.key === '')) throw new HostError({ tag: 'unavailable' })
    const space = visit.overlays.get(granted.label) ?? overlay(baseReader(seat, granted.label))
    visit.overlays.set(granted.label, space)
    return space
  }
  return {
    open(label: string) {
      const visit = seat.enter()
      if (!seat.handler.labels.includes(label)) seat.probed(`namespace ${quoted(label)}`)
      const granted = visit.job.namespaces.find((namespace) => namespace.label === label)
      if (granted === undefined) throw new HostError({ tag: 'unavailable' })
      return new NamespaceHandle(visit, granted)
    },
    '[method]namespace.get'(self: unknown, key: string) {
      const item = spaceOf(seat.enter(), self, { key }).get(key)
      return item === undefined ? undefined : shown(item)
    },
    '[method]namespace.put'(self: unknown, key: string, value: Uint8Array, expected: bigint | undefined) {
      const space = spaceOf(seat.enter(), self, { key, writes: true })
      if (value.length > VALUE_BYTES_MAX) throw new HostError({ tag: 'too-large', val: VALUE_BYTES_MAX })
      seat.charge(value.length + key.length)
      if (!space.put(key, value, expected)) throw new HostError({ tag: 'conflict' })
    },
    '[method]namespace.delete'(self: unknown, key: string) {
      const space = spaceOf(seat.enter(), self, { key, writes: true })
      seat.charge(key.length)
      space.delete(key)
    },
    '[method]namespace.scan'(self: unknown, prefix: string, after: string | undefined, limit: number) {
      const visit = seat.enter()
      if (after !== undefined && !fitsKey(after)) throw new HostError({ tag: 'too-large', val: KEY_BYTES_MAX })
      const page = spaceOf(visit, self, { key: prefix }).scan({ prefix, after, limit })
      return { items: page.items.map(shown), next: page.next }
    },
  }
}

function baseReader(seat: Seat, label: string): BaseReader {
  return {
    get(key) {
      const answer = seat.ask({ op: 'get', label, key })
      if (answer.kind !== 'item') throw new HostError({ tag: 'unavailable' })
      return answer.item
    },
    scan(options) {
      const answer = seat.ask({ op: 'scan', label, ...options })
      if (answer.kind !== 'page') throw new HostError({ tag: 'unavailable' })
      return answer
    },
  }
}

function shown(item: StoredItem): { key: string; value: Uint8Array; revision: bigint } {
  return { key: item.key, value: item.value, revision: BigInt(item.revision) }
}

/** Guests choose these names: shown shortened and escaped. */
function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 64))
}
