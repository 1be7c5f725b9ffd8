/**
 * `image.json`: what an image says of itself. Parsed by hand and without packages, because the first code of a boot
 * reads it. One form only: every byte of it is either in the image's root or refused.
 */
import { Refusal } from '#host/errors.ts'
import { IMAGE_BYTES_MAX, IMAGE_FILE_BYTES_MAX, IMAGE_FILES_MAX, IMAGE_PATH_CHARS_MAX } from '#host/limits.ts'

import { IMAGE_CORE_MODULES_MAX, IMAGE_RELEASE_KEYS_MAX, IMAGE_TEXT_CHARS_MAX } from './limits.ts'

export const LISTING = 'image.json'
/** The first code of a boot. */
export const BOOT_FILE = 'boot.mjs'
/** The host that it starts. */
export const HOST_FILE = 'host/main.mjs'
const FORMAT = 2
/** Tokens of plain ASCII between single slashes; none is `.` or `..`, none hides, none means something on Windows. */
const PATH = /^[A-Za-z0-9_][A-Za-z0-9_.-]*(?:\/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$/
const SHA384 = /^[0-9a-f]{96}$/
const KEY = /^[0-9a-f]{64}$/
const TOKEN = /^[\x21-\x7e]+$/

/** What a file is for: its place says so. */
export type ImageFileKind = 'boot' | 'host' | 'wit' | 'manifest' | 'component' | 'signature' | 'config'

/** Bytes that are listed. */
interface Digested {
  /** Bytes. */
  readonly size: number
  /** Lower-case hex. */
  readonly sha384: string
}

export interface ImageFile extends Digested {
  /** Relative to the image's folder, with `/`. */
  readonly path: string
  readonly kind: ImageFileKind
}

/** The program that runs the host. It lies outside the image, and is no less a part of it. */
export interface ImageRuntime extends Digested {
  readonly version: string
  readonly platform: string
  readonly arch: string
}

export interface ImageHandler {
  readonly id: string
  readonly version: string
  /** Paths of files that are listed. */
  readonly manifest: string
  readonly component: string
  /** Each module as the engine gets it, patched; empty when nobody looked. */
  readonly core: readonly Digested[]
}

/** What may follow this image. */
export interface ImagePolicy {
  /** Ed25519, lower-case hex, sorted. None: nobody's release is taken. */
  readonly releaseKeys: readonly string[]
  /** No release below it. */
  readonly minimumRelease: number
}

/** What `image.json` says besides its files. */
export interface ImageHead {
  /** Rises with every release; 0 is none. */
  readonly release: number
  /** Null when only handlers are listed, for a host that runs from elsewhere. */
  readonly runtime: ImageRuntime | null
  readonly policy: ImagePolicy
}

/** Parsed `image.json`: files sorted by path, none twice, not even in another case; handlers sorted by id. */
export interface ImageManifest extends ImageHead {
  readonly format: typeof FORMAT
  readonly handlers: readonly ImageHandler[]
  readonly files: readonly ImageFile[]
}

export const NO_HEAD: ImageHead = { release: 0, runtime: null, policy: { releaseKeys: [], minimumRelease: 0 } }

/** @throws Refusal `image-changed` when no image may say this */
export function makeListing(parts: Omit<ImageManifest, 'format'>): ImageManifest {
  return decodeListing(encodeListing({ format: FORMAT, ...parts }))
}

/** One form only: the roots are over what these bytes say. */
export function encodeListing(manifest: ImageManifest): Uint8Array {
  const { files, ...head } = ordered(manifest)
  return encode({ ...head, files })
}

/** Everything but the files, in its one form. */
export function encodeHead(manifest: ImageManifest): Uint8Array {
  const { files, ...head } = ordered(manifest)
  return encode({ ...head, files: files.length })
}

/** @throws Refusal `image-changed` */
export function decodeListing(bytes: Uint8Array): ImageManifest {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch (error) {
    throw new Refusal('image-changed', `image: ${LISTING} is not JSON: build the image again`, { cause: error })
  }
  const manifest = parseManifest(value)
  checkFiles(manifest.files)
  checkHandlers(manifest)
  // Also refuses keys given twice or more than there are, which JSON.parse and the reading above take in silence.
  if (Buffer.compare(encodeListing(manifest), bytes) !== 0) refuseChanged(LISTING, 'is not in its one form')
  return manifest
}

/** @throws Refusal `image-changed` for a path that no image may hold */
export function checkPath(path: string): void {
  if (path.length > IMAGE_PATH_CHARS_MAX || !PATH.test(path)) refuseChanged(path, 'is no relative path of plain names')
}

/** What a file is to the boot, by where it lies. */
export function kindOf(path: string): ImageFileKind {
  if (path === BOOT_FILE) return 'boot'
  if (path.startsWith('host/')) return 'host'
  if (path.startsWith('wit/')) return 'wit'
  if (/^manifests\/[^/]+\.json$/.test(path)) return 'manifest'
  if (/^signatures\/[^/]+\.sig$/.test(path)) return 'signature'
  return /^components\/[^/]+\.wasm$/.test(path) ? 'component' : 'config'
}

/** By code unit, which is byte order for the ASCII that a path is. */
export function byPath(a: { readonly path: string }, b: { readonly path: string }): number {
  return a.path < b.path ? -1 : Number(a.path > b.path)
}

/** @throws Refusal `image-changed`, always */
export function refuseChanged(path: string, how: string): never {
  throw new Refusal('image-changed', `image: ${path} ${how}: build the image again`)
}

function ordered({ release, runtime, policy, handlers, files }: ImageManifest): ImageManifest {
  return {
    format: FORMAT,
    release,
    runtime: runtime === null ? null : orderedRuntime(runtime),
    policy: { releaseKeys: policy.releaseKeys, minimumRelease: policy.minimumRelease },
    handlers: handlers.map(({ id, version, manifest, component, core }) => {
      return { id, version, manifest, component, core: core.map(({ size, sha384 }) => ({ size, sha384 })) }
    }),
    files: files.map(({ path, kind, size, sha384 }) => ({ path, kind, size, sha384 })),
  }
}

function orderedRuntime({ version, platform, arch, size, sha384 }: ImageRuntime): ImageRuntime {
  return { version, platform, arch, size, sha384 }
}

function encode(value: object): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value, undefined, 2)}\n`)
}

function parseManifest(value: unknown): ImageManifest {
  const { format, release, runtime, policy, handlers, files } = objectAt(value, LISTING)
  if (format !== FORMAT) refuseChanged(LISTING, `is of format ${JSON.stringify(format)}, and this host reads ${FORMAT}`)
  return {
    format: FORMAT,
    release: integerAt(release, 'release'),
    runtime: runtime === null ? null : parseRuntime(runtime),
    policy: parsePolicy(policy),
    handlers: listAt(handlers, 'handlers', IMAGE_FILES_MAX).map(parseHandler),
    files: listAt(files, 'files', IMAGE_FILES_MAX).map(parseFile),
  }
}

function parseRuntime(value: unknown): ImageRuntime {
  const { version, platform, arch, ...digested } = objectAt(value, 'runtime')
  return {
    version: textAt(version, 'runtime.version', TOKEN),
    platform: textAt(platform, 'runtime.platform', TOKEN),
    arch: textAt(arch, 'runtime.arch', TOKEN),
    ...parseDigested(digested, 'runtime'),
  }
}

function parsePolicy(value: unknown): ImagePolicy {
  const { releaseKeys, minimumRelease } = objectAt(value, 'policy')
  const keys = listAt(releaseKeys, 'policy.releaseKeys', IMAGE_RELEASE_KEYS_MAX)
  const parsed = keys.map((key, index) => textAt(key, `policy.releaseKeys.${index}`, KEY))
  if (new Set(parsed).size !== parsed.length || parsed.toSorted().join() !== parsed.join()) {
    refuseChanged(LISTING, 'lists release keys twice or out of order')
  }
  return { releaseKeys: parsed, minimumRelease: integerAt(minimumRelease, 'policy.minimumRelease') }
}

function parseHandler(value: unknown, index: number): ImageHandler {
  const at = `handlers.${index}`
  const { id, version, manifest, component, core } = objectAt(value, at)
  return {
    id: textAt(id, `${at}.id`, TOKEN),
    version: textAt(version, `${at}.version`, TOKEN),
    manifest: textAt(manifest, `${at}.manifest`, PATH),
    component: textAt(component, `${at}.component`, PATH),
    core: listAt(core, `${at}.core`, IMAGE_CORE_MODULES_MAX).map((each, of) => {
      return parseDigested(objectAt(each, `${at}.core.${of}`), `${at}.core.${of}`)
    }),
  }
}

function parseFile(value: unknown, index: number): ImageFile {
  const at = `files.${index}`
  const { path, kind, ...digested } = objectAt(value, at)
  const name = textAt(path, `${at}.path`, PATH)
  const due = kindOf(name)
  if (kind !== due) refuseChanged(LISTING, `lists ${name} as another kind than ${due}`)
  return { path: name, kind: due, ...parseDigested(digested, at) }
}

function parseDigested({ size, sha384 }: Readonly<Record<string, unknown>>, at: string): Digested {
  const bytes = integerAt(size, `${at}.size`)
  if (bytes > IMAGE_FILE_BYTES_MAX) refuseChanged(LISTING, `lists more at ${at} than a file may have`)
  return { size: bytes, sha384: textAt(sha384, `${at}.sha384`, SHA384) }
}

function objectAt(value: unknown, at: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  return refuseChanged(LISTING, `says nothing it could mean at ${at}`)
}

function listAt(value: unknown, at: string, most: number): readonly unknown[] {
  if (Array.isArray(value) && value.length <= most) return value
  return refuseChanged(LISTING, `needs a list of at most ${most} at ${at}`)
}

function textAt(value: unknown, at: string, form: RegExp): string {
  const most = form === PATH ? IMAGE_PATH_CHARS_MAX : IMAGE_TEXT_CHARS_MAX
  if (typeof value === 'string' && value.length <= most && form.test(value)) return value
  return refuseChanged(LISTING, `cannot say what it says at ${at}`)
}

function integerAt(value: unknown, at: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  return refuseChanged(LISTING, `needs a whole number at ${at}`)
}

function checkFiles(files: readonly ImageFile[]): void {
  const folded = new Set<string>()
  let previous: ImageFile | undefined
  for (const file of files) {
    const key = file.path.toLowerCase()
    if (key === LISTING) refuseChanged(file.path, 'cannot list itself')
    if (folded.has(key)) refuseChanged(file.path, 'is listed twice, or differs from another only in case')
    if (previous && byPath(previous, file) > 0) refuseChanged(file.path, 'is not listed in order')
    folded.add(key)
    previous = file
  }
  const total = files.reduce((sum, file) => sum + file.size, 0)
  if (total > IMAGE_BYTES_MAX) {
    refuseChanged(LISTING, `lists ${files.length} files of ${total} bytes, more than an image may hold`)
  }
}

/** Every component is one handler's, with its manifest; and every handler has both. */
function checkHandlers({ files, handlers }: ImageManifest): void {
  const paths = new Set(files.map(({ path }) => path))
  for (const { path, kind } of files) {
    if (kind !== 'component') continue
    if (!handlers.some(({ component }) => component === path)) refuseChanged(path, 'is of no handler that is listed')
  }
  let previous = ''
  for (const { id, manifest, component } of handlers) {
    if (id <= previous) refuseChanged(LISTING, `lists handler ${id} twice or out of order`)
    if (manifest !== `manifests/${id}.json` || component !== `components/${id}.wasm`) {
      refuseChanged(LISTING, `lists handler ${id} with another's files`)
    }
    for (const path of [manifest, component]) {
      if (!paths.has(path)) {
        throw new Refusal('image-unlisted', `image: ${path} is not listed: build the image with it`)
      }
    }
    previous = id
  }
}
