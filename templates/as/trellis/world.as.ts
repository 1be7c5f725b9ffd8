// The handler's world for AssemblyScript: the canonical ABI over `wit/`, so that a handler sees strings and bytes.
// What is not used is not built in. An event starts from a fresh instance: nothing here has to be freed.

// Where host functions leave what they return: the largest is 56 bytes.
export const AREA: usize = memory.data(64, 8)
const RETURNED: usize = memory.data(32, 8)

export function cabi_realloc(old: usize, oldSize: usize, align: usize, size: usize): usize {
  if (size == 0) return align
  const at = heap.alloc(size)
  if (old != 0 && oldSize != 0) {
    memory.copy(at, old, min<usize>(oldSize, size))
    heap.free(old)
  }
  return at
}

export function cabi_post_handle(returned: usize): void {}

// -- text and bytes ---------------------------------------------------------------------------------------------------

export function toBytes(text: string): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(text))
}

export function textOf(bytes: Uint8Array): string {
  return String.UTF8.decodeUnsafe(bytes.dataStart, <usize>bytes.length)
}

/** A string as JSON, with its quotes. */
export function jsonText(text: string): string {
  let json = '"'
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code == 0x22) json += '\\"'
    else if (code == 0x5c) json += '\\\\'
    else if (code < 0x20) json += '\\u00' + (code < 16 ? '0' : '') + code.toString(16)
    else json += text.charAt(at)
  }
  return json + '"'
}

/** The request: JSON in UTF-8, checked against the manifest's schema. Call it once, with what `handle` was given. */
export function bodyOf(at: usize, size: usize): Uint8Array {
  return take(at, size)
}

export function take(at: usize, size: usize): Uint8Array {
  const bytes = new Uint8Array(<i32>size)
  memory.copy(bytes.dataStart, at, size)
  return bytes
}

export function takeText(at: usize, size: usize): string {
  return String.UTF8.decodeUnsafe(at, size)
}

// -- how an event ends ------------------------------------------------------------------------------------------------

/** The reply, as JSON. The host checks it against the manifest's schema. */
export function Replied(json: string): usize {
  const bytes = toBytes(json)
  store<u8>(RETURNED, 0)
  store<u8>(RETURNED, 0, 4)
  store<usize>(RETURNED, keep(bytes), 8)
  store<usize>(RETURNED, <usize>bytes.length, 12)
  return RETURNED
}

/** Done, and there is nothing to say beyond that. */
export function Accepted(): usize {
  store<u8>(RETURNED, 0)
  store<u8>(RETURNED, 1, 4)
  return RETURNED
}

/** The handler's own no: `code` is kebab-case, `message` is for the asker. Writes of the event are dropped. */
export function Refused(code: string, message: string, retry: bool = false): usize {
  const codeBytes = toBytes(code)
  const messageBytes = toBytes(message)
  store<u8>(RETURNED, 1)
  store<usize>(RETURNED, keep(codeBytes), 4)
  store<usize>(RETURNED, <usize>codeBytes.length, 8)
  store<usize>(RETURNED, keep(messageBytes), 12)
  store<usize>(RETURNED, <usize>messageBytes.length, 16)
  store<u8>(RETURNED, retry ? 1 : 0, 20)
  return RETURNED
}

/** Out of the collector's reach until the host has read it. */
export function keep(bytes: Uint8Array): usize {
  if (bytes.length == 0) return 1
  const at = heap.alloc(<usize>bytes.length)
  memory.copy(at, bytes.dataStart, <usize>bytes.length)
  return at
}

// -- fields -----------------------------------------------------------------------------------------------------------

@external("trellis:handler/fields@0.1.0", "get")
declare function fieldsGet(name: usize, nameSize: usize, out: usize): void

/** A personal field this event was admitted for, or null. */
export function getField(name: string): string | null {
  const bytes = toBytes(name)
  fieldsGet(bytes.dataStart, <usize>bytes.length, AREA)
  return load<u8>(AREA) == 0 ? takeText(load<usize>(AREA, 4), load<usize>(AREA, 8)) : null
}

// -- store ------------------------------------------------------------------------------------------------------------

