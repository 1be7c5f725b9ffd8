/** How files look and what they may not say (DESIGN §13). Each rule gives its violations as lines to read. */
import { rejectionCodes } from '#enclave/errors.ts'
import { refusalCodes } from '#host/errors.ts'

import { lineOf } from './lexer.ts'
import { isRoot, isTest, type Tree } from './tree.ts'

const FILE_LINES_MAX = 400
export const FILE_LINES_MEDIAN_MAX = 120
const FUNCTION_LINES_MAX = 70
const LINE_CHARS_MAX = 120

export function sizeViolations(tree: Tree): string[] {
  const sources = [...tree.sources.values()]
  const files = sources.flatMap(({ path, lines }) => over(`${path}: lines`, lines.length, FILE_LINES_MAX))
  const bodies = sources.flatMap(({ path, bodies }) =>
    bodies.flatMap(({ line, lines }) => over(`${path}:${line}: lines of the function`, lines, FUNCTION_LINES_MAX)),
  )
  const long = sources.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) => over(`${path}:${index + 1}: characters`, line.length, LINE_CHARS_MAX)),
  )
  return [...files, ...bodies, ...long]
}

function over(what: string, count: number, max: number): string[] {
  return count > max ? [`${what}: ${count}, at most ${max}`] : []
}

/** The median of the files a predicate picks, and the ones that are over it, longest first. */
export function medianLines(tree: Tree, picks: (path: string) => boolean): { median: number; over: string[] } {
  const sized = [...tree.sources.values()]
    .filter(({ path }) => picks(path))
    .map(({ path, lines }) => ({ path, count: lines.length }))
    .sort((a, b) => b.count - a.count)
  const median = sized[Math.floor(sized.length / 2)]?.count ?? 0
  const over = sized.filter(({ count }) => count > FILE_LINES_MEDIAN_MAX)
  return { median, over: over.map(({ path, count }) => `${path}: ${count} lines`) }
}

export function barrelViolations(tree: Tree): string[] {
  return [...tree.sources.values()].filter(({ isBarrel }) => isBarrel).map(({ path }) => `${path}: only re-exports`)
}

const kebab = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9-]+)*$/
const bannedWords = new Set(['manager', 'helper', 'helpers', 'util', 'utils', 'processor'])

export function nameViolations(tree: Tree): string[] {
  const misnamed = tree.files.flatMap((path) => {
    const parts = path.split('/').filter((part) => part !== 'README.md')
    if (!parts.every((part) => kebab.test(part))) return [`${path}: is not in kebab-case`]
    return parts.some((part) => part.split(/[-.]/).some((word) => bannedWords.has(word)))
      ? [`${path}: has a banned noun in its name`]
      : []
  })
  const exported = [...tree.sources.values()].flatMap(({ path, exports }) =>
    exports.filter(isBanned).map((name) => `${path}: exports ${name}, a banned noun`),
  )
  return [...misnamed, ...exported]
}

/** `VaultService` is banned; the vine's own service (`Service`, `serviceKey`, `fromService`) is not. */
function isBanned(name: string): boolean {
  const words = name.split(/(?=[A-Z])|_/).map((word) => word.toLowerCase())
  return words.some((word) => bannedWords.has(word)) || /^[A-Z]\w+Service$/.test(name)
}

interface Ban {
  readonly pattern: RegExp
  readonly why: string
}

const ambient: readonly Ban[] = [
  { pattern: /\bprocess\.env\b/g, why: 'reads the environment outside a composition root' },
  { pattern: /\bDate\.now\b/g, why: 'reads the clock outside a composition root' },
  { pattern: /\bnew Date\(\s*\)/g, why: 'reads the clock outside a composition root' },
  { pattern: /\bMath\.random\b/g, why: 'makes randomness outside a composition root' },
  { pattern: /(?<![.\w])import\s*\(\s*[^'"`\s)]/g, why: 'imports a file that only its run will know' },
]

/** It looks at the environment to see that nothing is in it. */
const CELL_SELF_TEST = 'host/plugin/self-test.ts'

const everywhere: readonly Ban[] = [
  { pattern: /(?:[:<,|&([=]|=>|\b(?:as|extends))\s*any\b(?!\s*[(:.=])/g, why: 'says any' },
  { pattern: /\benum\s+\w+\s*\{/g, why: 'is an enum' },
  { pattern: /\b(?:test|it|describe|suite)(?:\.\w+)*\.only\b/g, why: 'leaves other tests out' },
]

export function languageViolations(tree: Tree): string[] {
  const strict = everywhere.concat(ambient)
  return [...tree.sources.values()].flatMap(({ path, code, comments }) => {
    const bans = isRoot(path) || isTest(path) || path === CELL_SELF_TEST ? everywhere : strict
    const found = bans.flatMap(({ pattern, why }) =>
      [...code.matchAll(pattern)].map(({ index }) => `${path}:${lineOf(code, index)}: ${why}`),
    )
    const silenced = comments.filter((comment) => /^\/[/*]\s*@ts-(?:ignore|nocheck)\b/.test(comment))
    return found.concat(silenced.map((comment) => `${path}: silences the checker: ${comment}`))
  })
}

/** One interface in a file of its name, all of one package, and the world in `world.wit`. */
export function witViolations(tree: Tree): string[] {
  const packages = new Set<string>()
  const handlers = [...tree.wit].filter(([path]) => path.startsWith('wit/'))
  const violations = handlers.flatMap(([path, text]) => {
    const code = text.replace(/\/\/.*|\/\*[^]*?\*\//g, '')
    packages.add(/^\s*package\s+([^;]+);/.exec(code)?.[1] ?? `none in ${path}`)
    const items = [...code.matchAll(/\b(interface|world)\s+([\w-]+)\s*\{/g)].map(([, kind, name]) => `${kind} ${name}`)
    const stem = /([^/]+)\.wit$/.exec(path)?.[1] ?? ''
    const isRight =
      stem === 'world' ? items.join() === `world ${items[0]?.slice(6)}` : items.join() === `interface ${stem}`
    return isRight ? [] : [`${path}: holds ${items.join(', ') || 'nothing'}`]
  })
  return packages.size > 1 ? [...violations, `several packages: ${[...packages].join(', ')}`] : violations
}

/** Codes that no code throws, and codes that no test names. */
export function refusalViolations(tree: Tree): string[] {
  const said = { code: new Set<string>(), tests: new Set<string>() }
  for (const { path, strings } of tree.sources.values()) {
    if (path === 'host/errors.ts' || path === 'enclave/errors.ts' || path.startsWith('scripts/')) continue
    const words = isTest(path) ? said.tests : said.code
    for (const { value } of strings) words.add(value)
  }
  const codes = [...refusalCodes, ...rejectionCodes]
  const unthrown = codes.filter((code) => !said.code.has(code)).map((code) => `${code}: nothing throws it`)
  const untested = codes.filter((code) => !said.tests.has(code)).map((code) => `${code}: no test names it`)
  return [...unthrown, ...untested]
}
