/** Tells TypeScript's code from its comments, strings and regular expressions, without a parser. */

interface StringLiteral {
  /** Offset of the opening quote. */
  readonly at: number
  /** What stands between the quotes, as written; of a template, what stands before its first `${`. */
  readonly value: string
}

export interface Lexed {
  /** As long as the text, line by line the same; comments and the insides of literals are spaces. */
  readonly code: string
  readonly comments: readonly string[]
  readonly strings: readonly StringLiteral[]
}

interface Cursor {
  readonly text: string
  at: number
  readonly code: string[]
  readonly comments: string[]
  readonly strings: StringLiteral[]
}

/** After these a slash begins a regular expression; after a name, a number or a closing bracket it divides. */
const beforeRegex = /(?:^|[(,=:[!&|?{;*%<>~^]|[^+]\+|[^-]-|\b(?:return|typeof|case|in|of|void|await|yield|throw))$/

/** @throws Error when a comment or a literal does not end: the scanner lost its way, and must not guess on */
export function lex(text: string): Lexed {
  const cursor: Cursor = { text, at: 0, code: [], comments: [], strings: [] }
  readCode(cursor)
  if (cursor.at < text.length) throw new Error(`lexer: a closing brace too many in line ${lineOf(text, cursor.at)}`)
  const strings = cursor.strings.toSorted((a, b) => a.at - b.at)
  return { code: cursor.code.join(''), comments: cursor.comments, strings }
}

/** 1 for the first. */
export function lineOf(text: string, at: number): number {
  return text.slice(0, at).split('\n').length
}

/** Reads to the end, or to the brace that was not opened here: the end of a template's `${`. */
function readCode(cursor: Cursor): void {
  const { text } = cursor
  let depth = 0
  while (cursor.at < text.length) {
    const char = text.charAt(cursor.at)
    const next = text.charAt(cursor.at + 1)
    if (char === '}' && depth === 0) return
    if (char === '/' && next === '/') readComment(cursor, lineEnd(text, cursor.at))
    else if (char === '/' && next === '*') readComment(cursor, after(cursor, '*/', cursor.at + 2))
    else if (char === "'" || char === '"') readQuoted(cursor, char)
    else if (char === '`') readTemplate(cursor)
    else if (char === '/' && beforeRegex.test(codeBefore(cursor))) readRegex(cursor)
    else {
      depth += char === '{' ? 1 : char === '}' ? -1 : 0
      keep(cursor)
    }
  }
}

function readComment(cursor: Cursor, end: number): void {
  cursor.comments.push(cursor.text.slice(cursor.at, end))
  blank(cursor, end)
}

function readQuoted(cursor: Cursor, quote: string): void {
  const start = cursor.at
  keep(cursor)
  const end = closing(cursor, (char) => char === quote)
  cursor.strings.push({ at: start, value: cursor.text.slice(start + 1, end) })
  blank(cursor, end)
  keep(cursor)
}

function readRegex(cursor: Cursor): void {
  let inClass = false
  keep(cursor)
  const end = closing(cursor, (char) => {
    if (char === '[') inClass = true
    if (char === ']') inClass = false
    return char === '/' && !inClass
  })
  blank(cursor, end)
  keep(cursor)
}

function readTemplate(cursor: Cursor): void {
  const { text } = cursor
  const start = cursor.at
  let head: string | undefined
  keep(cursor)
  while (text.charAt(cursor.at) !== '`') {
    if (cursor.at >= text.length) throw new Error(`lexer: the template of line ${lineOf(text, start)} does not end`)
    if (text.startsWith('${', cursor.at)) {
      head ??= text.slice(start + 1, cursor.at)
      blank(cursor, cursor.at + 2)
      readCode(cursor)
      blank(cursor, cursor.at + 1)
    } else blank(cursor, cursor.at + (text.charAt(cursor.at) === '\\' ? 2 : 1))
  }
  cursor.strings.push({ at: start, value: head ?? text.slice(start + 1, cursor.at) })
  keep(cursor)
}

/** Where the literal that began one character ago ends. Neither strings nor regular expressions span lines. */
function closing(cursor: Cursor, isEnd: (char: string) => boolean): number {
  const { text } = cursor
  for (let at = cursor.at; at < text.length && text.charAt(at) !== '\n'; at++) {
    if (text.charAt(at) === '\\') at++
    else if (isEnd(text.charAt(at))) return at
  }
  throw new Error(`lexer: the literal of line ${lineOf(text, cursor.at)} does not end`)
}

function keep(cursor: Cursor): void {
  cursor.code.push(cursor.text.charAt(cursor.at))
  cursor.at++
}

function blank(cursor: Cursor, end: number): void {
  for (; cursor.at < end; cursor.at++) cursor.code.push(cursor.text.charAt(cursor.at) === '\n' ? '\n' : ' ')
}

/** The last characters of code before the cursor, without what is blank. */
function codeBefore({ code }: Cursor): string {
  let end = code.length
  while (end > 0 && (code[end - 1] ?? '').trim() === '') end--
  return code.slice(Math.max(0, end - 12), end).join('')
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf('\n', at)
  return end === -1 ? text.length : end
}

function after(cursor: Cursor, mark: string, from: number): number {
  const found = cursor.text.indexOf(mark, from)
  if (found === -1) throw new Error(`lexer: the comment of line ${lineOf(cursor.text, cursor.at)} does not end`)
  return found + mark.length
}
