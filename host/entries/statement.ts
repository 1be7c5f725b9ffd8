/**
 * Statements: what a user's devices say of each other. Vine-CBOR `[payload, signature]`; the payload is
 * `[1, user, seq, prev, kind, by, at, body]`, and the composite signature is over its bytes.
 */
import type { SigningKey } from '#host/crypto/port.ts'
import { unreachable } from '#host/errors.ts'
import { type Cbor, encodeCbor } from '#host/wire/cbor.ts'

import { SEALING_KEY_BYTES, SIGNATURE_BYTES, SIGNING_KEY_BYTES } from './device.ts'
import { type Fields, readFields } from './fields.ts'
import { HASH_BYTES, parseDeviceId, parseHash, parseUserId } from './ids.ts'
import { DEVICE_LABEL_CHARS_MAX, STATEMENT_BYTES_MAX, STATEMENTS_MAX, ULID_TIME_MS_MAX } from './limits.ts'
import type { DeviceKeys, SignedStatement, Statement, StatementBody } from './model.ts'
import type { EntryCrypto } from './port.ts'

const CONTEXT = 'entries/1 statement'
const LABEL = new TextEncoder().encode(CONTEXT)
const FORMAT = 1
const KINDS = ['root', 'attest', 'revoke', 'rename', 'backup'] as const
const kind = { what: 'statement', code: 'entry-invalid', bytesMax: STATEMENT_BYTES_MAX, itemsMax: 32 } as const

/** @throws Refusal `entry-invalid` for what `decodeStatement` would not read */
export function signStatement(crypto: EntryCrypto, statement: Statement, signer: SigningKey): SignedStatement {
  const payload = encodeCbor([
    FORMAT,
    statement.user,
    statement.seq,
    statement.prev,
    statement.body.kind,
    statement.by,
    statement.at,
    bodyCbor(statement.body),
  ])
  return decodeStatement(crypto, encodeCbor([payload, signer.sign(CONTEXT, payload)]))
}

/** Reads a statement; whose it is remains to be judged. @throws Refusal `entry-invalid` */
export function decodeStatement(crypto: EntryCrypto, bytes: Uint8Array): SignedStatement {
  const outer = readFields(kind, bytes)
  const payload = outer.bytesUpTo('payload', STATEMENT_BYTES_MAX)
  const signature = outer.bytes('signature', SIGNATURE_BYTES)
  outer.end()
  return { bytes, payload, signature, hash: parseHash(crypto.digest(LABEL, payload)), statement: readPayload(payload) }
}

/** Whether the signature is this key's. */
export function verifyStatement(crypto: EntryCrypto, signed: SignedStatement, signingKey: Uint8Array): boolean {
  const { payload, signature } = signed
  return crypto.verify({ publicKey: signingKey, context: CONTEXT, message: payload, signature })
}

function readPayload(payload: Uint8Array): Statement {
  const fields = readFields(kind, payload)
  fields.literal('format', FORMAT)
  const user = parseUserId(fields.bytes('user', HASH_BYTES))
  const seq = fields.uint('seq', STATEMENTS_MAX)
  const prev = fields.maybe((next) => parseHash(next.bytes('prev', HASH_BYTES)))
  const name = fields.choice('kind', KINDS)
  const by = parseDeviceId(fields.bytes('by', HASH_BYTES))
  const at = fields.uint('at', ULID_TIME_MS_MAX)
  const inner = fields.inner('body')
  const body = readBody(name, inner)
  inner.end()
  fields.end()
  return { user, seq, prev, by, at, body }
}

function bodyCbor(body: StatementBody): Cbor {
  switch (body.kind) {
    case 'root':
      return [body.label, body.keys.signing, body.keys.sealing]
    case 'attest':
      return [body.label, body.keys.signing, body.keys.sealing, body.role, body.expires]
    case 'revoke':
      return [body.device, body.heads, body.heir]
    case 'rename':
      return [body.device, body.label]
    case 'backup':
      return [body.key]
    default:
      return unreachable(body)
  }
}

function readBody(name: StatementBody['kind'], fields: Fields): StatementBody {
  switch (name) {
    case 'root':
      return { kind: name, label: readLabel(fields), keys: readKeys(fields) }
    case 'attest': {
      const label = readLabel(fields)
      const keys = readKeys(fields)
      const role = fields.choice('role', ['device', 'vault'])
      return { kind: name, label, keys, role, expires: fields.maybe((next) => next.uint('expires', ULID_TIME_MS_MAX)) }
    }
    case 'revoke': {
      const device = parseDeviceId(fields.bytes('device', HASH_BYTES))
      const heads = parseHash(fields.bytes('heads', HASH_BYTES))
      return { kind: name, device, heads, heir: fields.maybe((next) => parseDeviceId(next.bytes('heir', HASH_BYTES))) }
    }
    case 'rename':
      return { kind: name, device: parseDeviceId(fields.bytes('device', HASH_BYTES)), label: readLabel(fields) }
    case 'backup':
      return { kind: name, key: fields.maybe((next) => next.bytes('key', SEALING_KEY_BYTES)) }
    default:
      return unreachable(name)
  }
}

function readLabel(fields: Fields): string {
  return fields.text('label', DEVICE_LABEL_CHARS_MAX)
}

function readKeys(fields: Fields): DeviceKeys {
  const signing = fields.bytes('signing key', SIGNING_KEY_BYTES)
  return { signing, sealing: fields.bytes('sealing key', SEALING_KEY_BYTES) }
}
