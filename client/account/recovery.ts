/** What opens an account again: a device's seeds in a file under a passphrase, or what the operator's key opens. */
import type { OpeningKey } from '#host/crypto/port.ts'
import { openBook } from '#client/entries/book.ts'
import type { OpenedVersion } from '#client/entries/reading.ts'
import type { Finding } from '#host/entries/finding.ts'
import type { UserId } from '#host/entries/ids.ts'
import type { Outline, ServedEntry } from '#host/entries/model.ts'
import type { EntryCrypto } from '#host/entries/port.ts'
import { SIGNING_KEY_BYTES } from '#host/entries/device.ts'

/** What a host kept for the operator's backup key, to be opened where that key is. */
export interface BackupCopy {
  readonly user: UserId
  readonly statements: readonly Uint8Array[]
  /** The lists of heads that the revocations name. */
  readonly heads: readonly Uint8Array[]
  readonly entries: readonly ServedEntry[]
}

export interface BackedUp {
  readonly outline: Outline
  readonly content: Uint8Array
}

/**
 * Opens current versions with the operator's offline key: judged like on a device, so that what is given back to the
 * user is what their devices wrote.
 */
export function openBackup(
  copy: BackupCopy,
  options: {
    readonly crypto: EntryCrypto
    readonly opener: OpeningKey
    readonly now: () => number
    readonly random: (length: number) => Uint8Array
  },
): { readonly entries: readonly BackedUp[]; readonly unshared: number; readonly findings: readonly Finding[] } {
  const { user, statements, heads } = copy
  const book = openBook({ ...options, user, signer: nobody })
  const findings = [...book.learn(user, { statements, heads })]
  const entries: BackedUp[] = []
  let unshared = 0
  for (const served of copy.entries) {
    const read = book.read(user, served)
    findings.push(...read.findings)
    const last = read.versions.at(-1)
    if (last === undefined || last.version.header.operation === 'delete') continue
    const opened = openedOf(last)
    if (opened === undefined) unshared++
    else entries.push(opened)
  }
  return { entries, unshared, findings }
}

function openedOf(version: OpenedVersion): BackedUp | undefined {
  const content = version.content()
  return version.outline === null || content === null ? undefined : { outline: version.outline, content }
}

/** The backup key reads, and signs nothing. */
const nobody = {
  publicKey: new Uint8Array(SIGNING_KEY_BYTES),
  sign(): Uint8Array {
    throw new Error('the backup key signs nothing')
  },
}
