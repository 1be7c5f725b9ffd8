/** This process as an enclave, by software: its image measured, its registers locked, its seal from the key file. */
import { join } from 'node:path'

import { openSoftwareAttestor } from '#enclave/attestor.ts'
import type { Registers } from '#enclave/registers.ts'
import { openSoftwareEnclave } from '#enclave/seal.ts'
import type { Enclave, Release, Releases } from '#host/crypto/enclave.ts'
import { installKey } from '#host/storage/sealer.ts'
import { openSuccessor } from '#host/vault/sealing/succession.ts'
import type { Enclaved } from '#host/vault/vaults.ts'
import { openAttestorKey } from './attest.ts'

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
  readonly releases: Releases
  readonly now: () => number
  readonly random: (length: number) => Uint8Array
  readonly warn: (line: string) => void
}

/** @throws Refusal `key-missing` for a key file that is damaged or open to others */
export async function openEnclaved(options: EnclavedOptions): Promise<Enclaved> {
  const { image, next, releases, now, random } = options
  const enclave = await enclaveOf(image, options)
  if (!next) return { enclave, releases, now }
  const beside = await enclaveOf(next, options)
  return { enclave, releases, now, successor: openSuccessor({ enclave: beside, changes: next.changes, now, random }) }
}

async function enclaveOf({ registers, release }: Released, options: EnclavedOptions): Promise<Enclave> {
  const { folder, now, random, warn } = options
  const attestor = openSoftwareAttestor({ key: await openAttestorKey(folder), now, warn, registers })
  const key = await installKey(join(folder, 'install.key'), { random, create: true })
  return openSoftwareEnclave({ key, attestor, release, now, random })
}
