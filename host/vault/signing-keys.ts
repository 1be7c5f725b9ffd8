/** The keys a vault signs with for others: its own for documents, and those its owner made. */
import type { KeyAlgorithm } from '#host/crypto/key-algorithm.ts'
import { SECRET_BYTES, type Signer, signerOf } from '#host/crypto/signer.ts'
import { IDENTITY_KEY } from '#host/plugin/manifest.ts'
import type { Change, Namespace } from '#host/storage/port.ts'
import { entries } from './read.ts'
import { decodeRecord, encodeRecord, type KeyRecord } from './records.ts'

export interface SigningKeyEntry {
  readonly signer: Signer
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  /** A signature needs the owner's second factor. */
  readonly critical: boolean
}

/** A fresh key, and the change that stores it under its alias. */
export function newSigningKey(options: {
  readonly alias: string
  readonly algorithm: KeyAlgorithm
  readonly now: number
  readonly random: (length: number) => Uint8Array
}): { readonly entry: SigningKeyEntry; readonly change: Change } {
  const { alias, algorithm, now, random } = options
  const secret = random(SECRET_BYTES)
  try {
    const entry = { signer: signerOf(algorithm, secret), createdAt: now, critical: false }
    return { entry, change: keyChange(alias, { algorithm, secret, createdAt: now }) }
  } finally {
    secret.fill(0)
  }
}

function keyChange(alias: string, record: KeyRecord): Change {
  const hidden = { visibility: 'opaque', sensitivity: 'critical' } as const
  return { namespace: 'system', key: `keys/${alias}`, value: encodeRecord('key', record), ...hidden }
}

/** The change from which on a key signs with the owner's second factor alone; `undefined` when there is none. */
export function protectedKey(system: Namespace, alias: string): Change | undefined {
  const item = system.get(`keys/${alias}`)
  if (!item) return undefined
  const record = decodeRecord('key', item.value)
  try {
    return keyChange(alias, { ...record, critical: true })
  } finally {
    record.secret.fill(0)
  }
}

/** The key for documents, which every vault is born with. */
export function identityKey(options: {
  readonly now: number
  readonly random: (length: number) => Uint8Array
}): Change {
  return newSigningKey({ ...options, alias: IDENTITY_KEY, algorithm: 'ed25519' }).change
}

/** Every key of a vault by alias. */
export function readSigningKeys(system: Namespace): Map<string, SigningKeyEntry> {
  return new Map(
    entries(system, 'keys/').map(([alias, value]) => {
      const { algorithm, secret, createdAt, critical = false } = decodeRecord('key', value)
      const signer = signerOf(algorithm, secret)
      secret.fill(0)
      return [alias, { signer, createdAt, critical }]
    }),
  )
}
