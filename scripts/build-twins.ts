/**
 * Builds one small handler, the templates' own, in every language and for every runtime, and the twins of handlers that
 * we ship, and keeps the bytes with their digests: the host's tests run them without any of the compilers.
 * `node scripts/build-twins.ts` builds again what is out of date and what the compilers of this machine can build.
 */
import { createHash } from 'node:crypto'
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, constants } from 'node:zlib'

import { buildFolder } from '../host/commands/handler/build.ts'
import { sha384 } from '../host/commands/handler/digest.ts'
import { findHandler, type HandlerFolder, readManifest } from '../host/commands/handler/folder.ts'
import { type Kit, kits } from '../host/commands/handler/languages.ts'
import { createHandler } from '../host/commands/handler/new.ts'
import { unreachable } from '../host/errors.ts'
import type { Manifest } from '../host/plugin/manifest.ts'
import { neededInterfaces } from '../host/plugin/registry.ts'
import { missingToolchain } from './build-handler.ts'
import { narrowWorld } from './build-plugins.ts'
import { cVersion } from './toolchain-c.ts'
import { goVersion } from './toolchain-go.ts'
import { rustVersion } from './toolchain-rust.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
export const TWINS_FOLDER = join(root, 'host/commands/handler/fixtures/twins')
const LISTING = join(TWINS_FOLDER, 'digests.json')
const HANDLER = 'greets'
/** What goes into the bytes; the manifest does by the world it narrows. */
const SOURCE = /\.(?:ts|c|h|rs|go|mod|sum)$/u
const NO_SOURCE = /^trellis\/(?:types\/|events\.ts)/u

/** A line of `digests.json`. */
export interface Twin {
  /** Of the module or component: what is kept is compressed. */
  readonly sha384: string
  readonly bytes: number
  /** SHA-256 over the sources it was built from, kit and world included. */
  readonly sources: string
  readonly toolchain: string
}

/** What is built: the templates' handler, or the twin of one we ship, whose cases and manifest it has. */
export interface TwinSource {
  /** `rust-component`, `payment-rust`. */
  readonly name: string
  readonly kit: Kit
  /** A handler in `plugins/`, with the source of its twin in `twins/`; or the fixture that calls are measured with. */
  readonly of?: string
}

const MEASURED = 'rmw'

const shipped = ['auth-challenge', 'payment'] as const
const otherLanguages = new Set(['as', 'rust'])
/** The others are built when first asked for, without a compiler of the machine's own. */
const measuredLanguages = new Set(['rust', 'c'])

/** All there are. */
export const twinSources: readonly TwinSource[] = [
  ...kits.map((kit) => ({ name: `${kit.language.id}-${kit.runtime}`, kit })),
  ...shipped.flatMap((of) =>
    kits
      .filter(({ language, runtime }) => otherLanguages.has(language.id) && runtime === 'component')
      .map((kit) => ({ name: `${of}-${kit.language.id}`, kit, of })),
  ),
  ...kits
    .filter(({ language, runtime }) => measuredLanguages.has(language.id) && runtime === 'component')
    .map((kit) => ({ name: `${MEASURED}-${kit.language.id}`, kit, of: MEASURED })),
]

/** Where a twin's source, cases and manifest are. */
function placesOf(of: string): { readonly source: string; readonly cases: string; readonly manifest: string } {
  if (of === MEASURED) {
    const folder = join(root, 'host/plugin/component/fixtures', of)
    return { source: folder, cases: folder, manifest: join(folder, 'manifest.json') }
  }
  const plugin = join(root, 'plugins', of)
  return { source: join(plugin, 'twins'), cases: plugin, manifest: join(root, 'manifests', `${of}.json`) }
}

export async function readTwins(): Promise<ReadonlyMap<string, Twin>> {
  const text = await readFile(LISTING, 'utf8').catch(() => '{}')
  return new Map(Object.entries(JSON.parse(text) as Record<string, Twin>))
}

