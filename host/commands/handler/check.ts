/** `trellis handler check`: every mistake at once, each with file and line. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { findPackageJSON } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'

import { compileOnly, missingToolchain } from '../../../scripts/build-handler.ts'
import { Refusal } from '#host/errors.ts'
import { COMPONENT_BYTES_MAX } from '#host/limits.ts'
import { type Manifest, parseManifest } from '#host/plugin/manifest.ts'
import { isExtism, loadProgram, type Program } from '#host/plugin/program.ts'
import { buildRegistry, neededInterfaces } from '#host/plugin/registry.ts'
import { paint } from '../paint.ts'
import { type Built, buildFolder, refreshTypes, sizeOf } from './build.ts'
import { type Case, readCases } from './cases.ts'
import { findHandler, type HandlerFolder } from './folder.ts'
import { jsonLines, lineOf } from './json-lines.ts'
import { jsonMistakes, type Mistake } from './mistake.ts'

const run = promisify(execFile)

/** What was looked at, in the order of looking; what could not be is left out. */
export interface Findings {
  readonly good: readonly { readonly what: string; readonly found: string }[]
  readonly mistakes: readonly Mistake[]
}

/** @throws Refusal `source-invalid` when there is no handler, `toolchain-missing` */
export async function findMistakes(handler: HandlerFolder): Promise<Findings> {
  const file = basename(handler.manifest)
  const text = await readFile(handler.manifest, 'utf8')
  const good: { what: string; found: string }[] = []
  const mistakes: Mistake[] = []
  const look = async <T>(what: string, step: () => Promise<{ value: T; found: string }>): Promise<T | undefined> => {
    try {
      const { value, found } = await step()
      good.push({ what, found })
      return value
    } catch (error) {
      if (!(error instanceof Refusal) || error.code === 'toolchain-missing') throw error
      mistakes.push(...placed(error, { file, text }))
      return undefined
    }
  }
  const manifest = await look('manifest', () => manifestOf(text, file))
  const cases = await look('cases', () => casesOf(handler, manifest))
  if (handler.language.id === 'ts') await look('types', () => typesOf(handler, manifest))
  if (manifest === undefined) {
    if (handler.language.id !== 'ts') await look('source', () => sourceOf(handler))
    return { good, mistakes }
  }
  const built = await look('component', () => builtOf(handler, manifest))
  if (built !== undefined) await look('imports', () => importsOf(built, manifest))
  if (built !== undefined && cases !== undefined) good.push({ what: 'limits', found: limitsOf(manifest) })
  return { good, mistakes }
}

async function manifestOf(text: string, file: string): Promise<{ value: Manifest; found: string }> {
  const value = parseManifest(new TextEncoder().encode(text), file)
  const types = value.events.map(({ type }) => type).join(', ')
  return { value, found: `${value.handler} ${value.version} answers ${types}` }
}

async function casesOf(
  { cases: path }: HandlerFolder,
  manifest: Manifest | undefined,
): Promise<{ value: readonly Case[]; found: string }> {
  const value = await readCases(path)
  const unknown = value.flatMap(({ event }, at) =>
    manifest === undefined || manifest.events.some(({ type }) => type === event)
      ? []
      : [`cases.${at}.event: the manifest declares no ${event}`],
  )
  if (unknown.length === 0) return { value, found: value.length === 1 ? '1 case' : `${value.length} cases` }
  const text = await readFile(path, 'utf8')
  throw new Refusal('cases-invalid', jsonMistakes(unknown, { file: basename(path), text }).join('\n'))
}

/** What TypeScript's own checker says; the other languages' compilers say it when they build. */
async function typesOf(
  handler: HandlerFolder,
  manifest: Manifest | undefined,
): Promise<{ value: true; found: string }> {
  const { folder } = handler
  if (manifest !== undefined) await refreshTypes(handler, manifest)
  const checker = findPackageJSON('typescript', import.meta.url)
  if (checker === undefined || !existsSync(join(folder, 'tsconfig.json'))) {
    return { value: true, found: 'not checked: no tsconfig.json here, or no typescript' }
  }
  try {
    await run(process.execPath, [join(dirname(checker), 'bin', 'tsc'), '-p', folder, '--pretty', 'false'], {
      cwd: folder,
    })
    return { value: true, found: 'bodies typed by the manifest, host calls by wit/' }
  } catch (error) {
    const said = error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error)
    const lines = said.trim().replaceAll(/^(\S+)\((\d+),(\d+)\): error TS\d+: /gmu, '$1:$2:$3: ')
    throw new Refusal('source-invalid', lines, { cause: error })
  }
}

