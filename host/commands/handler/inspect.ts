/** `trellis handler inspect`: what a .wasm file is, without running any of it. */
import { readFile } from 'node:fs/promises'

import { metadataShow } from '@bytecodealliance/jco-transpile/wasm-tools'

import { Refusal } from '#host/errors.ts'
import { COMPONENT_BYTES_MAX, HANDLER_MEMORY_BYTES_MAX, TABLE_ELEMENTS_MAX } from '#host/limits.ts'
import { COMPONENT_MODULES_MAX, CORE_MEMORIES_MAX, CORE_TABLES_MAX } from '#host/plugin/limits.ts'
import { type CoreModule, readCoreModule } from '#host/plugin/component/core-module.ts'
import { openQuota } from '#host/plugin/component/cursor.ts'
import { decodeComponent } from '#host/plugin/component/decode.ts'
import { describeFunctions } from '#host/plugin/component/describe.ts'
import { type Component, loadComponent } from '#host/plugin/component/load.ts'
import { loadExtism } from '#host/plugin/extism/load.ts'
import { userFunctions } from '#host/plugin/extism/user.ts'
import { wasiModule } from '#host/plugin/extism/wasi.ts'
import { typeMistakes } from '#host/plugin/world.ts'
import { paint } from '../paint.ts'
import { clip } from '../table.ts'
import { sizeOf } from './build.ts'
import { sha384 } from './digest.ts'
import { shown } from './folder.ts'

const PAGE_BYTES = 65_536
const LABEL = 11

/** A label and the lines that stand beside it. */
type Row = readonly [label: string, ...lines: string[]]

/** @returns whether a host would take it */
export async function inspect(file: string, columns: number): Promise<boolean> {
  const bytes = await readFile(file).then(
    (buffer) => new Uint8Array(buffer),
    () => undefined,
  )
  if (bytes === undefined) throw new Refusal('source-invalid', `${file} is not there, or cannot be read`)
  const { rows, refused } = isCoreModule(bytes) ? await coreRows(bytes) : await componentRows(bytes)
  const head: Row = ['file', `${shown(file)}, ${sizeOf(bytes.length)} of at most ${sizeOf(COMPONENT_BYTES_MAX)}`]
  const verdict = refused ?? 'a host takes it, if its manifest asks for these imports'
  for (const [label, ...lines] of [head, ['sha384', ...halves(sha384(bytes))] as Row, ...rows])
    print(label, lines, columns)
  console.log(`${'verdict'.padEnd(LABEL)}${refused === undefined ? paint.good(verdict) : paint.bad(verdict)}`)
  return refused === undefined
}

function print(label: string, lines: readonly string[], columns: number): void {
  lines.forEach((line, at) => {
    console.log(`${paint.soft((at === 0 ? label : '').padEnd(LABEL))}${clip(line, columns - LABEL)}`)
  })
}

/** A hash in two lines: whole, and within 80 columns. */
function halves(hash: string): [string, string] {
  const half = hash.length / 2
  return [hash.slice(0, half), hash.slice(half)]
}

/** Byte 4 of the preamble: 1 for a core module, 13 for a component. */
function isCoreModule(bytes: Uint8Array): boolean {
  return bytes[4] === 1
}

interface Inspected {
  readonly rows: readonly Row[]
  /** Why no host takes it. */
  readonly refused: string | undefined
}

/** @throws Refusal `component-invalid` when it is no module, either */
async function coreRows(bytes: Uint8Array): Promise<Inspected> {
  const core = readCoreModule(bytes, openQuota())
  const imports = Map.groupBy(core.imports, ({ module }) => module)
  if (imports.keys().some((name) => name.startsWith('extism:host/'))) return pluginRows(bytes, core)
  return {
    rows: [
      ['kind', 'core module'],
      [
        'imports',
        ...orNothing([...imports].map(([name, items]) => `${name}: ${items.map((item) => item.name).join(' ')}`)),
      ],
      ['exports', ...orNothing([...core.exports].map(([name, { sort }]) => `${name} (${sort})`))],
      ['memory', core.memory === undefined ? 'none of its own' : `starts with ${sizeOf(core.memory.min * PAGE_BYTES)}`],
    ],
    refused: 'neither a component of the world trellis:handler nor an Extism plug-in: a host runs these two',
  }
}

