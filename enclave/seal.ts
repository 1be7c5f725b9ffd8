/**
 * The software enclave: a seal that opens for one image on one installation. Its key is derived from the installation's
 * key file and the measurement, so that another image's host derives another. Whoever holds the key file can derive
 * every one of them: what protects a vault then is the owner's secret, which is not here.
 */
import { createHmac, type KeyObject } from 'node:crypto'

import { type Enclave, type Release } from '#host/crypto/enclave.ts'
import { wrapSecret } from '#host/crypto/kdf.ts'
import { nativeEvidence } from '#host/crypto/p384.ts'
import { openSalted, sealSalted } from '#host/crypto/salted.ts'
import { Refusal } from '#host/errors.ts'
import { encodeCbor } from '#host/wire/cbor.ts'

import type { SoftwareAttestor } from './attestor.ts'
import { Rejection } from './errors.ts'
import { SUCCESSOR_AGE_MS } from './limits.ts'
import { softwareMeasurement } from './measure.ts'
import { IMAGE_REGISTER, extendedOnce } from './measurement.ts'
import { judgeEvidence } from './policy.ts'
import { decodeEvidence, verifyEvidence } from './verify.ts'

const KIND = 'software'

export interface SoftwareEnclaveOptions {
  /** Of this installation, 32 bytes. */
  readonly key: KeyObject
  /** Extended with the image of `release`, and locked. */
  readonly attestor: SoftwareAttestor
  readonly release: Release
  readonly now: () => number
  readonly random: (length: number) => Uint8Array
}

export function openSoftwareEnclave({ key, attestor, release, now, random }: SoftwareEnclaveOptions): Enclave {
  const measurement = softwareMeasurement(release)
  const sealing = wrapSecret(
    new Uint8Array(
      createHmac('sha256', key)
        .update(encodeCbor(['trellis/seal/1', KIND, measurement]))
        .digest(),
    ),
  )
  const bound = (context: Uint8Array): { key: KeyObject; aad: Uint8Array } => ({
    key: sealing,
    aad: encodeCbor(['trellis/sealed/1', KIND, measurement, context]),
  })
  return {
    kind: KIND,
    measurement,
    release,
    attest: (asked) => attestor.attest(asked),
    seal: (secret, context) => sealSalted(bound(context), secret, random),
    open(blob, context) {
      try {
        return openSalted(bound(context), blob)
      } catch (cause) {
        if (!(cause instanceof Refusal)) throw cause
        const what = 'this was sealed by other code, another installation or another kind of enclave'
        throw new Refusal('key-missing', `${what}: start the image that sealed it`, { cause })
      }
    },
    recognize(evidence, question) {
      const roots = { nitro: [], software: [attestor.key.toHex()], revoked: new Set<string>() }
      try {
        const genuine = verifyEvidence(nativeEvidence, decodeEvidence(evidence), roots)
        // Which code it is decides the release log: here any is named that this installation's attestor measured.
        const found =
          genuine.evidence.claims.registers.get(IMAGE_REGISTER) ?? extendedOnce(nativeEvidence, release.root)
        const registers = new Map([[IMAGE_REGISTER, [found.toHex()]]])
        const policy = { kind: KIND, measurements: [], registers, maxAgeMs: SUCCESSOR_AGE_MS } as const
        return judgeEvidence(genuine, policy, { nowMs: now(), ...question }).measurement
      } catch (cause) {
        if (!(cause instanceof Rejection)) throw cause
        throw new Refusal('move-refused', `the successor’s ${cause.message}`, { cause })
      }
    },
  }
}
