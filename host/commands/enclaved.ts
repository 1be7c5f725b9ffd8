/** This process as an enclave, by software: its image measured, its registers locked, its seal from the key file. */
import { join } from 'node:path'

import { openSoftwareAttestor } from '#enclave/attestor.ts'
import type { Registers } from '#enclave/registers.ts'
import { openSoftwareEnclave } from '#enclave/seal.ts'
import type { Boot } from '#enclave/boot.ts'
import { type ImageMeasure, softwareMeasurement } from '#enclave/measure.ts'
import { openNitroAttestor } from '#enclave/nsm.ts'
import { nsmSocket } from '#enclave/nsm-socket.ts'
import { openShowing } from '#enclave/showing.ts'
import type { Enclave, Release, Releases as Published, Showing } from '#host/crypto/enclave.ts'
import { Refusal } from '#host/errors.ts'
import { installKey } from '#host/storage/sealer.ts'
import type { Enclaved } from '#host/vault/vaults.ts'
import { openAttestorKey } from './attest.ts'
import { measuredOf } from './image/read.ts'
import { RELEASES_FILE, type Releases } from './releases.ts'
import { lookBeside } from './succession/beside.ts'
import { socketIn } from './succession/questions.ts'

/** An image that was measured, and the entry of the release log that names it. */
export interface Released {
  /** Extended and locked. */
  readonly registers: Registers
  readonly release: Release
}

export interface EnclaveOptions {
  /** Of the installation: its keys are there. */
  readonly folder: string
  readonly now: () => number
  readonly random: (length: number) => Uint8Array
  readonly warn: (line: string) => void
}

/** @throws Refusal `key-missing` for a key file that is damaged or open to others */
export async function openEnclave({ registers, release }: Released, options: EnclaveOptions): Promise<Enclave> {
  const { folder, now, random, warn } = options
  const attestor = openSoftwareAttestor({ key: await openAttestorKey(folder), now, warn, registers })
  const key = await installKey(join(folder, 'install.key'), { random, create: true })
  return openSoftwareEnclave({ key, attestor, release, now, random })
}

/** Protected vaults need a seal, and a security module has none here: a host beside one opens none. */
export function enclavedOf(
  { image, registers, measure }: Boot,
  { releases, left, ...options }: EnclaveOptions & Pick<Enclaved, 'left'> & { readonly releases: Releases },
): (() => Promise<Enclaved>) | undefined {
  if (registers === undefined) return undefined
  return async () => {
    const enclave = await openEnclave(releasedOf(measure, { registers, releases }), options)
    const about = { ...options, enclave, releases, image: measuredOf(image), socket: socketIn(options.folder) }
    return { enclave, releases, now: options.now, successor: lookBeside(about), left }
  }
}

/**
 * This process as the one that another host's vaults may move to.
 *
 * @throws Refusal `release-refused` when its image is no active release, `move-refused` beside a security module
 */
export async function successorOf(
  { registers, measure }: Boot,
  { releases, ...options }: EnclaveOptions & { readonly releases: Releases },
): Promise<Enclave> {
  if (registers === undefined) {
    throw new Refusal('move-refused', 'up: a security module has no seal here, and no vault to hand over')
  }
  const release = releases.find(softwareMeasurement(measure))
  if (release) return openEnclave({ registers, release }, options)
  const why = 'this image is no active release of its own keys'
  throw new Refusal('release-refused', `up: ${why}: put the release log that lists it into ${RELEASES_FILE}`)
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
  }: Pick<EnclaveOptions, 'folder' | 'now'> & { readonly releases: Releases; readonly nsm?: string | undefined },
): Promise<Showing> {
  // Whoever started the host was warned by its enclave.
  const attestor = registers
    ? openSoftwareAttestor({ key: await openAttestorKey(folder), now, warn: unheard, registers })
    : openNitroAttestor(nsmSocket(nsm))
  return openShowing({ attest: (asked) => attestor.attest(asked), measure, ...releases })
}

/** An image that no release log names: vaults are protected in it, and move nowhere. */
function unreleased({ root }: ImageMeasure): Release {
  return { id: root.toHex().slice(0, 16), root, serial: 0 }
}

function unheard(): void {}
