/**
 * The image: every file that may run or be read, listed with its size and SHA-384 in `image.json`.
 *
 * Each listed file is read once, hashed, and that very buffer is what the host gets: a file that changes afterwards
 * changes nothing. Layout: `image.json`, `boot.mjs`, `host/main.mjs`, `components/<handler>.wasm`,
 * `manifests/<handler>.json`, `wit/*.wit`.
 */
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { open, readdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { Refusal } from '#host/errors.ts'
import { IMAGE_FILE_BYTES_MAX, IMAGE_LISTING_BYTES_MAX } from '#host/limits.ts'

import {
  byPath,
  checkPath,
  decodeListing,
  encodeListing,
  type ImageFile,
  type ImageHandler,
  type ImageHead,
  type ImageManifest,
  kindOf,
  LISTING,
  makeListing,
  NO_HEAD,
  refuseChanged,
} from './listing.ts'

/** No link is followed, and no pipe is waited for. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** A verified image. */
export interface Image extends ImageManifest {
  /** SHA-384 over `image.json`, 48 bytes. */
  readonly digest: Uint8Array
  /**
   * The bytes that were hashed: not read again, not to be written to.
   *
   * @throws Refusal `image-unlisted`
   */
  read(path: string): Uint8Array
}

/** What is known of an image besides its files. */
export interface ImageParts extends Partial<ImageHead> {
  /** By handler: its modules as the engine gets them. */
  readonly core?: ReadonlyMap<string, ImageHandler['core']>
}

/**
 * Lists files under `root` as they are now.
 *
 * @throws Refusal `image-changed` for a path or file that no image may hold, `image-missing`, `image-unlisted` for a
 *   component without its manifest
 */
export async function buildImage(
  root: string,
  files: readonly string[],
  { core, ...head }: ImageParts = {},
): Promise<ImageManifest> {
  const listed: ImageFile[] = []
  const versions = new Map<string, string>()
  for (const path of files) {
    checkPath(path)
    const bytes = await readWhole({ root, path, bytesMax: IMAGE_FILE_BYTES_MAX })
    const kind = kindOf(path)
    if (kind === 'manifest') versions.set(path, versionOf(bytes))
    listed.push({ path, kind, size: bytes.length, sha384: sha384(bytes).toString('hex') })
  }
  const handlers = listed.flatMap(({ path: component, kind }): readonly ImageHandler[] => {
    if (kind !== 'component') return []
    const id = component.slice('components/'.length, -'.wasm'.length)
    const manifest = `manifests/${id}.json`
    return [{ id, version: versions.get(manifest) ?? UNKNOWN_VERSION, manifest, component, core: core?.get(id) ?? [] }]
  })
  return makeListing({
    ...NO_HEAD,
    ...head,
    handlers: handlers.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    files: listed.toSorted(byPath),
  })
}

/** Of a manifest that says none: it is refused when it is parsed, with every other mistake in it. */
const UNKNOWN_VERSION = '0.0.0'

/** What a manifest says its version is; not more than a copy for readers of the listing. */
export function versionOf(manifest: Uint8Array): string {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(manifest))
    const { version } = { version: undefined, ...(typeof value === 'object' ? value : {}) }
    return typeof version === 'string' ? version : UNKNOWN_VERSION
  } catch {
    return UNKNOWN_VERSION
  }
}

/** Writes `image.json`, whole or not at all. */
export async function writeImage(root: string, manifest: ImageManifest): Promise<void> {
  const temporary = join(root, `.${LISTING}.new`)
  await writeFile(temporary, encodeListing(manifest))
  await rename(temporary, join(root, LISTING))
}

/**
 * Reads and verifies an image.
 *
 * @throws Refusal that names the file: `image-changed`, `image-missing`, or `image-unlisted` for anything else found
 *   under `root`
 */
export async function openImage(root: string): Promise<Image> {
  const listing = await readWhole({ root, path: LISTING, bytesMax: IMAGE_LISTING_BYTES_MAX })
  const manifest = decodeListing(listing)
  await refuseUnlisted(root, new Set(manifest.files.map((file) => file.path)))
  const buffers = new Map<string, Uint8Array>()
  for (const file of manifest.files) {
    const bytes = await readWhole({ root, path: file.path, bytesMax: file.size })
    if (bytes.length !== file.size) refuseChanged(file.path, `has ${bytes.length} bytes, listed are ${file.size}`)
    if (sha384(bytes).toString('hex') !== file.sha384) refuseChanged(file.path, 'has another content than was listed')
    buffers.set(file.path, bytes)
  }
  for (const { id, version, manifest: path } of manifest.handlers) {
    const bytes = buffers.get(path)
    if (bytes === undefined || versionOf(bytes) !== version) refuseChanged(path, `is not ${id} ${version}`)
  }
  return {
    ...manifest,
    digest: Uint8Array.from(sha384(listing)),
    read(path) {
      const bytes = buffers.get(path)
      if (bytes) return bytes
      throw new Refusal('image-unlisted', `image: ${path} is not listed: build the image with it`)
    },
  }
}

/** Everything under the folder is listed, or a folder. A link to a folder is no folder. */
async function refuseUnlisted(root: string, listed: ReadonlySet<string>, folder = ''): Promise<void> {
  for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
    const path = folder + entry.name
    if (entry.isDirectory()) await refuseUnlisted(root, listed, `${path}/`)
    else if (path !== LISTING && !listed.has(path)) {
      throw new Refusal('image-unlisted', `image: ${path} is there but not listed: remove it or build the image again`)
    }
  }
}

/** Follows no link and reads no more than it was told to. */
async function readWhole(what: { root: string; path: string; bytesMax: number }): Promise<Uint8Array> {
  const handle = await open(join(what.root, what.path), OPEN_FLAGS).catch((error: unknown) =>
    refuseUnreadable(what.path, error),
  )
  try {
    const stat = await handle.stat()
    if (!stat.isFile()) refuseChanged(what.path, 'is not a file')
    if (stat.size > what.bytesMax) refuseChanged(what.path, `has ${stat.size} bytes, more than ${what.bytesMax}`)
    const bytes = new Uint8Array(stat.size)
    const { bytesRead } = await handle.read(bytes, { position: 0 })
    return bytes.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}

function refuseUnreadable(path: string, error: unknown): never {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ELOOP') refuseChanged(path, 'is a link, not a file')
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    throw new Refusal('image-missing', `image: ${path} is missing: build the image again`, { cause: error })
  }
  throw error
}

function sha384(bytes: Uint8Array): Buffer {
  return createHash('sha384').update(bytes).digest()
}