@external("trellis:handler/store@0.1.0", "open")
declare function storeOpen(label: usize, labelSize: usize, out: usize): void
@external("trellis:handler/store@0.1.0", "[method]namespace.get")
declare function storeGet(self: i32, key: usize, keySize: usize, out: usize): void
@external("trellis:handler/store@0.1.0", "[method]namespace.put")
declare function storePut(self: i32, key: usize, keySize: usize, value: usize, valueSize: usize, isExpected: i32, expected: u64, isAttributed: i32, isOpaque: i32, isCategory: i32, category: usize, categorySize: usize, isSensitive: i32, sensitivity: i32, out: usize): void
@external("trellis:handler/store@0.1.0", "[method]namespace.delete")
declare function storeDelete(self: i32, key: usize, keySize: usize, out: usize): void
@external("trellis:handler/store@0.1.0", "[method]namespace.scan")
declare function storeScan(self: i32, prefix: usize, prefixSize: usize, isAfter: i32, after: usize, afterSize: usize, limit: u32, out: usize): void

export class Item {
  constructor(public key: string, public value: Uint8Array, public revision: u64, /** The owner sees that it is there, not what it is. */ public isOpaque: bool, public category: string | null) {}
}

export class Page {
  constructor(public items: Item[], /** Pass it as `after` to read on. */ public next: string | null) {}
}

/** What it takes to see or use a value: what is critical needs the owner's second factor. */
export enum Sensitivity { data, secret, critical }

/** A namespace of the grant: `connection` is the asker's own, `handler` this handler's own for all connections. */
export class Namespace {
  private constructor(private handle: i32) {}

  static open(label: string): Namespace | null {
    const bytes = toBytes(label)
    storeOpen(bytes.dataStart, <usize>bytes.length, AREA)
    return load<u8>(AREA) == 0 ? new Namespace(load<i32>(AREA, 4)) : null
  }

  get(key: string): Item | null {
    const bytes = toBytes(key)
    storeGet(this.handle, bytes.dataStart, <usize>bytes.length, AREA)
    return load<u8>(AREA) == 0 && load<u8>(AREA, 8) == 1 ? itemAt(AREA + 16) : null
  }

  /** False when it may not, when the value is too large, or when the key is not at the revision `expected` (0: absent). */
  put(key: string, value: Uint8Array, expected: i64 = -1): bool {
    const bytes = toBytes(key)
    const isExpected = expected >= 0 ? 1 : 0
    storePut(this.handle, bytes.dataStart, <usize>bytes.length, value.dataStart, <usize>value.length, isExpected, <u64>expected, 0, 0, 0, 0, 0, 0, 0, AREA)
    return load<u8>(AREA) == 0
  }

  /** The same with attributes, what is more sensitive already stays so; false also when the contract lists no such category, or its bytes are used up. */
  putAs(key: string, value: Uint8Array, isOpaque: bool, category: string | null, expected: i64 = -1, sensitivity: Sensitivity = Sensitivity.data): bool {
    const bytes = toBytes(key)
    const name = toBytes(category == null ? '' : category)
    const isExpected = expected >= 0 ? 1 : 0
    const isCategory = category == null ? 0 : 1
    storePut(this.handle, bytes.dataStart, <usize>bytes.length, value.dataStart, <usize>value.length, isExpected, <u64>expected, 1, isOpaque ? 1 : 0, isCategory, name.dataStart, <usize>name.length, 1, sensitivity, AREA)
    return load<u8>(AREA) == 0
  }

  delete(key: string): bool {
    const bytes = toBytes(key)
    storeDelete(this.handle, bytes.dataStart, <usize>bytes.length, AREA)
    return load<u8>(AREA) == 0
  }

  /** Keys that start with `prefix`, in byte order, after `after`. */
  scan(prefix: string, limit: u32, after: string | null = null): Page | null {
    const bytes = toBytes(prefix)
    const from = toBytes(after == null ? '' : after)
    const isAfter = after == null ? 0 : 1
    storeScan(this.handle, bytes.dataStart, <usize>bytes.length, isAfter, from.dataStart, <usize>from.length, limit, AREA)
    if (load<u8>(AREA) != 0) return null
    const first = load<usize>(AREA, 4)
    const count = load<usize>(AREA, 8)
    const next = load<u8>(AREA, 12) == 1 ? takeText(load<usize>(AREA, 16), load<usize>(AREA, 20)) : null
    const items: Item[] = []
    for (let at: usize = 0; at < count; at++) items.push(itemAt(first + 40 * at))
    return new Page(items, next)
  }
}

