/**
 * The recovery file: a device's two secret seeds under a passphrase, for the owner to keep. Its header is in the clear,
 * so that a file found years later says whose it is and what it takes to open.
 *
 * Vine-CBOR `["entries/1 recovery", header, sealed]`; header = vine-CBOR `[1, account, device, server, made at, memory
 * KiB, passes, lanes, salt]`. `okm = HKDF(salt, Argon2id(passphrase), "entries/1 recovery" ‖ SHA-256(header), 64)`;
 * sealed = `okm[0..32] ‖ AES-256-GCM(okm[32..64], nonce 0, aad = header, [signing seed, sealing seed])`: it opens under
 * one passphrase only.
 */
import type { HashPassphrase } from '#host/crypto/port.ts'
import { readFields } from '#host/entries/fields.ts'
import { type DeviceId, HASH_BYTES, parseDeviceId, parseUserId, type UserId } from '#host/entries/ids.ts'
import { ULID_TIME_MS_MAX } from '#host/entries/limits.ts'
import type { EntryCrypto } from '#host/entries/port.ts'
import { Refusal } from '#host/errors.ts'
import { equalBytes, joinBytes } from '#host/wire/bytes.ts'
import { encodeCbor } from '#host/wire/cbor.ts'

import {
  RECOVERY_BYTES_MAX,
  RECOVERY_MEMORY_KIB,
  RECOVERY_MEMORY_KIB_MAX,
  RECOVERY_NAME_CHARS_MAX,
  RECOVERY_PASSES,
  RECOVERY_PASSES_MAX,
} from './limits.ts'
import { parsePassphrase } from './passphrase.ts'

const SIGNING_SEED_BYTES = 64
const SEALING_SEED_BYTES = 32
const SALT_BYTES = 16
const LANES = 1
const FORMAT = 1
const LABEL = 'entries/1 recovery'
const ZERO_NONCE = new Uint8Array(12)
const kind = { what: 'recovery file', code: 'recovery-invalid', bytesMax: RECOVERY_BYTES_MAX, itemsMax: 32 } as const

/** What a device grows from. Whoever holds them wipes them. */
export interface DeviceSeeds {
  /** 64 bytes. */
  readonly signing: Uint8Array
  /** 32 bytes. */
  readonly sealing: Uint8Array
}

/** What anybody can read of a file. */
export interface RecoveryHeader {
  readonly account: UserId
  readonly device: DeviceId
  /** Where the account is: an address, as its owner knows it. */
  readonly server: string
  /** Milliseconds since the epoch. */
  readonly madeAt: number
}

interface Tools {
  readonly crypto: EntryCrypto
  readonly hashPassphrase: HashPassphrase
}

export interface RecoveryInput extends Tools {
  readonly header: RecoveryHeader
  readonly seeds: DeviceSeeds
  readonly passphrase: string
  /** 16 random bytes. */
  readonly salt: Uint8Array
  /** Argon2id's; 64 MiB and 3 passes unless it is said. */
  readonly cost?: Cost
}

interface Cost {
  readonly memoryKiB: number
  readonly passes: number
}

/** @throws Refusal `recovery-invalid` for a passphrase that is too weak, or a cost that is too low */
export async function sealRecovery(input: RecoveryInput): Promise<Uint8Array> {
  const { header: h, seeds, salt, cost = { memoryKiB: RECOVERY_MEMORY_KIB, passes: RECOVERY_PASSES } } = input
  const lanes = LANES
  const words = [FORMAT, h.account, h.device, h.server, h.madeAt, cost.memoryKiB, cost.passes, lanes, salt]
  const header = encodeCbor(words)
  readHeader(header)
  if (seeds.signing.length !== SIGNING_SEED_BYTES || seeds.sealing.length !== SEALING_SEED_BYTES) {
    throw new Error('recovery: a device has seeds of 64 and 32 bytes')
  }
  const plaintext = joinBytes([seeds.signing, seeds.sealing])
  const okm = await keysOf(input, { ...cost, lanes, salt, header })
  const sealed = input.crypto.seal({ key: okm.subarray(HASH_BYTES), nonce: ZERO_NONCE, aad: header }, plaintext)
  const file = encodeCbor([LABEL, header, joinBytes([okm.subarray(0, HASH_BYTES), sealed])])
  okm.fill(0)
  plaintext.fill(0)
  return file
}

