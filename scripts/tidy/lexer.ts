/** Tells TypeScript's code from its comments, strings and regular expressions, without a parser. */

export interface StringLiteral {
  /** Offset of the opening quote. */
  readonly at: number
  /** What stands between the quotes, as written; of a template, what stands before its first `${`. */
  readonly value: string
}

export interface Lexed {
  /** As long as the text; comments and the insides of literals are spaces. */
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
const beforeRegex = /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|void|delete|await|yield|throw|else|do))$/

/** @throws Error when a comment or a literal does not end: the scanner lost its way, and must not go on guessing */
export function lex(text: string): Lexed {
  const cursor: Cursor = { text, at: 0, code: [], comments: [], strings: [] }
  readCode(cursor, false)
  if (cursor.at < text.length) throw new Error(`lexer: a closing brace too many at ${cursor.at}`)
  return { code: cursor.code.join(''), comments: cursor.comments, strings: cursor.strings }
}

/** Reads to the end, or to the brace that closes a template's `${`. */
function readCode(cursor: Cursor, inTemplate: boolean): void {
  const { text, code } = cursor
  let depth = 0
  let before = ''
  while (cursor.at < text.length) {
    const char = text.charAt(cursor.at)
    const pair = text.slice(cursor.at, cursor.at + 2)
    if (inTemplate && char === '}' && depth === 0) return
    if (pair === '//') blankComment(cursor, lineEnd(cursor))
    else if (pair === '/*') blankComment(cursor, indexAfter(cursor, '*/', cursor.at + 2))
    else if (char === "'" || char === '"') before = readQuoted(cursor, char)
    else if (char === '`') before = readTemplate(cursor)
    else if (char === '/' && beforeRegex.test(before)) before = readRegex(cursor)
    else {
      if (char === '{') depth++
      if (char === '}') depth--
      if (!/\s/.test(char)) before = (before + char).slice(-12)
      else if (/\w$/.test(before)) before += ' '
      before = before.replace(/ (?=\W)| $(?<!\w )/, '')
      code.push(char)
      cursor.at++
    }
  }
}
