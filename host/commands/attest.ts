/** `trellis attest`: measures an image as boot does, and has it signed: evidence, or a handler's proof bundle. */
import { access } from 'node:fs/promises'
import { join } from 'node:path'

import { type Attestor, openSoftwareAttestor } from '#enclave/attestor.ts'
import { REGISTERS } from '#enclave/limits.ts'
import { extensionsOf } from '#enclave/measure.ts'
import { openNitroAttestor } from '#enclave/nsm.ts'
import { nsmSocket } from '#enclave/nsm-socket.ts'
import { encodeProof } from '#enclave/prove.ts'
import type { Ed25519Key } from '#host/crypto/ed25519.ts'
import { Refusal } from '#host/errors.ts'
import { makeSecretFile, readSecretFile } from '#host/storage/secret-file.ts'
import { writeOutput } from './files.ts'
import { readMeasured } from './image/read.ts'
import { keyOf, readKeyFile } from './release/key-files.ts'
import { surroundings } from './surroundings.ts'
import { warn } from './warn.ts'

const KEY_FILE = 'attestor.key'

export interface AttestOptions {
  readonly image: string
  readonly out: string
  /** The data folder whose key signs, in software. */
  readonly data?: string | undefined
  /** The socket of the process that owns a Nitro security module. */
  readonly nsm?: string | undefined
  readonly nonce?: Uint8Array | undefined
  /** Wraps the evidence with the proof of this handler. */
  readonly handler?: string | undefined
}

/**
 * @throws Refusal `image-…`; `input-invalid` for a file that cannot be used, or when neither a data folder nor a module
 *   is given; `key-missing` for a key that is none
 */
export async function attest(options: AttestOptions): Promise<void> {
  const { measure, measurement } = await readMeasured(options.image)
  const attestor = await openAttestor(options)
  for (const [index, data] of extensionsOf(measure)) await attestor.extend(index, data)
  await attestor.lockBelow(REGISTERS)
  const evidence = await attestor.attest({ nonce: options.nonce })
  const bytes = options.handler === undefined ? evidence : encodeProof(evidence, measure, options.handler)
  await writeOutput(options.out, bytes)
  console.log(`attestor     ${attestor.kind}, hardware: ${attestor.hardware}`)
  if (attestor.kind === 'software') {
    console.log(`key          ${attestor.key.toHex()}`)
    console.log(`measurement  ${measurement.toHex()}`)
  }
  console.log(`${options.handler === undefined ? 'evidence' : 'proof   '}     ${bytes.length} bytes in ${options.out}`)
}

async function openAttestor({ data, nsm }: AttestOptions): Promise<Attestor> {
  if (nsm !== undefined) return openNitroAttestor(nsmSocket(nsm))
  if (data === undefined) throw new Refusal('input-invalid', 'attest: give --data <dir> to sign in software, or --nsm')
  return openSoftwareAttestor({ key: await openAttestorKey(data), now: surroundings.now, warn })
}

/**
 * This installation's own key for evidence. A new one is announced: whoever trusted the old one must be told.
 *
 * @throws Refusal `input-invalid` for a folder that is none, `key-missing` for a key that is damaged or open to others
 */
export async function openAttestorKey(folder: string, tell: (line: string) => void = warn): Promise<Ed25519Key> {
  const file = join(folder, KEY_FILE)
  await access(folder).catch((cause: unknown) => {
    throw new Refusal('input-invalid', `attest: ${folder} is no data folder: trellis up --data makes one`, { cause })
  })
  const found = await readSecretFile(file)
  if (found !== undefined) return keyOf(found)
  if (await makeSecretFile(file, surroundings.random)) {
    tell(`attestation: made a new key, ${file}: evidence of an earlier one no longer matches`)
  }
  return readKeyFile(file)
}
