/** What is said on wrong usage: one line, with what to type next. */

/** For commander's `configureOutput`. `next` is a command that helps. */
export function usageLine(next: string): { outputError(text: string, write: (line: string) => void): void } {
  return { outputError: (text, write) => write(`${oneLine(text)}; ${next}\n`) }
}

/** Commander's words, and its suggestion if it has one. */
function oneLine(text: string): string {
  return text
    .trim()
    .replace(/^error:/, 'trellis:')
    .replace(/\.$/, '')
    .replaceAll('\n', ' ')
}
