/** What is wrong with what a host serves, by name: see docs/entries.md for what each means. */
import type { EntryId } from './ids.ts'

/** Every finding there is. A code never changes its meaning. */
export const findingCodes = [
  // versions
  'version-malformed',
  'version-foreign',
  'version-forged',
  'version-dropped',
  'version-reordered',
  'outline-altered',
  'content-altered',
  'outline-missing',
  // who signed
  'signer-unknown',
  'signer-not-allowed',
  'signer-revoked',
  'signer-expired',
  'signer-unplaced',
  // entries
  'entry-rolled-back',
  'entry-forked',
  'entry-withheld',
  'prune-invalid',
  // shares
  'recipients-altered',
  'share-withheld',
  'share-swapped',
  // directories
  'directory-rolled-back',
  'directory-forked',
  'directory-broken',
  'device-forged',
  'attestation-foreign',
  'statement-void',
  'revocation-hidden',
  // two devices
  'view-split',
] as const

export type FindingCode = (typeof findingCodes)[number]

export interface Finding {
  readonly code: FindingCode
  /** For the owner: lower case, names the thing, holds no secret. */
  readonly message: string
  readonly entry: EntryId | null
}
