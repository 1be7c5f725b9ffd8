/** One file of the tree as the rules see it. */
import { lex, type Lexed, lineOf } from './lexer.ts'

interface Import {
  readonly specifier: string
  readonly line: number
  /** `head`: only the beginning is known, as in a template's `./worker.${suffix}`. */
  readonly kind: 'static' | 'dynamic' | 'head'
}

/** A function's body in braces. A body that holds tests is a list, not a function, and is none of these. */
interface Body {
  readonly line: number
  readonly lines: number
}

export interface Source extends Lexed {
  /** From the root, with slashes. */
  readonly path: string
  readonly text: string
  readonly lines: readonly string[]
  readonly imports: readonly Import[]
  /** Names that other files can import. */
  readonly exports: readonly string[]
  readonly bodies: readonly Body[]
  /** True when nothing but imports and re-exports is in it. */
  readonly isBarrel: boolean
}

/** @throws Error naming the file when the scanner cannot read it */
export function readSource(path: string, text: string): Source {
  const lexed = lexNamed(path, text)
  const lines = text.replace(/\n$/, '').split('\n')
  return {
    ...lexed,
    path,
    text,
    lines,
    imports: findImports(text, lexed),
    exports: findExports(lexed.code),
    bodies: findBodies(lexed.code),
    isBarrel: isBarrel(lexed.code),
  }
}

function lexNamed(path: string, text: string): Lexed {
  try {
    return lex(text)
  } catch (cause) {
    throw new Error(`${path}: the tidy scanner cannot read it`, { cause })
  }
}

/** How a file is named by another, and the quote follows: in blanked code nothing else looks like it. */
const naming = [
  { pattern: /\bfrom\s*(?=['"])/g, kind: 'static' },
  { pattern: /\bimport\s*(?=['"])/g, kind: 'static' },
  { pattern: /(?<![.\w])import\s*\(\s*(?=['"`])/g, kind: 'dynamic' },
  { pattern: /\brequire(?:\.resolve)?\s*\(\s*(?=['"`])/g, kind: 'dynamic' },
  { pattern: /\bimport\.meta\.resolve\s*\(\s*(?=['"`])/g, kind: 'dynamic' },
  { pattern: /\bnew\s+URL\s*\(\s*(?=['"`][^'"`]*['"`]\s*,\s*import\.meta\.url)/g, kind: 'dynamic' },
] as const

function findImports(text: string, { code, strings }: Lexed): Import[] {
  const byOffset = new Map(strings.map((literal) => [literal.at, literal.value]))
  const imports: Import[] = []
  for (const { pattern, kind } of naming) {
    for (const match of code.matchAll(pattern)) {
      const at = match.index + match[0].length
      const specifier = byOffset.get(at)
      if (specifier === undefined) throw new Error(`source: no string where line ${lineOf(text, at)} names a file`)
      const isWhole = text.charAt(at + 1 + specifier.length) === code.charAt(at)
      imports.push({ specifier, line: lineOf(text, at), kind: isWhole ? kind : 'head' })
    }
  }
  return imports
}

function findExports(code: string): string[] {
  const kinds = 'function\\*?|class|const|let|interface|type'
  const declared = new RegExp(`\\bexport\\s+(?:(?:default|declare|async|abstract)\\s+)*(?:${kinds})\\s+(\\w+)`, 'g')
  const listed = /\bexport\s+(?:type\s+)?\{([^}]*)\}/g
  const names = [...code.matchAll(declared)].map((match) => match[1] ?? '')
  for (const match of code.matchAll(listed)) {
    for (const item of (match[1] ?? '').split(',')) names.push(item.trim().split(/\s+/).at(-1) ?? '')
  }
  return names.filter((name) => name !== '')
}

function isBarrel(code: string): boolean {
  const reexport = /\bexport\s+(?:type\s+)?(?:\*(?:\s+as\s+\w+)?|\{[^}]*\})(?:\s*from\s*['"]\s*['"])?;?/g
  const bring = /\bimport\s+(?:type\s+)?[\w\s{},*]*?(?:from\s*)?['"]\s*['"];?/g
  return reexport.test(code) && code.replace(reexport, '').replace(bring, '').trim() === ''
}

/** Functions, methods and arrows with a body in braces, and arrows that return a braced literal. */
function findBodies(code: string): Body[] {
  const bodies: Body[] = []
  const open: number[] = []
  for (const { index, 0: brace } of code.matchAll(/[{}]/g)) {
    if (brace === '{') {
      open.push(index)
      continue
    }
    const start = open.pop()
    if (start === undefined) throw new Error(`source: a closing brace too many in line ${lineOf(code, index)}`)
    if (!beginsBody(code.slice(0, start).trimEnd())) continue
    if (/^\s*(?:test|it)\b/m.test(code.slice(start, index))) continue
    const line = lineOf(code, start)
    bodies.push({ line, lines: lineOf(code, index) - line + 1 })
  }
  return bodies
}

/** Whether a brace after this text opens a function's body. */
function beginsBody(before: string): boolean {
  if (/=>\s*\(?$/.test(before)) return true
  if (before.endsWith(')'))
    return !/\b(?:if|for|while|switch|catch|with|await)\s*$/.test(before.slice(0, opening(before)))
  return !/[(,:[=?&|]$/.test(before) && endsInReturnType(before)
}

/** Whether the text ends in `): Type`, whatever brackets the type has. */
function endsInReturnType(text: string): boolean {
  let type = ''
  for (let at = text.length - 1; at >= 0; at--) {
    const char = text.charAt(at)
    if (')]}'.includes(char)) at = opening(text.slice(0, at + 1))
    else if ('([{;'.includes(char)) return false
    else if (char === '=' && text.charAt(at + 1) !== '>') return false
    else if (char === ':') return text.slice(0, at).trimEnd().endsWith(')') && !statement.test(type)
    else type = char + type
  }
  return false
}

/** Words that no type has: the brace is theirs. */
const statement = /\b(?:class|interface|else|try|finally|do|return|import|export|const|let)\b/

/** Where the bracket was opened that closes at the end of this text. */
function opening(text: string): number {
  let depth = 0
  for (let at = text.length - 1; at >= 0; at--) {
    if (')]}'.includes(text.charAt(at))) depth++
    if ('([{'.includes(text.charAt(at))) depth--
    if (depth === 0) return at
  }
  return 0
}
