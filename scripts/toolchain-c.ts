/**
 * From C to a component, or to the core module Extism runs: clang and wasm-ld as npm has them (`@yowasp/clang`), or
 * those of this machine.
 */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

import type { BuildOptions } from './toolchain.ts'

const run = promisify(execFile)

/** Built, linked and tested with this version. */
const YOWASP = '@yowasp/clang@22.0.0-git20542-10'
const STACK_BYTES = 65_536
/** What a handler starts with; an instance that grows past it is replaced after its event, which costs time. */
const MEMORY_BYTES = 262_144

const compileOptions = [
  '--target=wasm32-unknown-unknown',
  '-std=c17',
  '-O2',
  '-ffreestanding',
  '-nostdlib',
  '-Wall',
  '-Wextra',
  '-Werror=implicit-function-declaration',
  '-fno-caret-diagnostics',
  '-fno-color-diagnostics',
]
const linkOptions = [
  '--no-entry',
  '--strip-all',
  '--stack-first',
  `-zstack-size=${STACK_BYTES}`,
  `--initial-memory=${MEMORY_BYTES}`,
]

/** Files by name; `trellis/trellis.h` is a name. */
type Files = Readonly<Record<string, Uint8Array>>

/** Runs a command over files. @returns what it wrote to the file named after `-o` */
type Tools = (command: 'clang' | 'wasm-ld', options: { args: readonly string[]; files: Files }) => Promise<Uint8Array>

/** What to install; undefined when a compiler is there. */
export async function missingC(folder: string): Promise<string | undefined> {
  if ((await findTools(folder)) !== undefined) return undefined
  return (
    `C needs clang and wasm-ld: npm install --save-dev ${YOWASP}, here or in the handler's folder; ` +
    'or those of the system (Debian: apt-get install clang lld)'
  )
}

/** The package, or the first line clang says of itself: what builds in this folder; undefined without one. */
export async function cVersion(folder: string): Promise<string | undefined> {
  const tools = await findTools(folder)
  if (tools === undefined) return undefined
  return tools === installedTools ? (await outputOf('clang', '--version'))?.split('\n')[0] : YOWASP
}

/** Every `.c` beside the source is compiled; headers may lie in folders. @throws Error with clang's own output */
export async function buildC(options: BuildOptions): Promise<void> {
  const core = await compileC(dirname(options.source))
  // Loaded when there is something to build: it brings the other languages' compilers.
  const { writeComponent } = await import('./toolchain.ts')
  await writeComponent(core, options)
}

/** The core module of a folder's `.c` files. @throws Error with clang's own output */
export async function compileC(folder: string): Promise<Uint8Array> {
  const tools = await findTools(folder)
  if (tools === undefined) throw new Error(await missingC(folder))
  const files = await readSources(folder)
  const objects: Record<string, Uint8Array> = {}
  for (const name of Object.keys(files).filter((name) => /^[^/]+\.c$/u.test(name))) {
    const object = name.replace(/\.c$/u, '.o')
    objects[object] = await tools('clang', { args: [...compileOptions, '-c', name, '-o', object], files })
  }
  const args = [...linkOptions, ...Object.keys(objects), '-o', 'core.wasm']
  return tools('wasm-ld', { args, files: objects })
}

async function readSources(folder: string): Promise<Files> {
  const files: Record<string, Uint8Array> = {}
  for (const name of await readdir(folder, { recursive: true })) {
    if (/\.[ch]$/u.test(name) && !/(?:^|\/)(?:node_modules|dist)\//u.test(name)) {
      files[name] = new Uint8Array(await readFile(join(folder, name)))
    }
  }
  return files
}

async function findTools(folder: string): Promise<Tools | undefined> {
  const packaged = packageFrom(join(folder, 'package.json')) ?? packageFrom(import.meta.filename)
  if (packaged !== undefined) return packagedTools(packaged)
  const clang = await outputOf('clang', '--print-targets')
  const linker = await outputOf('wasm-ld', '--version')
  return clang?.includes('wasm32') === true && linker !== undefined ? installedTools : undefined
}

function packageFrom(path: string): string | undefined {
  try {
    return createRequire(path).resolve('@yowasp/clang')
  } catch {
    return undefined
  }
}

async function outputOf(command: string, argument: string): Promise<string | undefined> {
  try {
    return (await run(command, [argument])).stdout
  } catch {
    return undefined
  }
}

/** A folder as the package has it: files, and folders of files. */
interface Folder {
  [name: string]: Folder | Uint8Array | string
}

interface Packaged {
  /** Without arguments it loads what it needs, 100 MB. */
  readonly runLLVM: (
    args: null,
    files: Folder,
    options: { readonly fetchProgress: () => void },
  ) => Promise<undefined> | undefined
  readonly commands: Readonly<
    Record<
      'clang' | 'wasm-ld',
      (args: readonly string[], files: Folder, options: Readonly<Record<string, unknown>>) => Promise<Folder>
    >
  >
}

/** LLVM as a WebAssembly program in this process: it sees the files it is given, and no others. */
function packagedTools(entry: string): Tools {
  return async (command, { args, files }) => {
    const { commands, runLLVM } = (await import(pathToFileURL(entry).href)) as Packaged
    // Before clang does it, which would print how far it is.
    await runLLVM(null, {}, { fetchProgress: () => undefined })
    let said = ''
    const stderr = (bytes: Uint8Array | null): void =>
      void (said += bytes === null ? '' : new TextDecoder().decode(bytes))
    const quiet = { stderr, stdout: () => undefined }
    try {
      const made = (await commands[command](args, foldersOf(files), quiet))[args.at(-1) ?? '']
      if (made instanceof Uint8Array) return made
    } catch (error) {
      throw new Error(said === '' ? String(error) : withoutCount(said), { cause: error })
    }
    throw new Error(`${command} wrote nothing: ${said}`)
  }
}

function foldersOf(files: Files): Folder {
  const root: Folder = {}
  for (const [name, bytes] of Object.entries(files)) {
    const parts = name.split('/')
    const last = parts.pop() ?? ''
    let folder = root
    for (const part of parts) {
      const next = folder[part]
      folder = typeof next === 'object' && !(next instanceof Uint8Array) ? next : (folder[part] = {})
    }
    folder[last] = bytes
  }
  return root
}

const installedTools: Tools = async (command, { args, files }) => {
  const folder = await mkdtemp(join(tmpdir(), 'trellis-c-'))
  try {
    for (const [name, bytes] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name)), { recursive: true })
      await writeFile(join(folder, name), bytes)
    }
    await run(command, [...args], { cwd: folder })
    return new Uint8Array(await readFile(join(folder, args.at(-1) ?? '')))
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : ''
    throw new Error(said === '' ? String(error) : withoutCount(said), { cause: error })
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Without `1 error generated.` */
function withoutCount(said: string): string {
  return said.replaceAll(/^\d+ (?:error|warning)s?.* generated\.\n?/gmu, '').trim()
}