/** What a file says without its passphrase; unproven until it opens. @throws Refusal `recovery-invalid` */
export function readRecovery(file: Uint8Array): RecoveryHeader {
  const { account, device, server, madeAt } = readHeader(readFile(file).header)
  return { account, device, server, madeAt }
}

/** @throws Refusal `recovery-invalid`: another passphrase, or a file that was changed. It cannot tell which */
export async function openRecovery(
  file: Uint8Array,
  options: Tools & { readonly passphrase: string },
): Promise<{ readonly header: RecoveryHeader; readonly seeds: DeviceSeeds }> {
  const { header: bytes, sealed } = readFile(file)
  const { memoryKiB, passes, lanes, salt, ...header } = readHeader(bytes)
  const okm = await keysOf(options, { memoryKiB, passes, lanes, salt, header: bytes })
  try {
    if (!equalBytes(sealed.subarray(0, HASH_BYTES), okm.subarray(0, HASH_BYTES))) throw notOpened()
    const context = { key: okm.subarray(HASH_BYTES), nonce: ZERO_NONCE, aad: bytes }
    const seeds = options.crypto.open(context, sealed.subarray(HASH_BYTES))
    if (seeds.length !== SIGNING_SEED_BYTES + SEALING_SEED_BYTES) throw notOpened()
    const opened = { signing: seeds.slice(0, SIGNING_SEED_BYTES), sealing: seeds.slice(SIGNING_SEED_BYTES) }
    seeds.fill(0)
    return { header, seeds: opened }
  } catch (cause) {
    throw cause instanceof Refusal && cause.code !== 'recovery-invalid' ? notOpened(cause) : cause
  } finally {
    okm.fill(0)
  }
}

interface Parameters extends Cost {
  readonly lanes: number
  readonly salt: Uint8Array
  readonly header: Uint8Array
}

async function keysOf(
  { crypto, hashPassphrase, passphrase: text }: Tools & { readonly passphrase: string },
  { header, ...parameters }: Parameters,
): Promise<Uint8Array> {
  const passphrase = parsePassphrase(text)
  const input = await hashPassphrase({ passphrase, ...parameters })
  const info = joinBytes([new TextEncoder().encode(LABEL), crypto.digest(header)])
  const okm = crypto.derive({ salt: parameters.salt, input, info, length: 2 * HASH_BYTES })
  passphrase.fill(0)
  input.fill(0)
  return okm
}

function readFile(file: Uint8Array): { readonly header: Uint8Array; readonly sealed: Uint8Array } {
  const fields = readFields(kind, file)
  fields.literal('label', LABEL)
  const header = fields.bytesUpTo('header', RECOVERY_BYTES_MAX)
  const sealed = fields.bytesUpTo('seeds', RECOVERY_BYTES_MAX)
  fields.end()
  return { header, sealed }
}

function readHeader(bytes: Uint8Array): RecoveryHeader & Cost & { readonly lanes: number; readonly salt: Uint8Array } {
  const fields = readFields(kind, bytes)
  fields.literal('format', FORMAT)
  const account = parseUserId(fields.bytes('account', HASH_BYTES))
  const device = parseDeviceId(fields.bytes('device', HASH_BYTES))
  const server = fields.text('server', RECOVERY_NAME_CHARS_MAX)
  const madeAt = fields.uint('made at', ULID_TIME_MS_MAX)
  const memoryKiB = fields.uint('memory', RECOVERY_MEMORY_KIB_MAX)
  const passes = fields.uint('passes', RECOVERY_PASSES_MAX)
  fields.literal('lanes', LANES)
  const salt = fields.bytes('salt', SALT_BYTES)
  fields.end()
  if (memoryKiB < RECOVERY_MEMORY_KIB || passes < 1) {
    throw new Refusal('recovery-invalid', `recovery file: at least ${RECOVERY_MEMORY_KIB} KiB and 1 pass`)
  }
  return { account, device, server, madeAt, memoryKiB, passes, lanes: LANES, salt }
}

function notOpened(cause?: unknown): Refusal {
  const message = 'recovery file: it does not open: another passphrase, or the file was changed'
  return new Refusal('recovery-invalid', message, { cause })
}
