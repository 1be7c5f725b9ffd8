/** The owner's yes to one contract, signed by one of their devices: `['vine/1 acceptance', payload, signature]`. */
import type { SigningKey, Suite } from '#host/crypto/port.ts'
import { Refusal } from '#host/errors.ts'
import { ACCEPTANCE_BYTES_MAX, CONTRACT_FIELDS_MAX } from '#host/limits.ts'
import { bytesOf, check, timestamp, z } from '#host/schema.ts'
import { equalBytes } from '#host/wire/bytes.ts'

import type { SignedContract } from './contract.ts'
import { openSigned, type SignedKind, signValue } from './signed.ts'

export interface Acceptance {
  /** 32 bytes: the hash of the contract as received, so that the yes is to these very words. */
  readonly contractHash: Uint8Array
  readonly version: number
  /** The connection it is for: a yes to one is no yes to another under the same contract. */
  readonly connection: string
  /** Names of optional fields that are not given. */
  readonly declined: readonly string[]
  /** Milliseconds since the epoch, by the device's clock. */
  readonly acceptedAt: number
}

const signedAcceptance: SignedKind = {
  label: 'vine/1 acceptance',
  what: 'acceptance',
  code: 'contract-invalid',
  bytesMax: ACCEPTANCE_BYTES_MAX,
  itemsMax: 2 * CONTRACT_FIELDS_MAX,
}

/**
 * The bytes a device sends and the vault keeps.
 *
 * @throws Refusal `contract-invalid` when a field is declined that is not optional
 */
export function signAcceptance(
  answer: {
    readonly contract: SignedContract
    readonly connection: string
    readonly declined: readonly string[]
    readonly acceptedAt: number
  },
  key: SigningKey,
): Uint8Array {
  const { contract, hash } = answer.contract
  const { connection, acceptedAt } = answer
  const acceptance = { contractHash: hash, version: contract.version, connection, acceptedAt }
  checkDeclined(answer.contract, answer.declined)
  return signValue(signedAcceptance, { ...acceptance, declined: [...answer.declined] }, key)
}

/**
 * The acceptance, if it is this device's yes to this contract.
 *
 * @param about.deviceKey raw composite verify key, 1,984 bytes
 * @throws Refusal `contract-stale` when it accepts another contract or version; `contract-invalid` for anything else
 */
export function verifyAcceptance(
  crypto: Suite,
  bytes: Uint8Array,
  about: { readonly contract: SignedContract; readonly connection: string; readonly deviceKey: Uint8Array },
): Acceptance {
  const { value } = openSigned(crypto, signedAcceptance, { bytes, by: about.deviceKey })
  const acceptance = check(acceptanceSchema, value, 'contract-invalid', 'acceptance')
  const { contract, hash } = about.contract
  if (!equalBytes(acceptance.contractHash, hash) || acceptance.version !== contract.version) {
    throw new Refusal('contract-stale', 'acceptance: not of this contract; read it again and accept what it says now')
  }
  if (acceptance.connection !== about.connection) {
    throw new Refusal('contract-invalid', 'acceptance: for another connection')
  }
  checkDeclined(about.contract, acceptance.declined)
  return acceptance
}

const acceptanceSchema: z.ZodType<Acceptance> = z.strictObject({
  contractHash: bytesOf(32),
  version: z.int().min(1),
  connection: z.string(),
  declined: z.array(z.string()).max(CONTRACT_FIELDS_MAX),
  acceptedAt: timestamp,
})

/** Only what is optional is the owner's to leave out; anything else ends the conversation instead. */
function checkDeclined({ contract }: SignedContract, declined: readonly string[]): void {
  const optional = new Set(contract.fields.filter(({ tier }) => tier === 'optional').map(({ name }) => name))
  const wrong = declined.filter((name, index) => !optional.has(name) || declined.indexOf(name) !== index)
  if (wrong.length === 0) return
  const names = wrong.map((name) => JSON.stringify(name)).join(', ')
  throw new Refusal('contract-invalid', `acceptance: only optional fields may be declined, each once: ${names}`)
}