function itemAt(at: usize): Item {
  const key = takeText(load<usize>(at), load<usize>(at, 4))
  const value = take(load<usize>(at, 8), load<usize>(at, 12))
  const category = load<u8>(at, 28) == 1 ? takeText(load<usize>(at, 32), load<usize>(at, 36)) : null
  return new Item(key, value, load<u64>(at, 16), load<u8>(at, 24) == 1, category)
}

// -- session ----------------------------------------------------------------------------------------------------------

@external("trellis:handler/session@0.1.0", "current")
declare function sessionCurrent(out: usize): void

export class Session {
  connection: string = ''
  isPeer: bool = false
  /** The vault's own owner asks: then `connection` is the label of the device. */
  isOwner: bool = false
  contractVersion: u32 = 0
  eventId: string = ''
  eventType: string = ''
  deadlineMs: u32 = 0
  approved: bool = false
  /** Stays the same when the owner renames the connection. */
  connectionId: string = ''
}

/** Who asks, told by the host. */
export function currentSession(): Session {
  sessionCurrent(AREA)
  const session = new Session()
  session.connection = takeText(load<usize>(AREA), load<usize>(AREA, 4))
  session.isPeer = load<u8>(AREA, 8) == 1
  session.isOwner = load<u8>(AREA, 8) == 2
  session.contractVersion = load<u32>(AREA, 12)
  session.eventId = takeText(load<usize>(AREA, 16), load<usize>(AREA, 20))
  session.eventType = takeText(load<usize>(AREA, 24), load<usize>(AREA, 28))
  session.deadlineMs = load<u32>(AREA, 32)
  session.approved = load<u8>(AREA, 36) == 1
  session.connectionId = takeText(load<usize>(AREA, 40), load<usize>(AREA, 44))
  return session
}

// -- keys -------------------------------------------------------------------------------------------------------------

@external("trellis:handler/keys@0.1.0", "algorithm-of")
declare function keysAlgorithm(alias: usize, aliasSize: usize, out: usize): void
@external("trellis:handler/keys@0.1.0", "public-key")
declare function keysPublicKey(alias: usize, aliasSize: usize, out: usize): void
@external("trellis:handler/keys@0.1.0", "sign")
declare function keysSign(alias: usize, aliasSize: usize, message: usize, messageSize: usize, out: usize): void

export enum Algorithm { Ed25519, EcdsaSecp256k1, Bip340, None }

/** `None` when the grant has no such key. */
export function algorithmOf(alias: string): Algorithm {
  const bytes = toBytes(alias)
  keysAlgorithm(bytes.dataStart, <usize>bytes.length, AREA)
  return load<u8>(AREA) == 0 ? <Algorithm>load<u8>(AREA, 1) : Algorithm.None
}

/** 33 bytes of ECDSA, else 32; null when the grant has no such key. */
export function publicKey(alias: string): Uint8Array | null {
  const bytes = toBytes(alias)
  keysPublicKey(bytes.dataStart, <usize>bytes.length, AREA)
  return load<u8>(AREA) == 0 ? take(load<usize>(AREA, 4), load<usize>(AREA, 8)) : null
}

/** 64 bytes; null when the grant has no such key, or it does not sign messages of this size (32 but for Ed25519). */
export function sign(alias: string, message: Uint8Array): Uint8Array | null {
  const bytes = toBytes(alias)
  keysSign(bytes.dataStart, <usize>bytes.length, message.dataStart, <usize>message.length, AREA)
  return load<u8>(AREA) == 0 ? take(load<usize>(AREA, 4), load<usize>(AREA, 8)) : null
}

// -- outbox, clock, random, log, audit --------------------------------------------------------------------------------

