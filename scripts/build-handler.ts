/** Builds one handler's folder, in any language, against a world that holds what its manifest needs. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

import { Refusal, unreachable } from '../host/errors.ts'
import type { Manifest } from '../host/plugin/manifest.ts'
import { neededInterfaces } from '../host/plugin/registry.ts'
import { narrowWorld } from './build-plugins.ts'
import { buildC, compileC, missingC } from './toolchain-c.ts'
import { missingGo } from './toolchain-go.ts'
import { missingPackages } from './toolchain-npm.ts'
import { buildRust, compileRust, missingRust } from './toolchain-rust.ts'
import type { BuildOptions } from './toolchain.ts'

export type HandlerLanguage = 'ts' | 'as' | 'rust' | 'c' | 'go'
export type HandlerRuntime = Manifest['runtime']

const root = fileURLToPath(new URL('..', import.meta.url))
/** Everything beside the source that may go into a build. */
const SOURCE = /\.(?:ts|c|h|rs|go|mod|sum)$/u

/** Why a language has nothing to run a handler as, where it has nothing. */
const missingRuntimes: Readonly<Record<HandlerLanguage, Partial<Record<HandlerRuntime, string>>>> = {
  ts: {
    extism:
      'it needs extism-js, a native program that npm does not have (github.com/extism/js-pdk/releases; of npm, ' +
      '@extism/js-pdk is types only), and what it builds imports HTTP, which no host gives a handler',
  },
  as: {},
  rust: {},
  c: {},
  go: { component: 'the Go compiler makes core modules only' },
}

/** In one line why `language` is not built for `runtime`, and what to take; undefined when it is. */
export function missingRuntime(language: HandlerLanguage, runtime: HandlerRuntime): string | undefined {
  const why = missingRuntimes[language][runtime]
  if (why === undefined) return undefined
  const able = Object.entries(missingRuntimes).filter(([, missing]) => missing[runtime] === undefined)
  const other = runtime === 'component' ? 'extism' : 'component'
  return (
    `--lang ${language} has no --runtime ${runtime}: ${why}; ` +
    `take --runtime ${other}, or --lang ${able.map(([name]) => name).join(' or ')}`
  )
}

export interface HandlerBuild {
  readonly language: HandlerLanguage
  readonly folder: string
  readonly source: string
  readonly manifest: Manifest
  readonly component: string
}

/** What has to be installed before this language builds, and how to get it; undefined when all is there. */
export async function missingToolchain(language: HandlerLanguage, folder: string): Promise<string | undefined> {
  switch (language) {
    case 'c':
      return missingC(folder)
    case 'rust':
      return missingRust()
    case 'go':
      return missingGo(folder)
    case 'ts':
    case 'as':
      return missingPackages(language)
    default:
      return unreachable(language)
  }
}

/**
 * @returns false when sources, manifest and world are those of the component that is there
 * @throws Refusal `toolchain-missing`, or `source-invalid` with what the compiler said, one line per mistake
 */
export async function buildHandler(options: HandlerBuild): Promise<boolean> {
  const { language, folder, manifest, component } = options
  const unable = missingRuntime(language, manifest.runtime)
  if (unable !== undefined) throw new Refusal('source-invalid', unable)
  const missing = await missingToolchain(language, folder)
  if (missing !== undefined) throw new Refusal('toolchain-missing', missing)
  const digest = await digestOf(options)
  const mark = `${component}.inputs`
  if (existsSync(component) && existsSync(mark) && (await readFile(mark, 'utf8')) === digest) return false
  try {
    if (manifest.runtime === 'extism') {
      // Loaded when there is something to build, as the compilers below.
      const { buildExtism } = await import('./extism-toolchain.ts')
      await buildExtism({ folder, out: component })
    } else await buildComponent(options)
    await stampLanguage(component, language)
  } catch (error) {
    throw new Refusal('source-invalid', said(error, folder), { cause: error })
  }
  await writeFile(`${mark}.tmp`, digest)
  await rename(`${mark}.tmp`, mark)
  return true
}

/**
 * Compiles a source whose manifest cannot be read, so that the mistakes of both are heard at once. TypeScript has its
 * own checker, and is not compiled. The compiler has to be there.
 *
 * @throws Refusal `source-invalid` with what the compiler said, one line per mistake
 */
