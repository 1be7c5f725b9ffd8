/**
 * From a plug-in's source to the core module Extism runs: AssemblyScript, C and text with npm's tools, Rust and Go
 * with their own.
 */
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

import { parse } from '@bytecodealliance/jco-transpile/wasm-tools'

import { compileC } from './toolchain-c.ts'
import { buildGo } from './toolchain-go.ts'
import { compileRust } from './toolchain-rust.ts'
import { compileCore, replaceFile } from './toolchain.ts'

/**
 * Builds the folder's `handler.as.ts`, `handler.c`, `handler.rs`, `handler.wat`, or the Go module whose `handler.go` or
 * `main.go` it holds.
 *
 * @throws Error with the tool's own output when the source is wrong, or when there is no source or no compiler
 */
export async function buildExtism({ folder, out }: { readonly folder: string; readonly out: string }): Promise<void> {
  const at = (name: string): string => join(folder, name)
  await replaceFile(out, async (temporary) => {
    if (existsSync(at('handler.as.ts'))) {
      return writeFile(temporary, await compileCore(at('handler.as.ts'), { packages: packagesOf(folder) }))
    }
    if (existsSync(at('handler.c'))) return writeFile(temporary, await compileC(folder))
    if (existsSync(at('handler.rs'))) return writeFile(temporary, await compileRust(at('handler.rs')))
    if (existsSync(at('handler.wat')))
      return writeFile(temporary, await parse(await readFile(at('handler.wat'), 'utf8')))
    if (existsSync(at('handler.go')) || existsSync(at('main.go'))) return buildGo(folder, temporary)
    throw new Error(`${folder}: has no handler.as.ts, handler.c, handler.rs, handler.wat, handler.go or main.go`)
  })
}

/** The packages of the first folder, from this one up, that has the PDK; else those that Trellis has. */
function packagesOf(folder: string): string {
  for (const start of [resolve(folder), import.meta.dirname]) {
    for (let at = start; at !== dirname(at); at = dirname(at)) {
      if (existsSync(join(at, 'node_modules/@extism/as-pdk'))) return join(at, 'node_modules')
    }
  }
  throw new Error(`${folder}: needs the package @extism/as-pdk`)
}