/** Of a module that wants Extism's kernel. */
async function pluginRows(bytes: Uint8Array, core: CoreModule): Promise<Inspected> {
  const of = (module: string): string[] => core.imports.filter((item) => item.module === module).map(({ name }) => name)
  const needs = new Set(of('extism:host/user').map((name) => userFunctions.get(name) ?? 'nothing there is'))
  const user = of('extism:host/user')
  const start = (core.memory?.min ?? 0) * PAGE_BYTES
  const rows: Row[] = [
    ['kind', 'Extism plug-in'],
    ['made with', ...orNothing(await producers(bytes))],
    ['imports', ...orNothing([...needs].sort().map((need) => `${need.padEnd(8)} ${namesOf(user, need).join(' ')}`))],
    ['kernel', ...orNothing([of('extism:host/env').join(' ')])],
    ['wasi', `${of(wasiModule).length} functions, answered from a fixed table that holds no authority`],
    ['exports', ...orNothing([...core.exports.keys()])],
    [
      'memory',
      `starts with ${sizeOf(start)}, ends at the manifest's limit: at most ${sizeOf(HANDLER_MEMORY_BYTES_MAX)}`,
    ],
  ]
  try {
    loadExtism(bytes, { memoryBytesMax: HANDLER_MEMORY_BYTES_MAX, tableElementsMax: TABLE_ELEMENTS_MAX, random: false })
    return { rows, refused: undefined }
  } catch (error) {
    if (error instanceof Refusal) return { rows, refused: error.message }
    throw error
  }
}

function namesOf(functions: readonly string[], need: string): string[] {
  return functions.filter((name) => (userFunctions.get(name) ?? 'nothing there is') === need)
}

async function componentRows(bytes: Uint8Array): Promise<Inspected> {
  let component: Component
  try {
    const limits = { memoryBytesMax: HANDLER_MEMORY_BYTES_MAX, tableElementsMax: TABLE_ELEMENTS_MAX }
    component = loadComponent(bytes, limits)
  } catch (error) {
    if (error instanceof Refusal) return { rows: [['kind', 'not a component that runs']], refused: error.message }
    throw error
  }
  const { imports, exports } = describeFunctions(component.plan)
  const own = Object.entries(imports).filter(([name]) => !name.startsWith('wasi:'))
  const fixed = Object.keys(imports).length - own.length
  const foreign = component.imports.filter((name) => !name.startsWith('trellis:handler/'))
  const wrong = [
    ...typeMistakes(component.plan),
    ...foreign.map((name) => `imports ${name}, which no host has`),
    ...('handle' in exports ? [] : ['exports no handle']),
  ]
  return {
    rows: [
      ['kind', `component, ${wrong.length === 0 ? 'of the world trellis:handler@0.1.0' : 'of another world'}`],
      ['made with', ...orNothing(await producers(bytes))],
      ['imports', ...orNothing(importLines(own.map(([name]) => name)))],
      ...(fixed === 0
        ? []
        : [['wasi', `${fixed} functions, answered from a fixed table that holds no authority`] as Row]),
      ['exports', ...orNothing(Object.keys(exports))],
      ...sizeRows(component, bytes),
    ],
    refused: wrong.length === 0 ? undefined : wrong.join('; '),
  }
}

/** One line per interface, with the functions of it: `fields: get`. */
function importLines(names: readonly string[]): string[] {
  const parts = names.map((name) => name.replace(/^trellis:handler\/(.*)@0\.1\.0#/u, '$1#').split('#'))
  const byInterface = Map.groupBy(parts, ([owner]) => owner ?? '')
  return [...byInterface].map(([owner, items]) => {
    const functions = items.map(([, name = '']) => name.replace(/^\[method\]/u, ''))
    return `${owner.padEnd(8)} ${functions.join(' ')}`
  })
}

/** What it holds, beside what a host lets any handler hold. */
function sizeRows({ modules, plan }: Component, bytes: Uint8Array): Row[] {
  const quota = openQuota()
  const cores = decodeComponent(bytes, quota).modules.map((module) => readCoreModule(module, quota))
  const memories = cores.flatMap(({ memory }) => (memory === undefined ? [] : [memory]))
  const tables = cores.flatMap((core) => core.tables)
  const start = sizeOf(memories.reduce((sum, { min }) => sum + min * PAGE_BYTES, 0))
  const ends = `end at the manifest's limit: at most ${sizeOf(HANDLER_MEMORY_BYTES_MAX)}`
  const elements = tables.reduce((sum, { min }) => sum + min, 0)
  return [
    ['modules', `${modules.length} of at most ${COMPONENT_MODULES_MAX}`],
    ['memories', `${memories.length} of at most ${CORE_MEMORIES_MAX}; start with ${start}, ${ends}`],
    [
      'tables',
      `${tables.length} of at most ${CORE_TABLES_MAX}, ${elements} elements, each of at most ${TABLE_ELEMENTS_MAX}`,
    ],
    ['reset', plan.isResettable ? 'from a snapshot after each event' : 'not possible: a new instance for each event'],
  ]
}

/** Languages and tools, as the component's makers wrote them down; nobody has to. */
async function producers(bytes: Uint8Array): Promise<string[]> {
  const found = (await metadataShow(bytes)).flatMap((part) => part.producers)
  const named = found.flatMap(([field, tools]) => tools.map(([name, version]) => `${field} ${name} ${version}`.trim()))
  return [...new Set(named)].sort()
}

function orNothing(lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? ['nothing'] : lines
}
