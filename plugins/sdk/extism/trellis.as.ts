// The handler's world for AssemblyScript plug-ins: `extism:host/user` over as-pdk. `README.md` has the encoding.
import { Host, Memory } from '@extism/as-pdk'

import { encodeBase64url, member, quoted, textOf } from './json.as'

@external("extism:host/env", "length")
declare function blockLength(at: u64): u64
@external("extism:host/user", "trellis_session")
declare function hostSession(request: u64): u64
@external("extism:host/user", "trellis_clock_now")
declare function hostNow(request: u64): u64
@external("extism:host/user", "trellis_fields_get")
declare function hostField(request: u64): u64
@external("extism:host/user", "trellis_keys_public")
declare function hostPublicKey(request: u64): u64
@external("extism:host/user", "trellis_keys_sign")
declare function hostSign(request: u64): u64
@external("extism:host/user", "trellis_store_get")
declare function hostGet(request: u64): u64
@external("extism:host/user", "trellis_store_put")
declare function hostPut(request: u64): u64
@external("extism:host/user", "trellis_outbox_notify_owner")
declare function hostNotify(request: u64): u64

/** What a host function said: the JSON of `ok`, or that of `err`. */
export class Answer {
  isOk: bool
  json: string

  constructor(json: string) {
    const ok = member(json, 'ok')
    this.isOk = ok !== null
    this.json = ok === null ? member(json, 'err')! : ok
  }

  /** Of a string. */
  text(): string {
    return textOf(this.json)
  }
}

function answerAt(at: u64): Answer {
  const block = new Memory(at, blockLength(at))
  const json = block.toString()
  block.free()
  return new Answer(json)
}

/** Who asks, and under what. */
export function session(): Answer {
  return answerAt(hostSession(0))
}

/** Milliseconds since the epoch, of the event. */
export function now(): i64 {
  return <i64>I64.parseInt(answerAt(hostNow(0)).json)
}

export function field(name: string): Answer {
  return answerAt(hostField(request(`{"name":${quoted(name)}}`)))
}

/** The raw key in base64url. */
export function publicKey(alias: string): Answer {
  return answerAt(hostPublicKey(request(`{"alias":${quoted(alias)}}`)))
}

/** The signature in base64url. */
export function sign(alias: string, message: Uint8Array): Answer {
  return answerAt(hostSign(request(`{"alias":${quoted(alias)},"message":"${encodeBase64url(message)}"}`)))
}

/** `null`, or `{"key", "value", "revision", "visibility", "category"}` with the value in base64url. */
export function storeGet(label: string, key: string): Answer {
  return answerAt(hostGet(request(`{"label":${quoted(label)},"key":${quoted(key)}}`)))
}

export function storePut(label: string, key: string, value: Uint8Array): Answer {
  const json = `{"label":${quoted(label)},"key":${quoted(key)},"value":"${encodeBase64url(value)}"}`
  return answerAt(hostPut(request(json)))
}

export function notifyOwner(type: string, body: string): Answer {
  const bytes = Uint8Array.wrap(String.UTF8.encode(body))
  return answerAt(hostNotify(request(`{"type":${quoted(type)},"body":"${encodeBase64url(bytes)}"}`)))
}

/** The JSON of a reply as the output; gives what `handle` returns. */
export function reply(json: string): i32 {
  Host.outputString(`{"reply":${json}}`)
  return 0
}

/** The handler's own no; gives what `handle` returns. */
export function refuse(code: string, message: string): i32 {
  Host.outputString(`{"refusal":{"code":${quoted(code)},"message":${quoted(message)},"retry":false}}`)
  return 0
}

function request(json: string): u64 {
  return Memory.allocateString(json).offset
}
