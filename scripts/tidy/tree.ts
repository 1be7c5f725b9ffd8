/** The files of the house, and how they name each other. */
import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'

import { readSource, type Source } from './source.ts'

export interface Tree {
  /** Every file, sorted, with slashes, from the root. */
  readonly files: readonly string[]
  readonly sources: ReadonlyMap<string, Source>
  readonly wit: ReadonlyMap<string, string>
}

const folders = ['host', 'enclave', 'client', 'console', 'plugins', 'scripts', 'bench', 'examples', 'wit', 'manifests']
// `types`: made by scripts/generate.ts, in the generator's own style.
const skipped = new Set(['node_modules', 'dist', 'build', 'types'])

/** @throws Error naming a source that the scanner cannot read */
export function readTree(root: string): Tree {
  const texts = new Map<string, string>()
  const files = folders.flatMap((folder) => walk(root, folder)).sort()
  for (const file of files) {
    if (isSource(file) || file.endsWith('.wit')) texts.set(file, readFileSync(`${root}/${file}`, 'utf8'))
  }
  return plantTree(texts, files)
}

/** A tree of texts by path, as the rules' own tests plant them. */
export function plantTree(texts: ReadonlyMap<string, string>, files: readonly string[] = [...texts.keys()]): Tree {
  const sources = new Map<string, Source>()
  const wit = new Map<string, string>()
  for (const [path, text] of texts) {
    if (isSource(path)) sources.set(path, readSource(path, text))
    else if (path.endsWith('.wit')) wit.set(path, text)
  }
  return { files, sources, wit }
}

function walk(root: string, folder: string): string[] {
  let entries
  try {
    entries = readdirSync(`${root}/${folder}`, { withFileTypes: true })
  } catch {
    // Not every folder of the house is built yet.
    return []
  }
  return entries.flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.name.startsWith('.') || skipped.has(entry.name)) return []
    return entry.isDirectory() ? walk(root, path) : [path]
  })
}

/** AssemblyScript looks like TypeScript and is not. */
function isSource(path: string): boolean {
  return path.endsWith('.ts') && !path.endsWith('.as.ts')
}

/** Tests, the suites they share and what they are fed. */
export function isTest(path: string): boolean {
  return /\.(?:test|case|fixture)\.ts$/.test(path) || path.includes('/fixtures/')
}

/** Where the clock, the environment and every room may be reached. */
export function isRoot(path: string): boolean {
  return /^(?:host\/main\.ts|host\/commands\/|enclave\/main\.ts|scripts\/|bench\/|examples\/)/.test(path)
}

/** `host/wire`, or the file itself at the top of `host`; elsewhere the top folder. */
export function roomOf(path: string): string {
  if (path === 'host/main.ts') return 'host/commands'
  const [top = '', second = ''] = path.split('/')
  return top === 'host' ? `${top}/${second}` : top
}

type Target =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'missing'; readonly path: string }
  | { readonly kind: 'package'; readonly name: string }

export interface Edge {
  readonly from: string
  readonly line: number
  readonly specifier: string
  readonly to: Target
}

/** Everything each file names: other files, packages, and files that are not there. */
export function edgesOf(tree: Tree): Edge[] {
  const edges: Edge[] = []
  for (const [from, { imports }] of tree.sources) {
    for (const { specifier, line, kind } of imports) {
      const path = pathOf(specifier, from)
      if (kind === 'head') {
        const heads = path === undefined ? [] : [...tree.sources.keys()].filter((file) => file.startsWith(path))
        for (const head of heads) edges.push({ from, line, specifier, to: { kind: 'file', path: head } })
      } else if (path === undefined) {
        edges.push({ from, line, specifier, to: { kind: 'package', name: packageOf(specifier) } })
      } else if (tree.sources.has(path)) edges.push({ from, line, specifier, to: { kind: 'file', path } })
      else if (/\.[cm]?[jt]s$/.test(path) && !isGenerated(path)) {
        edges.push({ from, line, specifier, to: { kind: 'missing', path } })
      }
    }
  }
  return edges
}

function isGenerated(path: string): boolean {
  return path.split('/').some((part) => skipped.has(part) || part.startsWith('.'))
}

function pathOf(specifier: string, from: string): string | undefined {
  if (specifier.startsWith('#')) return specifier.slice(1)
  if (specifier.startsWith('.')) return posix.join(posix.dirname(from), specifier)
  return undefined
}

/** `node:`, `@scope/name`, `name`, or the WIT package of a guest's import. */
function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return 'node:'
  const parts = specifier.split('/')
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
}
