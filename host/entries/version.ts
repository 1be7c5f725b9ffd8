/**
 * Versions: a header in vine-CBOR, its hash, and a composite signature over entry id, version ulid and that hash. The
 * header holds the hashes of what is sealed and of the version before, so that one signature holds the whole chain.
 */
import type { SigningKey } from '#host/crypto/port.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { compareBytes, joinBytes } from '#host/wire/bytes.ts'
import { Refusal } from '#host/errors.ts'

import { SIGNATURE_BYTES } from './device.ts'
import { type Fields, readFields } from './fields.ts'
import {
  type DeviceId,
  type Hash,
  HASH_BYTES,
  parseDeviceId,
  parseEntryId,
  parseHash,
  parseUserId,
  parseVersionId,
  ULID_BYTES,
} from './ids.ts'
import { AUDIENCE_USERS_MAX, HEADER_BYTES_MAX, STATEMENTS_MAX, ULID_TIME_MS_MAX, VERSIONS_MAX } from './limits.ts'
import type { Audience, DirectoryHead, SignedVersion, VersionHeader } from './model.ts'
import type { EntryCrypto } from './port.ts'

const CONTEXT = 'entries/1 version'
const FORMAT = 1
const utf8 = new TextEncoder()
const HASH_LABEL = utf8.encode('entries/1 content hash')
const RECIPIENTS_LABEL = utf8.encode('entries/1 recipients')
const OPERATIONS = ['put', 'delete', 'restore'] as const
const kind = { what: 'version', code: 'entry-invalid', bytesMax: HEADER_BYTES_MAX, itemsMax: 128 } as const

/** @throws Refusal `entry-invalid` for what `decodeVersion` would not read */
export function signVersion(crypto: EntryCrypto, header: VersionHeader, signer: SigningKey): SignedVersion {
  const bytes = encodeHeader(header)
  const hash = contentHash(crypto, bytes)
  return decodeVersion(crypto, { header: bytes, signature: signer.sign(CONTEXT, signedMessage(header, hash)) })
}

/** Reads a version; whose it is remains to be judged. @throws Refusal `entry-invalid` */
export function decodeVersion(
  crypto: EntryCrypto,
  { header: bytes, signature }: { readonly header: Uint8Array; readonly signature: Uint8Array },
): SignedVersion {
  const header = readHeader(bytes)
  if (signature.length !== SIGNATURE_BYTES) {
    throw new Refusal('entry-invalid', `version: a signature has ${SIGNATURE_BYTES} bytes`)
  }
  return { header, bytes, hash: contentHash(crypto, bytes), signature }
}

/** Whether the signature is this key's over this version. */
export function verifyVersion(crypto: EntryCrypto, version: SignedVersion, signingKey: Uint8Array): boolean {
  const message = signedMessage(version.header, version.hash)
  return crypto.verify({ publicKey: signingKey, context: CONTEXT, message, signature: version.signature })
}

/** The signed bytes, 70: entry id, version ulid and content hash, each after its length in two bytes, big-endian. */
export function signedMessage({ entry, version }: Pick<VersionHeader, 'entry' | 'version'>, hash: Hash): Uint8Array {
  return joinBytes([entry, version, hash].flatMap((part) => [[part.length >> 8, part.length & 0xff], part]))
}

/** SHA-256 of `entries/1 recipients` and the ids in ascending order. */
export function hashRecipients(crypto: EntryCrypto, recipients: readonly DeviceId[]): Hash {
  return parseHash(crypto.digest(RECIPIENTS_LABEL, ...recipients.toSorted(compareBytes)))
}

/** SHA-256 of `entries/1 content hash` and a header's bytes: what names a version. */
export function contentHash(crypto: EntryCrypto, header: Uint8Array): Hash {
  return parseHash(crypto.digest(HASH_LABEL, header))
}

function encodeHeader(header: VersionHeader): Uint8Array {
  const { audience, directory } = header
  return encodeCbor([
    FORMAT,
    header.user,
    header.entry,
    header.version,
    header.seq,
    header.prev,
    header.operation,
    header.from,
    header.content,
    header.outline,
    header.recipients,
    [audience.handlers, audience.users],
    [directory.seq, directory.hash],
    header.at,
    header.by,
  ])
}

function readHeader(bytes: Uint8Array): VersionHeader {
  const fields = readFields(kind, bytes)
  fields.literal('format', FORMAT)
  const header: VersionHeader = {
    user: parseUserId(fields.bytes('user', HASH_BYTES)),
    entry: parseEntryId(fields.bytes('entry', ULID_BYTES)),
    version: parseVersionId(fields.bytes('version', ULID_BYTES)),
    seq: fields.uint('seq', VERSIONS_MAX),
    prev: readHash(fields, 'prev'),
    operation: fields.choice('operation', OPERATIONS),
    from: readHash(fields, 'from'),
    content: readHash(fields, 'content'),
    outline: readHash(fields, 'outline'),
    recipients: parseHash(fields.bytes('recipients', HASH_BYTES)),
    audience: readAudience(fields.inner('audience')),
    directory: readDirectoryHead(fields.inner('directory')),
    at: fields.uint('at', ULID_TIME_MS_MAX),
    by: parseDeviceId(fields.bytes('by', HASH_BYTES)),
  }
  fields.end()
  const wrong = contradiction(header)
  if (wrong !== undefined) throw new Refusal('entry-invalid', `version: ${wrong}`)
  return header
}

function readHash(fields: Fields, name: string): Hash | null {
  return fields.maybe((next) => parseHash(next.bytes(name, HASH_BYTES)))
}

/** `[seq, hash]`. */
export function readDirectoryHead(fields: Fields): DirectoryHead {
  const head = { seq: fields.uint('directory seq', STATEMENTS_MAX), hash: parseHash(fields.bytes('hash', HASH_BYTES)) }
  fields.end()
  return head
}

function readAudience(fields: Fields): Audience {
  const handlers = fields.flag('handlers')
  const users = fields.list('users', AUDIENCE_USERS_MAX, (item) => parseUserId(item.bytes('user', HASH_BYTES)))
  fields.end()
  return { handlers, users }
}

/** What no version says: each is one mistake or one trick less for whoever reads on. */
function contradiction(header: VersionHeader): string | undefined {
  const { seq, prev, operation, content, outline, from, audience } = header
  if (seq < 1 || (seq === 1) !== (prev === null)) return 'the first has seq 1 and none before it, every other has both'
  if (seq === 1 && operation !== 'put') return 'the first must put something'
  if ((operation === 'restore') !== (from !== null)) return 'restore, and nothing else, says from what'
  const sealed = operation === 'delete' ? content === null && outline === null : content !== null && outline !== null
  if (!sealed) return 'a tombstone has no content and no outline, every other has both'
  if (operation === 'delete' && (audience.handlers || audience.users.length > 0)) return 'a tombstone is for nobody'
  const ascend = audience.users.every((user, index) => {
    const before = audience.users[index - 1]
    return before === undefined || compareBytes(before, user) < 0
  })
  return ascend ? undefined : 'the users of an audience ascend, each once'
}
