/** Where in a JSON text a value stands, so that a mistake can be named by its line. */

const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],:]|\n|[^\s{}[\],:"]+/gu

interface Frame {
  readonly path: string
  readonly isList: boolean
  index: number
  key: string | undefined
}

/** The line (from 1) of every value by its dotted path: `events.0.type`. The root is ''. */
export function jsonLines(text: string): ReadonlyMap<string, number> {
  const lines = new Map<string, number>([['', 1]])
  const frames: Frame[] = []
  let line = 1
  for (const [token] of text.matchAll(tokens)) {
    const frame = frames.at(-1)
    if (token === '\n') line += 1
    else if (token === '}' || token === ']') frames.pop()
    else if (token === ',') step(frame)
    else if (frame !== undefined && !frame.isList && frame.key === undefined) {
      frame.key = keyOf(token)
      lines.set(pathIn(frame), line)
    } else if (token !== ':') {
      const path = frame === undefined ? '' : pathIn(frame)
      if (!lines.has(path)) lines.set(path, line)
      if (token === '{' || token === '[') frames.push({ path, isList: token === '[', index: 0, key: undefined })
    }
  }
  return lines
}

/** The line of a path, or of the nearest thing around it that is there. */
export function lineOf(lines: ReadonlyMap<string, number>, path: string): number {
  for (let at = path === '(root)' ? '' : path; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('.')))) {
    const line = lines.get(at)
    if (line !== undefined) return line
  }
  return 1
}

function step(frame: Frame | undefined): void {
  if (frame === undefined) return
  frame.index += 1
  frame.key = undefined
}

function pathIn({ path, isList, index, key }: Frame): string {
  const last = isList ? String(index) : (key ?? '')
  return path === '' ? last : `${path}.${last}`
}

function keyOf(token: string): string {
  return token.startsWith('"') ? token.slice(1, -1) : token
}
