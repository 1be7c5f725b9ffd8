/**
 * The image: every file that may run or be read, listed with its size and SHA-384 in `image.json`.
 *
 * Each listed file is read once, hashed, and that very buffer is what the host gets: a file that changes afterwards
 * changes nothing. Layout: `image.json`, `components/<handler>.wasm`, `manifests/<handler>.json`, `wit/*.wit`.
 */
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { open, readdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { Refusal } from '#host/errors.ts'
import {
  IMAGE_BYTES_MAX,
  IMAGE_FILE_BYTES_MAX,
  IMAGE_FILES_MAX,
  IMAGE_LISTING_BYTES_MAX,
  IMAGE_PATH_CHARS_MAX,
} from '#host/limits.ts'
import { check, z } from '#host/schema.ts'

const LISTING = 'image.json'
/** Tokens of plain ASCII between single slashes; none is `.` or `..`, none hides, none means something on Windows. */
const PATH = /^[A-Za-z0-9_][A-Za-z0-9_.-]*(?:\/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$/

/** No link is followed, and no pipe is waited for. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

const imageFile = z.strictObject({
  path: z.string().max(IMAGE_PATH_CHARS_MAX).regex(PATH, 'must be a relative path of plain names'),
  size: z.number().int().min(0).max(IMAGE_FILE_BYTES_MAX),
  sha384: z.string().regex(/^[0-9a-f]{96}$/, 'must be 96 lower-case hex digits'),
})
const imageManifest = z.strictObject({ format: z.literal(1), files: z.array(imageFile).max(IMAGE_FILES_MAX) })

/** Parsed `image.json`: files sorted by path, none twice, not even in another case. */
export interface ImageManifest {
  readonly format: 1
  readonly files: readonly ImageFile[]
}

interface ImageFile {
  /** Relative to the image's folder, with `/`. */
  readonly path: string
  /** Bytes. */
  readonly size: number
  /** Lower-case hex. */
  readonly sha384: string
}

/** A verified image. */
export interface Image {
  /** SHA-384 over `image.json`, 48 bytes: names the image in a measurement. */
  readonly digest: Uint8Array
  readonly files: readonly ImageFile[]
  /**
   * The bytes that were hashed: not read again, not to be written to.
   *
   * @throws Refusal `image-unlisted`
   */
  read(path: string): Uint8Array
}

/**
 * Lists files under `root` as they are now.
 *
 * @throws Refusal `image-changed` for a path or file that no image may hold, `image-missing`
 */
export async function buildImage(root: string, files: readonly string[]): Promise<ImageManifest> {
  const listed: ImageFile[] = []
  for (const path of files) {
    if (path.length > IMAGE_PATH_CHARS_MAX || !PATH.test(path))
      refuseChanged(path, 'is no relative path of plain names')
    const bytes = await readWhole({ root, path, bytesMax: IMAGE_FILE_BYTES_MAX })
    listed.push({ path, size: bytes.length, sha384: sha384(bytes).toString('hex') })
  }
  const manifest: ImageManifest = { format: 1, files: listed.toSorted(byPath) }
  checkListing(manifest)
  return manifest
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
  return {
    digest: Uint8Array.from(sha384(listing)),
    files: manifest.files,
    read(path) {
      const bytes = buffers.get(path)
      if (bytes) return bytes
      throw new Refusal('image-unlisted', `image: ${path} is not listed: build the image with it`)
    },
  }
}

/** One form only: the digest is over these bytes. */
function encodeListing(manifest: ImageManifest): Uint8Array {
  const files = manifest.files.map(({ path, size, sha384 }) => ({ path, size, sha384 }))
  return new TextEncoder().encode(`${JSON.stringify({ format: manifest.format, files }, undefined, 2)}\n`)
}

function decodeListing(bytes: Uint8Array): ImageManifest {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw new Refusal('image-changed', `image: ${LISTING} is not JSON: build the image again`, { cause: error })
  }
  const manifest = check(imageManifest, value, 'image-changed', `image: ${LISTING}`)
  checkListing(manifest)
  // Also refuses keys given twice, which JSON.parse takes in silence.
  if (Buffer.compare(encodeListing(manifest), bytes) !== 0) refuseChanged(LISTING, 'is not in its one form')
  return manifest
}

function checkListing(manifest: ImageManifest): void {
  const folded = new Set<string>()
  let previous: ImageFile | undefined
  for (const file of manifest.files) {
    const key = file.path.toLowerCase()
    if (key === LISTING) refuseChanged(file.path, 'cannot list itself')
    if (folded.has(key)) refuseChanged(file.path, 'is listed twice, or differs from another only in case')
    if (previous && byPath(previous, file) > 0) refuseChanged(file.path, 'is not listed in order')
    folded.add(key)
    previous = file
  }
  const total = manifest.files.reduce((sum, file) => sum + file.size, 0)
  if (manifest.files.length > IMAGE_FILES_MAX || total > IMAGE_BYTES_MAX) {
    refuseChanged(LISTING, `lists ${manifest.files.length} files of ${total} bytes, more than an image may hold`)
  }
}

/** By code unit, which is byte order for the ASCII that a path is. */
function byPath(a: ImageFile, b: ImageFile): number {
  return a.path < b.path ? -1 : Number(a.path > b.path)
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

function refuseChanged(path: string, how: string): never {
  throw new Refusal('image-changed', `image: ${path} ${how}: build the image again`)
}

function sha384(bytes: Uint8Array): Buffer {
  return createHash('sha384').update(bytes).digest()
}
