/** This process as an enclave, by software: its image measured, its registers locked, its seal from the key file. */
import { join } from 'node:path'

import { openSoftwareAttestor } from '#enclave/attestor.ts'
import type { Registers } from '#enclave/registers.ts'
import { openSoftwareEnclave } from '#enclave/seal.ts'
import type { Boot } from '#enclave/boot.ts'
import { type ImageMeasure, measuredRegisters, softwareMeasurement } from '#enclave/measure.ts'
import { openNitroAttestor } from '#enclave/nsm.ts'
import { nsmSocket } from '#enclave/nsm-socket.ts'
import { openShowing } from '#enclave/showing.ts'
import type { Enclave, Release, Releases as Published, Showing } from '#host/crypto/enclave.ts'
import { OFFER_TEXT_CHARS_MAX } from '#host/contracts/limits.ts'
import { Refusal } from '#host/errors.ts'
import { installKey } from '#host/storage/sealer.ts'
import { openSuccessor } from '#host/vault/sealing/succession.ts'
import type { Enclaved } from '#host/vault/vaults.ts'
import { openAttestorKey } from './attest.ts'
import { releaseNote } from './image/diff.ts'
import { measuredOf, readMeasured } from './image/read.ts'
import { RELEASES_FILE, type Releases } from './releases.ts'

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
  const beside = await enclaveOf(next, { ...options, warn: unheard })
  return { enclave, releases, now, successor: openSuccessor({ enclave: beside, changes: next.changes, now, random }) }
}

/** Protected vaults need a seal, and a security module has none here: a host beside one opens none. */
export function enclavedOf(
  { registers, measure }: Boot,
  { releases, ...options }: Omit<EnclavedOptions, 'image' | 'releases'> & { readonly releases: Releases },
): (() => Promise<Enclaved>) | undefined {
  if (registers === undefined) return undefined
  return () => openEnclaved({ ...options, image: releasedOf(measure, { registers, releases }), releases })
}

/** What the release log says of an image that was measured into these registers. */
export function releasedOf(
  measure: ImageMeasure,
  { registers, releases }: { registers: Registers; releases: Published },
): Released {
  return { registers, release: releases.find(softwareMeasurement(measure)) ?? unreleased(measure) }
}

/** What a host shows to whoever asks for evidence. @throws Refusal `key-missing` */
export async function showingOf(
  { registers, measure }: Boot,
  {
    releases,
    folder,
    now,
    nsm = '',
  }: Pick<EnclavedOptions, 'folder' | 'now'> & { readonly releases: Releases; readonly nsm?: string | undefined },
): Promise<Showing> {
  if (registers) {
    // Whoever started the host was warned by its enclave.
    const attestor = openSoftwareAttestor({ key: await openAttestorKey(folder), now, warn: unheard, registers })
    return openShowing({ attest: (asked) => attestor.attest(asked), measure, ...releases })
  }
  const attestor = openNitroAttestor(nsmSocket(nsm))
  return openShowing({ attest: (asked) => attestor.attest(asked), measure, ...releases })
}

/**
 * The image to move to: measured here, as what it is measured to be the release log must list it.
 *
 * @throws Refusal `image-…`; `release-refused` unless it is a newer active release
 */
export async function nextOf(
  boot: Boot,
  { folder, releases }: { folder: string; releases: Releases },
): Promise<NonNullable<EnclavedOptions['next']>> {
  const [now, next] = [measuredOf(boot.image), await readMeasured(folder)]
  const release = releases.find(next.measurement)
  if (!release) {
    const why = `${folder} is no active release that may follow`
    throw new Refusal('release-refused', `up: ${why}: put the release log that lists it into ${RELEASES_FILE}`)
  }
  const changes = releaseNote(now, next, OFFER_TEXT_CHARS_MAX)
  return { registers: measuredRegisters(next.measure), release, changes }
}

/** An image that no release log names: vaults are protected in it, and move nowhere. */
function unreleased({ root }: ImageMeasure): Release {
  return { id: root.toHex().slice(0, 16), root, serial: 0 }
}

async function enclaveOf({ registers, release }: Released, options: EnclavedOptions): Promise<Enclave> {
  const { folder, now, random, warn } = options
  const attestor = openSoftwareAttestor({ key: await openAttestorKey(folder), now, warn, registers })
  const key = await installKey(join(folder, 'install.key'), { random, create: true })
  return openSoftwareEnclave({ key, attestor, release, now, random })
}

function unheard(): void {}
