/** This process as an enclave, by software: its image measured, its registers locked, its seal from the key file. */
import { join } from 'node:path'

import { openSoftwareAttestor } from '#enclave/attestor.ts'
import type { Registers } from '#enclave/registers.ts'
import { openSoftwareEnclave } from '#enclave/seal.ts'
import type { ImageMeasure } from '#enclave/measure.ts'
import { openShowing } from '#enclave/shown.ts'
import type { Enclave, Release, Releases as Published, Showing } from '#host/crypto/enclave.ts'
import { installKey } from '#host/storage/sealer.ts'
import { openSuccessor } from '#host/vault/sealing/succession.ts'
import type { Enclaved } from '#host/vault/vaults.ts'
import { openAttestorKey } from './attest.ts'
import type { Releases } from './releases.ts'

/** An image that was measured, and the entry of the release log that names it. */
export interface Released {
  /** Extended and locked. */
  readonly registers: Registers
  readonly release: Release
}

export interface EnclavedOptions {
  /** Of the installation: its keys are there. */
  readonly folder: string
  readonly image: Released
  /** The image to move to, with what it changes in words. */
  readonly next?: (Released & { readonly changes: string }) | undefined
  /** What the release log lists. */
  readonly releases: Published
  readonly now: () => number
  readonly random: (length: number) => Uint8Array
  readonly warn: (line: string) => void
}

/** @throws Refusal `key-missing` for a key file that is damaged or open to others */
export async function openEnclaved(options: EnclavedOptions): Promise<Enclaved> {
  const { image, next, releases, now, random } = options
  const enclave = await enclaveOf(image, options)
  if (!next) return { enclave, releases, now }
  const beside = await enclaveOf(next, { ...options, warn: () => undefined })
  return { enclave, releases, now, successor: openSuccessor({ enclave: beside, changes: next.changes, now, random }) }
}

/** What the host shows to whoever asks for evidence in software. */
export async function openSoftwareShowing(
  { registers, measure }: { readonly registers: Registers; readonly measure: ImageMeasure },
  { folder, now, listed }: Pick<EnclavedOptions, 'folder' | 'now'> & Pick<Releases, 'listed'>,
): Promise<Showing> {
  // Whoever started the host was warned by its enclave.
  const attestor = openSoftwareAttestor({ key: await openAttestorKey(folder), now, warn: () => undefined, registers })
  return openShowing({ attest: (asked) => attestor.attest(asked), measure, listed })
}

async function enclaveOf({ registers, release }: Released, options: EnclavedOptions): Promise<Enclave> {
  const { folder, now, random, warn } = options
  const attestor = openSoftwareAttestor({ key: await openAttestorKey(folder), now, warn, registers })
  const key = await installKey(join(folder, 'install.key'), { random, create: true })
  return openSoftwareEnclave({ key, attestor, release, now, random })
}
