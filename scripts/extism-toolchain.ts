/** From a plug-in's source to the core module Extism runs: AssemblyScript and text with npm's tools, Go with Go. */
import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'

import { parse } from '@bytecodealliance/jco-transpile/wasm-tools'

import { compileCore, replaceFile } from './toolchain.ts'

const run = promisify(execFile)

/** Go builds plug-ins from 1.24 on: since then it exports functions. */
export function hasGo(): boolean {
  const { stdout } = spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' })
  const minor = /^go1\.(\d+)/u.exec(stdout)?.[1]
  return minor !== undefined && Number(minor) >= 24
}

/**
 * Builds the folder's `handler.as.ts`, `handler.wat` or `main.go` (a module of its own).
 *
 * @throws Error with the tool's own output when the source is wrong, or when there is no source or no Go
 */
export async function buildExtism({ folder, out }: { readonly folder: string; readonly out: string }): Promise<void> {
  const at = (name: string): string => join(folder, name)
  await replaceFile(out, async (temporary) => {
    if (existsSync(at('handler.as.ts'))) {
      return writeFile(temporary, await compileCore(at('handler.as.ts'), packagesOf(folder)))
    }
    if (existsSync(at('handler.wat')))
      return writeFile(temporary, await parse(await readFile(at('handler.wat'), 'utf8')))
    if (existsSync(at('main.go'))) return buildGo(folder, temporary)
    throw new Error(`${folder}: has no handler.as.ts, handler.wat or main.go`)
  })
}

/** The folder, from this one up, whose packages are used. */
function packagesOf(folder: string): string {
  for (let at = resolve(folder); at !== dirname(at); at = dirname(at)) {
    if (existsSync(join(at, 'node_modules/@extism/as-pdk'))) return at
  }
  throw new Error(`${folder}: needs the package @extism/as-pdk`)
}

async function buildGo(folder: string, out: string): Promise<void> {
  if (!hasGo()) throw new Error(`${folder}: needs Go 1.24 or newer on PATH`)
  const args = [
    'build',
    '-trimpath',
    '-buildvcs=false',
    '-ldflags=-s -w',
    '-buildmode=c-shared',
    '-o',
    resolve(out),
    '.',
  ]
  const env = { ...process.env, GOOS: 'wasip1', GOARCH: 'wasm', CGO_ENABLED: '0' }
  try {
    await run('go', args, { cwd: folder, env, maxBuffer: 16 * 1024 * 1024 })
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error)
    throw new Error(`go build ${folder}: ${said}`, { cause: error })
  }
}
