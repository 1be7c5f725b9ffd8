/** A release log in a file: read whole and verified, added to by one line that is durable before anybody is told. */
import { open } from 'node:fs/promises'

import { Rejection } from '#enclave/errors.ts'
import { RELEASE_LOG_BYTES_MAX, RELEASE_SIGNATURES_MIN } from '#enclave/limits.ts'
import type { ReleaseEntry } from '#enclave/release-entry.ts'
import { type ReleaseLog, readReleaseLog } from '#enclave/release-log.ts'
import { signEntry } from '#enclave/release-sign.ts'
import { nativeEvidence } from '#host/crypto/p384.ts'
import { Refusal } from '#host/errors.ts'
import { readInputIfThere, unusable } from '../files.ts'
import { readKeyFile } from './key-files.ts'

const LOG = { what: 'release log', bytesMax: RELEASE_LOG_BYTES_MAX }

/** What is said, without its place in the log. */
export type Draft = ReleaseEntry extends infer Entry
  ? Entry extends ReleaseEntry
    ? Omit<Entry, 'serial' | 'previous' | 'at'>
    : never
  : never

/**
 * @param keys Ed25519, hex: whose signatures count
 * @returns undefined when there is no file
 * @throws Refusal `release-refused` that says what is wrong with it, `input-invalid` when it cannot be read
 */
export async function readLogFile(file: string, keys: readonly string[]): Promise<ReleaseLog | undefined> {
  const bytes = await readInputIfThere(file, LOG)
  if (bytes === undefined) return undefined
  return refusing(file, () => readReleaseLog(nativeEvidence, bytes, keys))
}

/**
 * Signs an entry and adds it. The log that is there is verified with the same keys first.
 *
 * @throws Refusal `release-refused`, `key-missing`, `input-invalid`
 */
export async function appendEntry(
  file: string,
  draft: Draft,
  { keyFiles, now }: { readonly keyFiles: readonly string[]; readonly now: number },
): Promise<ReleaseEntry> {
  if (keyFiles.length < RELEASE_SIGNATURES_MIN) {
    throw new Refusal('release-refused', `release: give ${RELEASE_SIGNATURES_MIN} keys, each with --key`)
  }
  const keys = await Promise.all(keyFiles.map(readKeyFile))
  const known = keys.map(({ publicKey }) => publicKey.toHex())
  const bytes = (await readInputIfThere(file, LOG)) ?? new Uint8Array()
  return refusing(file, async () => {
    const log = readReleaseLog(nativeEvidence, bytes, known)
    const { kind, ...said } = draft
    const place = { serial: log.entries.length + 1, previous: log.head.toHex(), at: now }
    // The rest of a draft is what its kind has, and the order is that of its one form.
    const entry = { kind, ...place, ...said } as ReleaseEntry
    const line = signEntry(entry, keys)
    const grown = new Uint8Array(bytes.length + line.length + 1)
    grown.set(bytes)
    grown.set(line, bytes.length)
    grown[grown.length - 1] = 10
    readReleaseLog(nativeEvidence, grown, known)
    await using handle = await open(file, 'a', 0o644).catch((cause: unknown) => {
      throw unusable(`release log: ${file} cannot be written`, cause)
    })
    await handle.appendFile(grown.subarray(bytes.length))
    await handle.sync()
    return entry
  })
}

async function refusing<T>(file: string, act: () => T | Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (!(error instanceof Rejection)) throw error
    throw new Refusal('release-refused', `${file}: ${error.code}: ${error.message}`, { cause: error })
  }
}
