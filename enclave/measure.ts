/**
 * What an image is, in two hashes: the root over all its files, and one over its handlers alone. Boot extends PCR16 and
 * PCR17 with them, so that evidence says which files and which handlers run, and a proof says one of them is there.
 */
import { Refusal } from '#host/errors.ts'
import { encodeCbor } from '#host/wire/cbor.ts'

import type { ImageManifest } from './image.ts'
import { type Inclusion, proveInclusion, treeRoot } from './merkle.ts'
import { extendedOnce, HANDLER_REGISTER, IMAGE_REGISTER, measurementOf } from './registers.ts'

type Files = ImageManifest['files']

/** A handler as the handler-set root holds it. Digests are SHA-384. */
export interface MeasuredHandler {
  readonly id: string
  readonly manifest: Uint8Array
  readonly component: Uint8Array
}

export interface ImageMeasure {
  /** PCR16 is extended with it. */
  readonly root: Uint8Array
  /** PCR17 is extended with it. */
  readonly handlerRoot: Uint8Array
  /** Sorted by id. */
  readonly handlers: readonly MeasuredHandler[]
}

const COMPONENT = /^components\/([^/]+)\.wasm$/

/** @throws Refusal `image-unlisted` naming a component's manifest that is not listed */
export function measureImage(files: Files): ImageMeasure {
  const handlers = handlersOf(files)
  return { root: treeRoot(files.map(fileEntry)), handlerRoot: treeRoot(handlers.map(handlerEntry)), handlers }
}

/** The measurement id of a host that runs an image and attests by software: no PCR0 to PCR2 measure what is below. */
export function softwareMeasurement({ root }: Pick<ImageMeasure, 'root'>): Uint8Array {
  return measurementOf('software', new Map([[IMAGE_REGISTER, extendedOnce(root)]]))
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

/** That a handler, by manifest and component, is of the handler-set root. @throws Refusal `image-unlisted` */
export function proveHandler({ handlers }: ImageMeasure, id: string): Inclusion {
  const index = handlers.findIndex((handler) => handler.id === id)
  if (index !== -1) return proveInclusion(handlers.map(handlerEntry), index)
  const names = handlers.map((handler) => handler.id).join(', ') || 'none'
  throw new Refusal('image-unlisted', `image: no handler ${id}: there are ${names}`)
}

/** The bytes of a handler in its tree: one form, of its own domain. */
export function handlerEntry({ id, manifest, component }: MeasuredHandler): Uint8Array {
  return encodeCbor(['trellis/handler/1', id, manifest, component])
}

function fileEntry({ path, size, sha384 }: Files[number]): Uint8Array {
  return encodeCbor(['trellis/file/1', path, size, Uint8Array.fromHex(sha384)])
}

function handlersOf(files: Files): readonly MeasuredHandler[] {
  const digests = new Map(files.map(({ path, sha384 }) => [path, sha384]))
  const handlers = files.flatMap(({ path, sha384 }) => {
    const id = COMPONENT.exec(path)?.[1]
    if (id === undefined) return []
    const manifest = digests.get(`manifests/${id}.json`)
    if (manifest === undefined) {
      throw new Refusal('image-unlisted', `image: manifests/${id}.json is not listed: build the image with it`)
    }
    return [{ id, manifest: Uint8Array.fromHex(manifest), component: Uint8Array.fromHex(sha384) }]
  })
  return handlers.toSorted((a, b) => (a.id < b.id ? -1 : 1))
}
