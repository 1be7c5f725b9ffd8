/**
 * What an image is, in two hashes: the root over all its files, and one over its handlers alone. Boot extends PCR16 and
 * PCR17 with them, so that evidence says which files and which handlers run, and a proof says one of them is there.
 */
import { nativeEvidence, sha384 } from '#host/crypto/p384.ts'
import { Refusal } from '#host/errors.ts'
import { encodeCbor } from '#host/wire/cbor.ts'

import { REGISTERS } from './limits.ts'
import { encodeHead, type ImageFile, type ImageManifest } from './listing.ts'
import { handlerEntry, type MeasuredHandler } from './handler-entry.ts'
import { type Inclusion, proveInclusion, treeRoot } from './merkle.ts'
import { extendedOnce, HANDLER_REGISTER, IMAGE_REGISTER, measurementOf } from './measurement.ts'
import { openRegisters, type Registers } from './registers.ts'

export interface ImageMeasure {
  /** PCR16 is extended with it. */
  readonly root: Uint8Array
  /** PCR17 is extended with it. */
  readonly handlerRoot: Uint8Array
  /** Sorted by id. */
  readonly handlers: readonly MeasuredHandler[]
}

/** Of a listing that was decoded, or made. The root is over all that it says. */
export function measureImage(image: ImageManifest): ImageMeasure {
  const digests = new Map(image.files.map((file) => [file.path, Uint8Array.fromHex(file.sha384)]))
  const digestOf = (path: string): Uint8Array => {
    const digest = digests.get(path)
    if (digest) return digest
    throw new Error(`a listing has every handler's files, and not ${path}`)
  }
  const handlers = image.handlers.map(({ id, manifest, component }) => {
    return { id, manifest: digestOf(manifest), component: digestOf(component) }
  })
  const entries = [encodeCbor(['trellis/image/2', sha384(encodeHead(image))]), ...image.files.map(fileEntry)]
  return {
    root: treeRoot(nativeEvidence, entries),
    handlerRoot: treeRoot(nativeEvidence, handlers.map(handlerEntry)),
    handlers,
  }
}

/** The measurement id of a host that runs an image and attests by software: no PCR0 to PCR2 measure what is below. */
export function softwareMeasurement({ root }: Pick<ImageMeasure, 'root'>): Uint8Array {
  return measurementOf(nativeEvidence, 'software', new Map([[IMAGE_REGISTER, extendedOnce(nativeEvidence, root)]]))
}

/** The two extensions of boot, in order. */
export function extensionsOf({
  root,
  handlerRoot,
}: Pick<ImageMeasure, 'root' | 'handlerRoot'>): readonly (readonly [number, Uint8Array])[] {
  return [
    [IMAGE_REGISTER, root],
    [HANDLER_REGISTER, handlerRoot],
  ]
}

/** The registers of an image that boots in software: both roots extended, all locked. */
export function measuredRegisters(measure: Pick<ImageMeasure, 'root' | 'handlerRoot'>): Registers {
  const registers = openRegisters()
  for (const [index, data] of extensionsOf(measure)) registers.extend(index, data)
  for (let index = 0; index < REGISTERS; index++) registers.lock(index)
  return registers
}

/** That a handler, by manifest and component, is of the handler-set root. @throws Refusal `image-unlisted` */
export function proveHandler({ handlers }: ImageMeasure, id: string): Inclusion {
  const index = handlers.findIndex((handler) => handler.id === id)
  if (index !== -1) return proveInclusion(nativeEvidence, handlers.map(handlerEntry), index)
  const names = handlers.map((handler) => handler.id).join(', ') || 'none'
  throw new Refusal('image-unlisted', `image: no handler ${id}: there are ${names}`)
}

function fileEntry({ path, kind, size, sha384: digest }: ImageFile): Uint8Array {
  return encodeCbor(['trellis/file/2', path, kind, size, Uint8Array.fromHex(digest)])
}