/** The handler of a twin as `trellis handler new` lays it out, for as long as `use` runs. */
export async function withHandler<T>(
  { kit: { language, runtime }, of }: TwinSource,
  use: (handler: HandlerFolder, manifest: Manifest) => Promise<T>,
): Promise<T> {
  const base = await mkdtemp(join(tmpdir(), 'trellis-twin-'))
  try {
    const folder = join(base, of ?? HANDLER)
    await createHandler(folder, language, runtime)
    if (of !== undefined) {
      const { source, cases, manifest } = placesOf(of)
      await copyFile(join(source, language.source), join(folder, language.source))
      await copyFile(join(cases, 'handler.cases.json'), join(folder, 'handler.cases.json'))
      await copyFile(manifest, join(folder, 'manifest.json'))
    }
    const handler = findHandler(folder)
    return await use(handler, await readManifest(handler))
  } finally {
    await rm(base, { recursive: true })
  }
}

/** Names the sources' contents: a twin whose own differ is out of date. */
export async function sourcesDigest({ folder }: HandlerFolder, manifest: Manifest): Promise<string> {
  const hash = createHash('sha256')
  const add = async (under: string, picks: (name: string) => boolean): Promise<void> => {
    for (const name of (await readdir(under, { recursive: true })).filter(picks).sort()) {
      const bytes = await readFile(join(under, name))
      hash.update(`${name}\0${bytes.length}\0`).update(bytes)
    }
  }
  await add(folder, (name) => SOURCE.test(name) && !NO_SOURCE.test(name))
  if (manifest.runtime === 'extism') return hash.digest('hex')
  const world = await mkdtemp(join(tmpdir(), 'trellis-wit-'))
  try {
    await narrowWorld({ from: join(root, 'wit'), to: world, interfaces: neededInterfaces(manifest.needs) })
    await add(world, () => true)
    return hash.digest('hex')
  } finally {
    await rm(world, { recursive: true })
  }
}

/** Compiler and version, as they name themselves. @throws Error when it is not there */
export async function toolchainOf({ language, runtime }: Kit, folder: string): Promise<string> {
  switch (language.id) {
    case 'rust':
      return must(await rustVersion())
    case 'c':
      return must(await cVersion(folder))
    case 'go':
      return must(goVersion())
    case 'ts':
      return versionsOf('componentize-qjs')
    case 'as':
      return runtime === 'component' ? versionsOf('assemblyscript') : versionsOf('assemblyscript', '@extism/as-pdk')
    default:
      return unreachable(language.id)
  }
}

/** As this repository pins them. */
async function versionsOf(...names: readonly string[]): Promise<string> {
  const { devDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    devDependencies: Readonly<Record<string, string>>
  }
  return names.map((name) => `${name} ${devDependencies[name]}`).join(', ')
}

function must(version: string | undefined): string {
  if (version === undefined) throw new Error('the compiler is not there')
  return version
}

/** Builds one. Its compiler has to be there. */
export function buildTwin(
  twin: TwinSource,
): Promise<Twin & { readonly built: Uint8Array; readonly manifest: Manifest }> {
  return withHandler(twin, async (handler, manifest) => {
    const { bytes: built } = await buildFolder(handler, manifest)
    const sources = await sourcesDigest(handler, manifest)
    const toolchain = await toolchainOf(twin.kit, handler.folder)
    return { sha384: sha384(built), bytes: built.length, sources, toolchain, built, manifest }
  })
}

async function refresh(): Promise<void> {
  const listed = new Map(await readTwins())
  for (const source of twinSources) {
    const { name, kit } = source
    const known = listed.get(name)
    if (known?.sources === (await withHandler(source, sourcesDigest))) {
      console.log(`up to date  ${name}`)
      continue
    }
    const missing = await missingToolchain(kit.language.id, root)
    if (missing !== undefined) {
      console.log(`not built   ${name}: ${missing}`)
      continue
    }
    const { built, manifest: _manifest, ...twin } = await buildTwin(source)
    const params = { [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS }
    const packed = await promisify(brotliCompress)(built, { params })
    await writeFile(join(TWINS_FOLDER, `${name}.wasm.br`), packed)
    listed.set(name, twin)
    console.log(`built       ${name}: ${built.length} bytes, ${packed.length} kept`)
  }
  await writeFile(LISTING, `${JSON.stringify(Object.fromEntries(listed), null, 2)}\n`)
}

if (import.meta.main) await refresh()