/** Without a manifest that can be read nothing is built: the source's own mistakes are told all the same. */
async function sourceOf({ language, folder, source }: HandlerFolder): Promise<{ value: true; found: string }> {
  const missing = await missingToolchain(language.id, folder)
  if (missing !== undefined) return { value: true, found: `not compiled: ${missing}` }
  await compileOnly({ language: language.id, folder, source })
  return { value: true, found: `${language.title}; built once the manifest can be read` }
}

async function builtOf(handler: HandlerFolder, manifest: Manifest): Promise<{ value: BuiltComponent; found: string }> {
  const built = await buildFolder(handler, manifest)
  const component = loadProgram(built.bytes, manifest)
  const size = `${sizeOf(built.bytes.length)} of at most ${sizeOf(COMPONENT_BYTES_MAX)}`
  return { value: { ...built, component }, found: `${size}, from ${handler.language.title}` }
}

interface BuiltComponent extends Built {
  readonly component: Program
}

/** Imports ⊆ needs is a rule; needs ⊆ imports is good manners, and told. */
async function importsOf({ component }: BuiltComponent, manifest: Manifest): Promise<{ value: true; found: string }> {
  buildRegistry([{ manifest, component }])
  const names = isExtism(component)
    ? component.needs
    : component.imports.map((name) => name.replace(/^trellis:handler\/(.*)@.*$/u, '$1'))
  const unused = [...neededInterfaces(manifest.needs)].filter((name) => !names.includes(name))
  const told = unused.length === 0 ? 'all of its needs' : `and needs without using: ${unused.join(', ')}`
  return { value: true, found: `${names.join(', ') || 'nothing'}; ${told}` }
}

function limitsOf({ limits }: Manifest): string {
  const { deadlineMs, memoryBytes, hostCalls, outputBytes } = limits
  return `${deadlineMs} ms, ${sizeOf(memoryBytes)} of memory, ${hostCalls} host calls, ${sizeOf(outputBytes)} out`
}

/** A refusal's mistakes, one line each, with the manifest's lines put in. */
function placed(error: Refusal, { file, text }: { file: string; text: string }): Mistake[] {
  if (error.code === 'manifest-invalid') {
    // `parseManifest` lists them as `file: path: what`, joined.
    return jsonMistakes(error.message.replace(`${file}: `, '').split(`; ${file}: `), { file, text })
  }
  if (error.code === 'component-invalid' || error.code === 'too-large') {
    const line = lineOf(jsonLines(text), error.code === 'too-large' ? 'limits' : 'needs')
    return error.message.split('; ').map((what) => `${file}:${line}: ${what}`)
  }
  const lines = error.message.split('\n').filter((line) => line.trim() !== '' && !line.includes(': note: '))
  return lines.map((line) => {
    const about = line.startsWith('calls trellis:handler/') ? 'needs' : / has no --runtime /u.test(line) && 'runtime'
    return about ? `${file}:${lineOf(jsonLines(text), about)}: ${line}` : line
  })
}

/** @returns whether nothing was found */
export async function check(path: string): Promise<boolean> {
  const { good, mistakes } = await findMistakes(findHandler(path))
  for (const { what, found } of good) console.log(`${paint.good('ok')}  ${what.padEnd(10)} ${found}`)
  for (const mistake of mistakes) console.log(`${paint.bad('NO')}  ${mistake}`)
  const count = mistakes.length === 1 ? '1 mistake' : `${mistakes.length} mistakes`
  console.log(mistakes.length === 0 ? `\n${paint.good('no mistakes')}` : `\n${paint.bad(count)}`)
  return mistakes.length === 0
}
