/**
 * The types of the handler world, as `wit/` has them. A component may declare any type for a name it imports; held
 * against these, a host function never sees a value of another type, nor a caller a result of another shape.
 */
import { describeFunctions } from './component/describe.ts'
import type { Plan } from './component/plan.ts'

const storeError = 'variant {unavailable: _, conflict: _, too-large: u32, wrong-category: _, full: u32}'
const metadata = 'visibility: enum {transparent, opaque}, category: option<string>'
const attributes = `record {${metadata}, sensitivity: option<enum {data, secret, critical}>}`
const item = `record {key: string, value: list<u8>, revision: u64, ${metadata}}`
const page = `record {items: list<${item}>, next: option<string>}`
const credential =
  'record {alias: string, kind: string, issuer: string, label: string, claims: list<string>, expires: option<u64>}'
const self = 'self: borrow<trellis:handler/store@0.1.0/namespace>'
const context = [
  'connection: string',
  'kind: enum {service, peer, owner}',
  'contract-version: u32',
  'event-id: string',
  'event-type: string',
  'deadline-ms: u32',
  'approved: bool',
  'connection-id: string',
].join(', ')
const keyError = 'enum {unavailable, message-size}'
const question = 'record {text: string, choices: list<string>}'
const outcome = `variant {reply: list<u8>, accepted: _, suspended: ${question}}`
const refusal = 'record {code: string, message: string, retry: bool}'

const importTypes = new Map([
  ['trellis:handler/session@0.1.0#current', `() -> record {${context}}`],
  ['trellis:handler/fields@0.1.0#get', '(name: string) -> result<string, enum {unavailable}>'],
  [
    'trellis:handler/store@0.1.0#open',
    `(label: string) -> result<own<trellis:handler/store@0.1.0/namespace>, ${storeError}>`,
  ],
  [
    'trellis:handler/store@0.1.0#[method]namespace.get',
    `(${self}, key: string) -> result<option<${item}>, ${storeError}>`,
  ],
  [
    'trellis:handler/store@0.1.0#[method]namespace.put',
    `(${self}, key: string, value: list<u8>, expected: option<u64>, attributes: option<${attributes}>) -> ` +
      `result<_, ${storeError}>`,
  ],
  ['trellis:handler/store@0.1.0#[method]namespace.delete', `(${self}, key: string) -> result<_, ${storeError}>`],
  [
    'trellis:handler/store@0.1.0#[method]namespace.scan',
    `(${self}, prefix: string, after: option<string>, limit: u32) -> result<${page}, ${storeError}>`,
  ],
  ['trellis:handler/keys@0.1.0#list', '() -> list<string>'],
  [
    'trellis:handler/keys@0.1.0#algorithm-of',
    `(alias: string) -> result<enum {ed25519, ecdsa-secp256k1, bip340}, ${keyError}>`,
  ],
  ['trellis:handler/keys@0.1.0#public-key', `(alias: string) -> result<list<u8>, ${keyError}>`],
  ['trellis:handler/keys@0.1.0#sign', `(alias: string, message: list<u8>) -> result<list<u8>, ${keyError}>`],
  ['trellis:handler/credentials@0.1.0#list', `() -> list<${credential}>`],
  [
    'trellis:handler/credentials@0.1.0#prove',
    '(alias: string, disclose: list<string>, nonce: list<u8>) -> result<list<u8>, enum {unavailable, nonce}>',
  ],
  [
    'trellis:handler/outbox@0.1.0#notify-owner',
    '(event-type: string, body: list<u8>) -> result<_, enum {unavailable, limit}>',
  ],
  ['trellis:handler/outbox@0.1.0#emit', '(event-type: string, body: list<u8>) -> result<_, enum {unavailable, limit}>'],
  [
    'trellis:handler/outbox@0.1.0#send',
    '(to: string, event-type: string, body: list<u8>) -> result<_, enum {unavailable, limit}>',
  ],
  ['trellis:handler/approval@0.1.0#current', '() -> variant {none: _, yes: _, chosen: string}'],
  ['trellis:handler/clock@0.1.0#now', '() -> u64'],
  ['trellis:handler/random@0.1.0#bytes', '(length: u32) -> list<u8>'],
  ['trellis:handler/audit@0.1.0#note', '(fact: string) -> result<_, enum {limit}>'],
  ['trellis:handler/log@0.1.0#write', '(level: enum {debug, info, warn, error}, message: string)'],
])

const handleType = `(body: list<u8>) -> result<${outcome}, ${refusal}>`

/** What a component declares otherwise than the world does. WASI's fixed table checks its own arguments. */
export function typeMistakes(plan: Plan): string[] {
  const declared = describeFunctions(plan)
  const mistakes = Object.entries(declared.imports).flatMap(([name, type]) =>
    name.startsWith('wasi:') || importTypes.get(name) === type ? [] : [`imports ${JSON.stringify(name)} as ${type}`],
  )
  const { handle } = declared.exports
  return handle === undefined || handle === handleType ? mistakes : [...mistakes, `exports handle as ${handle}`]
}

/** Functions of the world a handler may import. */
export const worldImports: readonly string[] = [...importTypes.keys()]
