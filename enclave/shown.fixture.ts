/** A provider that publishes images nobody wrote, and a host that shows the one it runs. */
import { type Ed25519Key, generateEd25519 } from '#host/crypto/ed25519.ts'
import type { Showing } from '#host/crypto/enclave.ts'
import { nativeEvidence, sha384 } from '#host/crypto/p384.ts'

import { openSoftwareAttestor } from './attestor.ts'
import { listedFile, listingOf } from './listing.fixture.ts'
import { type ImageMeasure, measuredRegisters, measureImage, softwareMeasurement } from './measure.ts'
import { signEntry } from './release-sign.ts'
import { readReleaseLog, type ReleaseLog } from './release-log.ts'
import { openShowing } from './showing.ts'
import type { Trust } from './shown.ts'

export const keyOf = (seed: number): Ed25519Key => generateEd25519(new Uint8Array(32).fill(seed))
export const signers = [keyOf(1), keyOf(2)]
export const providerKeys = signers.map(({ publicKey }) => publicKey.toHex())
const installation = keyOf(9)

/** An image of two handlers; each number is another image. */
export function imageOf(number: number): ImageMeasure {
  const files = ['data', 'payment'].flatMap((id) => [
    listedFile(`components/${id}.wasm`, `${id} ${number}`),
    listedFile(`manifests/${id}.json`, `{"${id}":${number}}`),
  ])
  return measureImage(listingOf(files, { release: number }))
}

/** What stands in a log: a released number, or a withdrawn one below zero. */
export function logOf(numbers: readonly number[], { by = signers, notes = '', version = '' } = {}): ReleaseLog {
  const lines: string[] = []
  let previous = '00'.repeat(48)
  for (const number of numbers) {
    const place = { serial: lines.length + 1, previous, at: 0 }
    const { root, handlerRoot } = imageOf(Math.abs(number))
    const line = signEntry(
      number < 0
        ? { kind: 'retire', ...place, release: -number, reason: 'a mistake' }
        : {
            kind: 'release',
            ...place,
            release: number,
            version: version || `1.${number}`,
            root: root.toHex(),
            handlerRoot: handlerRoot.toHex(),
            measurements: [softwareMeasurement({ root }).toHex()],
            notes,
          },
      by,
    )
    lines.push(`${new TextDecoder().decode(line)}\n`)
    previous = sha384(line).toHex()
  }
  return readReleaseLog(
    nativeEvidence,
    new TextEncoder().encode(lines.join('')),
    by.map(({ publicKey }) => publicKey.toHex()),
  )
}

/** A host that runs this image, beside this log. */
export function showingOf(
  number: number,
  { log, now, key = installation }: { log: () => ReleaseLog | undefined; now: () => number; key?: Ed25519Key },
): Showing {
  const measure = imageOf(number)
  const attestor = openSoftwareAttestor({ key, now, warn: () => {}, registers: measuredRegisters(measure) })
  return openShowing({
    attest: (asked) => attestor.attest(asked),
    measure,
    listed: (root, knownSize) => log()?.show(root, knownSize),
  })
}

/** Accepts these images of that installation, or, with none, what the provider released. */
export function trustOf(numbers: readonly number[], releases?: Trust['releases']): Trust {
  const measurements = numbers.map((number) => softwareMeasurement(imageOf(number)).toHex())
  return {
    roots: { nitro: [], software: [installation.publicKey.toHex()], revoked: new Set() },
    policy: { kind: 'software', measurements, registers: new Map(), maxAgeMs: 60_000 },
    releases,
  }
}
