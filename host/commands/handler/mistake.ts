/** What a handler's author did wrong, told by file and line. */
import { jsonLines, lineOf } from './json-lines.ts'

/** `file:line: what`, as editors read it. */
export type Mistake = string

/** Mistakes in a JSON file, told as `path: message`, with the path's line. */
export function jsonMistakes(told: readonly string[], { file, text }: { file: string; text: string }): Mistake[] {
  const broken = syntaxMistake(text)
  if (broken !== undefined) return [`${file}:${broken}`]
  const lines = jsonLines(text)
  return told.map((mistake) => {
    const path = /^(\S+): /u.exec(mistake)?.[1] ?? '(root)'
    return `${file}:${lineOf(lines, path)}: ${mistake.replace('(root): ', '')}`
  })
}

/** `line: what` when the text is not JSON. */
function syntaxMistake(text: string): string | undefined {
  try {
    JSON.parse(text)
    return undefined
  } catch (error) {
    const told = error instanceof Error ? error.message : ''
    const line = /line (\d+)/u.exec(told)?.[1] ?? String(text.split('\n').length)
    return `${line}: is not JSON: ${told.replace(/ \(line .*/u, '').replace(/ in JSON at .*/u, '')}`
  }
}
