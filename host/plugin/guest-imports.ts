/** The world as a cell offers it to a component. Reads go to the host; everything else is kept back. */
import { randomFillSync } from 'node:crypto'

import {
  ALIAS_CHARS_MAX,
  CREDENTIAL_CLAIMS_MAX,
  KEY_BYTES_MAX,
  NONCE_BYTES_MAX,
  NONCE_BYTES_MIN,
  OUTBOX_ITEMS_MAX,
  RANDOM_BYTES_MAX,
  SIGN_BYTES_MAX,
  VALUE_BYTES_MAX,
} from '#host/limits.ts'

import type { StoredItem } from './calls.ts'
import { FACTS_MAX } from './limits.ts'
import type { HostImports } from './component/instantiate.ts'
import { HostError } from './component/trap.ts'
import { type BaseReader, type Overlay, overlay } from './overlay.ts'
import {
  type Attributes,
  isEventType,
  isFact,
  type KeyShown,
  type LabelGrant,
  needOf,
  type ReportedEvent,
  type ReportedLine,
} from './report.ts'
import type { CredentialMetadata } from './port.ts'
import { fitsKey, type Seat, type Visit } from './visit.ts'

type Interface = HostImports[string]

/** Every interface of `wit/`. A component reaches those it imports, which the registry held against its manifest. */
export function guestImports(seat: Seat): HostImports {
  return {
    'trellis:handler/session@0.1.0': { current: () => seat.enter().job.session },
    'trellis:handler/clock@0.1.0': { now: () => BigInt(seat.enter().job.now) },
    'trellis:handler/random@0.1.0': randomInterface(seat),
    'trellis:handler/log@0.1.0': logInterface(seat),
    'trellis:handler/audit@0.1.0': auditInterface(seat),
    'trellis:handler/fields@0.1.0': fieldsInterface(seat),
    'trellis:handler/keys@0.1.0': keysInterface(seat),
    'trellis:handler/credentials@0.1.0': credentialsInterface(seat),
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

function auditInterface(seat: Seat): Interface {
  return {
    note(fact: string) {
      const { facts } = seat.enter()
      if (!isFact(fact) || facts.length >= FACTS_MAX) throw new HostError('limit')
      seat.charge(fact.length)
      facts.push(fact)
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
  const keyOf = (alias: string): KeyShown => {
    const { job } = seat.enter()
    if (!seat.handler.aliases.includes(alias)) seat.probed(`key ${quoted(alias)}`)
    const key = job.keys.get(alias)
    if (key === undefined) throw new HostError('unavailable')
    return key
  }
  return {
    list: () => [...seat.enter().job.keys.keys()],
    'algorithm-of': (alias: string) => keyOf(alias).algorithm,
    'public-key': (alias: string) => keyOf(alias).publicKey,
    sign(alias: string, message: Uint8Array) {
      keyOf(alias)
      // What no key signs is not carried to the host, which knows the sizes of each.
      if (message.length > SIGN_BYTES_MAX) throw new HostError('message-size')
      const answer = seat.ask({ op: 'sign', alias, message })
      if (answer.kind === 'message-size') throw new HostError('message-size')
      if (answer.kind !== 'bytes') throw new HostError('unavailable')
      return answer.bytes
    },
  }
}

function credentialsInterface(seat: Seat): Interface {
  return {
    list: () => seat.enter().job.credentials.map(shownCredential),
    prove(alias: string, disclose: readonly string[], nonce: Uint8Array) {
      const credential = seat.enter().job.credentials.find((granted) => granted.alias === alias)
      if (nonce.length < NONCE_BYTES_MIN || nonce.length > NONCE_BYTES_MAX) throw new HostError('nonce')
      const may = credential !== undefined && disclose.length <= CREDENTIAL_CLAIMS_MAX
      const answer = may ? seat.ask({ op: 'prove', alias, disclose, nonce }) : undefined
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
  readonly #granted: LabelGrant

  constructor(visit: Visit, granted: LabelGrant) {
    this.#visit = visit
    this.#granted = granted
  }

  static granted(handle: unknown, visit: Visit): LabelGrant | undefined {
    return handle instanceof NamespaceHandle && handle.#visit === visit ? handle.#granted : undefined
  }
}

function storeInterface(seat: Seat): Interface {
  const spaceOf = (visit: Visit, handle: unknown, use: { key: string; writes?: boolean }): Overlay => {
    const granted = NamespaceHandle.granted(handle, visit)
    if (granted === undefined) return seat.stop('lied', 'used a namespace of another event')
    if (!fitsKey(use.key)) throw new HostError({ tag: 'too-large', val: KEY_BYTES_MAX })
    if (use.writes === true && (!granted.writable || use.key === '')) throw new HostError({ tag: 'unavailable' })
    const space = visit.overlays.get(granted.label) ?? overlay(baseReader(seat, granted.label), granted.cap)
    visit.overlays.set(granted.label, space)
    return space
  }
  return {
    open(label: string) {
      const visit = seat.enter()
      if (!seat.handler.labels.includes(needOf(label))) seat.probed(`namespace ${quoted(label)}`)
      const granted = visit.job.namespaces.find((namespace) => namespace.label === label)
      if (granted === undefined) throw new HostError({ tag: 'unavailable' })
      return new NamespaceHandle(visit, granted)
    },
    '[method]namespace.get'(self: unknown, key: string) {
      const item = spaceOf(seat.enter(), self, { key }).get(key)
      return item === undefined ? undefined : shown(item)
    },
    '[method]namespace.put'(self: unknown, key: string, value: Uint8Array, expected?: bigint, attributes?: Attributes) {
      const space = spaceOf(seat.enter(), self, { key, writes: true })
      if (value.length > VALUE_BYTES_MAX) throw new HostError({ tag: 'too-large', val: VALUE_BYTES_MAX })
      seat.charge(value.length + key.length)
      const wrong = space.put(key, value, { expected, attributes })
      if (wrong !== undefined) throw new HostError(wrong)
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

function shownCredential({ alias, kind, issuer, label, claims, expires }: CredentialMetadata): unknown {
  return { alias, kind, issuer, label, claims, expires: expires === null ? undefined : BigInt(expires) }
}

function shown(item: StoredItem): Omit<StoredItem, 'revision'> & { revision: bigint } {
  return { ...item, revision: BigInt(item.revision) }
}

/** Guests choose these names: shown shortened and escaped. */
function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 64))
}