export async function compileOnly({
  language,
  folder,
  source,
}: Pick<HandlerBuild, 'language' | 'folder' | 'source'>): Promise<void> {
  if (language === 'ts') return
  try {
    if (language === 'c') await compileC(folder)
    else if (language === 'rust') await compileRust(source)
    else await compileOther(folder)
  } catch (error) {
    throw new Refusal('source-invalid', said(error, folder), { cause: error })
  }
}

/** AssemblyScript and Go: a plug-in's build needs no manifest, and compiles a component's source, too. */
async function compileOther(folder: string): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'trellis-check-'))
  try {
    const { buildExtism } = await import('./extism-toolchain.ts')
    await buildExtism({ folder, out: join(scratch, 'handler.wasm') })
  } finally {
    await rm(scratch, { recursive: true })
  }
}

async function buildComponent({ language, source, manifest, component }: HandlerBuild): Promise<void> {
  const witDir = await mkdtemp(join(tmpdir(), 'trellis-wit-'))
  try {
    await narrowWorld({ from: join(root, 'wit'), to: witDir, interfaces: neededInterfaces(manifest.needs) })
    const build = await builderOf(language)
    await build({ source, witDir, world: 'handler', out: component })
  } finally {
    await rm(witDir, { recursive: true })
  }
}

async function builderOf(language: HandlerLanguage): Promise<(options: BuildOptions) => Promise<void>> {
  if (language === 'c') return buildC
  if (language === 'rust') return buildRust
  // Loaded when there is something to build: these take longer to load than the others to run.
  const { buildAssemblyScript, buildTypeScript } = await import('./toolchain.ts')
  return language === 'ts' ? buildTypeScript : buildAssemblyScript
}

const titles = { ts: 'TypeScript on QuickJS', as: 'AssemblyScript', rust: 'Rust', c: 'C', go: 'Go' } as const

/** Writes the language down in the component: not every compiler does. */
async function stampLanguage(component: string, language: HandlerLanguage): Promise<void> {
  const { metadataAdd } = await import('@bytecodealliance/jco-transpile/wasm-tools')
  const bytes = new Uint8Array(await readFile(component))
  await writeFile(component, await metadataAdd(bytes, [['language', [[titles[language], '']]]]))
}

/** Over everything the bytes depend on, as far as it lies in files of ours. */
async function digestOf({ folder, manifest, language }: HandlerBuild): Promise<string> {
  const hash = createHash('sha256').update(`${language}\0${JSON.stringify(manifest)}\0`)
  const own = (await readdir(folder, { recursive: true }))
    .filter((name) => SOURCE.test(name) && !/(?:^|\/)(?:node_modules|dist)\/|\.test\.ts$/u.test(name))
    .map((name) => join(folder, name))
  const sdk = join(root, 'plugins', 'sdk')
  const shared = (await Promise.all([sdk, join(sdk, 'extism')].map(sourcesIn))).flat()
  const wit = (await readdir(join(root, 'wit'))).map((name) => join(root, 'wit', name))
  for (const path of [...own, ...shared, ...wit].sort()) {
    const bytes = await readFile(path)
    hash.update(`${relative(folder, path)}\0${bytes.length}\0`).update(bytes)
  }
  return hash.digest('hex')
}

async function sourcesIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.endsWith('.ts')).map((name) => join(folder, name))
}

/** A compiler's words, one line per mistake, as `file:line:column: what` where it names a place. */
function said(error: unknown, folder: string): string {
  const text = error instanceof Error ? error.message : String(error)
  const unresolved = /(?:failed to resolve import `|Error resolving module ')trellis:handler\/([a-z]+)@/u.exec(text)
  if (unresolved) return `calls trellis:handler/${unresolved[1]}, which the manifest's needs do not ask for`
  // Some name files from the root, some without the first slash.
  const plain = text.replaceAll(`${folder}/`, '').replaceAll(`${folder.slice(1)}/`, '')
  const places = [...plain.matchAll(/ERROR \w+: (.*)\n[^]*?└─ in (\S+)\((\d+),(\d+)\)/gu)]
  if (places.length > 0) return places.map(([, what, file, line, at]) => `${file}:${line}:${at}: ${what}`).join('\n')
  return plain.trim()
}