@external("trellis:handler/outbox@0.1.0", "notify-owner")
declare function outboxNotify(type: usize, typeSize: usize, body: usize, bodySize: usize, out: usize): void
@external("trellis:handler/outbox@0.1.0", "emit")
declare function outboxEmit(type: usize, typeSize: usize, body: usize, bodySize: usize, out: usize): void
@external("trellis:handler/outbox@0.1.0", "send")
declare function outboxSend(
  to: usize, toSize: usize, type: usize, typeSize: usize, body: usize, bodySize: usize, out: usize,
): void
@external("trellis:handler/clock@0.1.0", "now")
declare function clockNow(): u64
@external("trellis:handler/random@0.1.0", "bytes")
declare function randomBytes(size: u32, out: usize): void
@external("trellis:handler/log@0.1.0", "write")
declare function logWrite(level: i32, text: usize, size: usize): void
@external("trellis:handler/audit@0.1.0", "note")
declare function auditNote(fact: usize, size: usize, out: usize): void

/** A notice to the owner's devices; false when there is no such right, or too many. */
export function notifyOwner(type: string, json: string): bool {
  const name = toBytes(type)
  const body = toBytes(json)
  outboxNotify(name.dataStart, <usize>name.length, body.dataStart, <usize>body.length, AREA)
  return load<u8>(AREA) == 0
}

/** An event to the connection that asked; false when there is no such right, or too many. */
export function emit(type: string, json: string): bool {
  const name = toBytes(type)
  const body = toBytes(json)
  outboxEmit(name.dataStart, <usize>name.length, body.dataStart, <usize>body.length, AREA)
  return load<u8>(AREA) == 0
}

/** An event to another connection by the owner's alias; false when it cannot be sent there, or is too many. */
export function send(to: string, type: string, json: string): bool {
  const alias = toBytes(to)
  const name = toBytes(type)
  const body = toBytes(json)
  outboxSend(
    alias.dataStart, <usize>alias.length, name.dataStart, <usize>name.length, body.dataStart, <usize>body.length, AREA,
  )
  return load<u8>(AREA) == 0
}

/** Milliseconds since the epoch; it stands still during the event. */
export function now(): u64 {
  return clockNow()
}

export function random(size: u32): Uint8Array {
  randomBytes(size, AREA)
  return take(load<usize>(AREA), load<usize>(AREA, 4))
}

export enum Level { Debug, Info, Warn, Error }

/** A line for the operator, without personal data. */
export function log(level: Level, text: string): void {
  const bytes = toBytes(text)
  logWrite(level, bytes.dataStart, <usize>bytes.length)
}

/** A fact for the owner's audit trail, 1 to 256 bytes; false for a longer one, or a ninth of this event. */
export function note(fact: string): bool {
  const bytes = toBytes(fact)
  auditNote(bytes.dataStart, <usize>bytes.length, AREA)
  return load<u8>(AREA) == 0
}

// -- approval ---------------------------------------------------------------------------------------------------------

@external("trellis:handler/approval@0.1.0", "current")
declare function approvalCurrent(out: usize): void

export enum Asked { NotYet, Yes, Chosen }

/** The owner's answer to a question that this handler asked with `Suspended`. A no never gets here. */
export class Approval {
  constructor(public asked: Asked, /** One of the choices, to the letter, when it is `Chosen`. */ public choice: string) {}
}

export function currentApproval(): Approval {
  approvalCurrent(AREA)
  const asked = <Asked>load<u8>(AREA)
  return new Approval(asked, asked == Asked.Chosen ? takeText(load<usize>(AREA, 4), load<usize>(AREA, 8)) : '')
}

/**
 * Asks the owner first: writes of this call are dropped, and the request is handled anew with the answer in
 * `currentApproval`. Without choices it is a plain yes or no.
 */
export function Suspended(question: string, choices: string[] = []): usize {
  const text = toBytes(question)
  const list = heap.alloc(8 * <usize>choices.length)
  for (let at = 0; at < choices.length; at++) {
    const choice = toBytes(choices[at])
    store<usize>(list + 8 * <usize>at, keep(choice))
    store<usize>(list + 8 * <usize>at, <usize>choice.length, 4)
  }
  store<u8>(RETURNED, 0)
  store<u8>(RETURNED, 2, 4)
  store<usize>(RETURNED, keep(text), 8)
  store<usize>(RETURNED, <usize>text.length, 12)
  store<usize>(RETURNED, list, 16)
  store<usize>(RETURNED, <usize>choices.length, 20)
  return RETURNED
}
