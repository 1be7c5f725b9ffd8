/** `trellis image eif`: an image as an Enclave Image File, and what such a file measures to. */
import { cpioArchive } from '#enclave/cpio.ts'
import { decodeEif, type Eif, encodeEif } from '#enclave/eif.ts'
import { measureEif } from '#enclave/eif-measure.ts'
import { Rejection } from '#enclave/errors.ts'
import type { Image } from '#enclave/image.ts'
import { EIF_BYTES_MAX } from '#enclave/limits.ts'
import { BOOT_FILE, encodeListing, LISTING } from '#enclave/listing.ts'
import { sha384 } from '#host/crypto/p384.ts'
import { Refusal } from '#host/errors.ts'
import { readInput, writeOutput } from '../files.ts'
import { paint } from '../paint.ts'
import { readImageAt } from './read.ts'

export interface EifOptions {
  readonly image: string
  readonly kernel: string
  readonly init: string
  readonly out: string
  readonly cmdline: string
  /** The program that runs the host, as the image lists it. */
  readonly runtime: string
  /** What follows the boot file on its command line. */
  readonly run: readonly string[]
  /** MiB. */
  readonly memory: number
  readonly cpus: number
}

const MIB = 1_048_576
/** What an enclave's init makes the root of everything, and where in it the image and its runtime are. */
const ROOT = 'rootfs'
const IMAGE_AT = '/trellis'
const RUNTIME_AT = '/bin/node'

/**
 * Writes the file: kernel, command line, the given init as first ramdisk, image and runtime as second. The same inputs
 * give the same bytes: metadata carries no date.
 *
 * @returns whether it was written
 * @throws Refusal `image-…`; `image-changed` for a runtime that is not the one the image lists; `input-invalid`
 */
export async function buildEif(options: EifOptions, { json }: { json: boolean }): Promise<boolean> {
  const image = await readImageAt(options.image)
  const text = new TextEncoder()
  const ramdisk = cpioArchive([
    { path: 'cmd', data: text.encode([RUNTIME_AT, `${IMAGE_AT}/${BOOT_FILE}`, ...options.run].join('\n')) },
    { path: 'env', data: new Uint8Array() },
    { path: `${ROOT}${RUNTIME_AT}`, data: await readRuntime(image, options.runtime), executable: true },
    { path: `${ROOT}${IMAGE_AT}/${LISTING}`, data: encodeListing(image) },
    ...image.files.map(({ path }) => ({ path: `${ROOT}${IMAGE_AT}/${path}`, data: image.read(path) })),
  ])
  return told(json, async () => {
    const eif: Eif = {
      architecture: image.runtime?.arch === 'arm64' ? 'arm64' : 'x86_64',
      memoryBytes: options.memory * MIB,
      cpus: options.cpus,
      sections: [
        { kind: 'kernel', data: await readPart('kernel', options.kernel) },
        { kind: 'cmdline', data: text.encode(options.cmdline) },
        { kind: 'metadata', data: text.encode(JSON.stringify({ ImageName: 'trellis' })) },
        { kind: 'ramdisk', data: await readPart('init', options.init) },
        { kind: 'ramdisk', data: ramdisk },
      ],
    }
    const bytes = encodeEif(eif)
    await writeOutput(options.out, bytes)
    return eif
  })
}

async function readRuntime({ runtime }: Image, file: string): Promise<Uint8Array> {
  if (runtime === null)
    throw new Refusal('image-missing', 'image: it lists no runtime: build it with trellis image build')
  const bytes = await readPart('runtime', file)
  if (sha384(bytes).toHex() === runtime.sha384) return bytes
  throw new Refusal('image-changed', `image: ${file} is not the runtime that it lists: node ${runtime.version}`)
}

/** Prints what a file measures to. @returns whether it is an EIF @throws Refusal `input-invalid` */
export function measureEifFile(file: string, { json }: { json: boolean }): Promise<boolean> {
  return told(json, async () => decodeEif(await readPart('eif', file)))
}

async function told(json: boolean, make: () => Promise<Eif>): Promise<boolean> {
  try {
    const eif = await make()
    const registers = [...measureEif(eif)].map(([index, value]) => [`PCR${index}`, value.toHex()] as const)
    if (json) console.log(JSON.stringify({ architecture: eif.architecture, ...Object.fromEntries(registers) }))
    else console.log(registers.map(([name, value]) => `${paint.soft(name)}  ${value}`).join('\n'))
    return true
  } catch (error) {
    if (!(error instanceof Rejection)) throw error
    const { code, message } = error
    console.log(json ? JSON.stringify({ code, message }) : `${paint.bad('rejected')}  ${code}: ${message}`)
    return false
  }
}

/** No part has more than the whole may have. */
function readPart(what: string, path: string): Promise<Uint8Array> {
  return readInput(path, { what, bytesMax: EIF_BYTES_MAX })
}
