// The handler's world for AssemblyScript plug-ins: `extism:host/user` over as-pdk. `README.md` has the encoding.
import { Host, Memory } from '@extism/as-pdk'

import { decodeBase64url, encodeBase64url, member, quoted, textOf } from './json.as'
export { quoted } from './json.as'

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
@external("extism:host/user", "trellis_store_delete")
declare function hostDelete(request: u64): u64
@external("extism:host/user", "trellis_store_scan")
declare function hostScan(request: u64): u64
@external("extism:host/user", "trellis_outbox_notify_owner")
declare function hostNotify(request: u64): u64
@external("extism:host/user", "trellis_outbox_emit")
declare function hostEmit(request: u64): u64
@external("extism:host/user", "trellis_outbox_send")
declare function hostSend(request: u64): u64
@external("extism:host/user", "trellis_audit_note")
declare function hostNote(request: u64): u64
@external("extism:host/user", "trellis_keys_algorithm")
declare function hostAlgorithm(request: u64): u64
@external("extism:host/user", "trellis_credentials_list")
declare function hostCredentials(request: u64): u64
@external("extism:host/user", "trellis_credentials_prove")
declare function hostProve(request: u64): u64
@external("extism:host/user", "trellis_approval")
declare function hostApproval(request: u64): u64
@external("extism:host/user", "trellis_random_bytes")
declare function hostRandom(request: u64): u64
@external("extism:host/env", "log_info")
declare function hostLogInfo(at: u64): void
@external("extism:host/env", "log_warn")
declare function hostLogWarn(at: u64): void

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

/** Only when the key is at this revision; 0: only when it is absent. */
export function storePutAt(label: string, key: string, value: Uint8Array, expected: u64): Answer {
  const json = `{"label":${quoted(label)},"key":${quoted(key)},"value":"${encodeBase64url(value)}"`
  return answerAt(hostPut(request(json + `,"expected":${expected.toString()}}`)))
}

/**
 * `visibility` is `transparent` or `opaque`; the category is one of the contract's, or null for none; `sensitivity` is
 * `data`, `secret` or `critical`: what is stricter already stays so.
 */
export function storePutAs(label: string, key: string, value: Uint8Array, visibility: string, category: string | null = null, sensitivity: string = 'data'): Answer {
  const named = (category === null ? '' : `,"category":${quoted(category)}`) + `,"sensitivity":${quoted(sensitivity)}`
  const json = `{"label":${quoted(label)},"key":${quoted(key)},"value":"${encodeBase64url(value)}"`
  return answerAt(hostPut(request(json + `,"attributes":{"visibility":${quoted(visibility)}${named}}}`)))
}

export function storeDelete(label: string, key: string): Answer {
  return answerAt(hostDelete(request(`{"label":${quoted(label)},"key":${quoted(key)}}`)))
}

/** `{"items", "next"}`: at most `limit` keys that start with `prefix`, in byte order, after `after` when it is given. */
export function storeScan(label: string, prefix: string, limit: u32, after: string | null = null): Answer {
  const from = after === null ? '' : `,"after":${quoted(after)}`
  return answerAt(hostScan(request(`{"label":${quoted(label)},"prefix":${quoted(prefix)}${from},"limit":${limit.toString()}}`)))
}

/** The value of what `storeGet` answered; null when nothing is there. */
export function storedBytes(answer: Answer): Uint8Array | null {
  const value = answer.isOk ? member(answer.json, 'value') : null
  return value === null ? null : decodeBase64url(textOf(value))
}

/** A notice to the owner's devices; `body` is JSON. */
export function notifyOwner(type: string, body: string): Answer {
  return answerAt(hostNotify(letter(type, body)))
}

/** An event to the connection that asked; `body` is JSON. */
export function emit(type: string, body: string): Answer {
  return answerAt(hostEmit(letter(type, body)))
}

/** An event to another connection, by the owner's alias for it; `body` is JSON. */
export function send(to: string, type: string, body: string): Answer {
  const json = `{"to":${quoted(to)},"type":${quoted(type)},"body":"${encodeBase64url(bytesOf(body))}"}`
  return answerAt(hostSend(request(json)))
}

/** A fact for the owner's audit trail, 1 to 256 bytes. */
export function note(fact: string): Answer {
  return answerAt(hostNote(request(`{"fact":${quoted(fact)}}`)))
}

/** `ed25519`, `ecdsa-secp256k1` or `bip340`. */
export function algorithm(alias: string): Answer {
  return answerAt(hostAlgorithm(request(`{"alias":${quoted(alias)}}`)))
}

/** `[{"alias", "kind", "issuer", "label", "claims", "expires"}]`. */
export function credentials(): Answer {
  return answerAt(hostCredentials(0))
}

/** The proof, in base64url: these claims and no others, bound to the asker's nonce. */
export function prove(alias: string, disclose: string[], nonce: Uint8Array): Answer {
  const claims: string[] = []
  for (let at = 0; at < disclose.length; at++) claims.push(quoted(disclose[at]))
  const json = `{"alias":${quoted(alias)},"disclose":[${claims.join(',')}],"nonce":"${encodeBase64url(nonce)}"}`
  return answerAt(hostProve(request(json)))
}

function letter(type: string, body: string): u64 {
  return request(`{"type":${quoted(type)},"body":"${encodeBase64url(bytesOf(body))}"}`)
}

/** `"none"`, `"yes"` or `{"chosen": choice}`: the owner's answer to a question asked with `suspended`. */
export function approval(): Answer {
  return answerAt(hostApproval(0))
}

/** At most 1,024 bytes, in base64url. */
export function random(size: u32): Answer {
  return answerAt(hostRandom(request(`{"length":${size.toString()}}`)))
}

/** Lines for the operator, without personal data. */
export function logInfo(line: string): void {
  hostLogInfo(request(line))
}

export function logWarn(line: string): void {
  hostLogWarn(request(line))
}

export function bytesOf(text: string): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(text))
}

/** The JSON of a reply as the output; gives what `handle` returns. */
export function reply(json: string): i32 {
  return ended(`{"reply":${json}}`)
}

/** Done, and there is nothing to say beyond that. */
export function accepted(): i32 {
  return ended('{"accepted":true}')
}

/**
 * Asks the owner first: writes of this call are dropped, and the request is handled anew with the answer in `approval`.
 * Without choices it is a plain yes or no.
 */
export function suspended(question: string, choices: string[] = []): i32 {
  const list: string[] = []
  for (let at = 0; at < choices.length; at++) list.push(quoted(choices[at]))
  return ended(`{"suspended":{"text":${quoted(question)},"choices":[${list.join(',')}]}}`)
}

/** The handler's own no; gives what `handle` returns. */
export function refuse(code: string, message: string, retry: bool = false): i32 {
  const again = retry ? 'true' : 'false'
  return ended(`{"refusal":{"code":${quoted(code)},"message":${quoted(message)},"retry":${again}}}`)
}

/** Not `Host.outputString` of as-pdk 1.0.0: it counts a text's UTF-16 units where it writes UTF-8. */
function ended(json: string): i32 {
  Host.outputMemory(Memory.allocateString(json))
  return 0
}

function request(json: string): u64 {
  return Memory.allocateString(json).offset
}
