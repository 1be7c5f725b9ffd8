/** Subject patterns as NATS has them: tokens between dots, `*` for one token, a last `>` for one or more. */
import { LANE_PATTERNS_MAX } from '#host/limits.ts'

import type { Lanes } from './port.ts'

const SUBJECT = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/
const PATTERN = /^(?:[A-Za-z0-9_-]+|\*)(?:\.(?:[A-Za-z0-9_-]+|\*))*(?:\.>)?$/

/** A pattern cut into tokens once. */
export type Pattern = readonly string[]

/** Which of the two lanes, or neither. */
type Lane = keyof Lanes

/** @throws Error (a bug of the caller: subjects come from builders) when a token is empty, a wildcard or strange */
export function checkSubject(subject: string): void {
  if (!SUBJECT.test(subject)) throw new Error(`not a subject: ${JSON.stringify(subject)}`)
}

/** @throws Error when it is no pattern */
export function parsePattern(pattern: string): Pattern {
  if (pattern !== '>' && !PATTERN.test(pattern)) throw new Error(`not a subject pattern: ${JSON.stringify(pattern)}`)
  return pattern.split('.')
}

/** Whether every subject of `inner` (a subject is a pattern too) is one of `outer`. */
export function covers(outer: Pattern, inner: Pattern): boolean {
  for (const [index, token] of outer.entries()) {
    const other = inner[index]
    if (token === '>') return other !== undefined
    if (other === undefined || other === '>') return false
    if (token !== '*' && token !== other) return false
  }
  return outer.length === inner.length
}

/** Whether some subject belongs to both. */
export function overlap(a: Pattern, b: Pattern): boolean {
  for (let index = 0; ; index += 1) {
    const left = a[index]
    const right = b[index]
    if (left === undefined || right === undefined) return left === right
    if (left === '>' || right === '>') return true
    if (left !== right && left !== '*' && right !== '*') return false
  }
}

/** Lanes whose patterns are checked; answers which lane captures a subject. */
export interface LaneTable {
  readonly lanes: Lanes
  laneOf(subject: string): Lane | undefined
}

/**
 * Checks lanes and drops patterns that another one of the same lane covers.
 *
 * Every pattern names its first token and has at least three: the second is the vault, by which a broker partitions.
 *
 * @throws Error when a pattern is wrong or two of them overlap in part, so that one message would be stored twice
 */
export function laneTable(lanes: Lanes): LaneTable {
  const critical = parseLane(lanes.critical)
  const bestEffort = parseLane(lanes.bestEffort)
  const all = [...critical, ...bestEffort]
  for (const [index, pattern] of all.entries()) {
    const twin = all.slice(0, index).find((other) => overlap(other, pattern))
    if (twin) throw new Error(`lanes overlap: ${twin.join('.')} and ${pattern.join('.')}`)
  }
  return {
    lanes: { critical: critical.map((tokens) => tokens.join('.')), bestEffort: bestEffort.map((t) => t.join('.')) },
    laneOf(subject) {
      const tokens = subject.split('.')
      if (critical.some((pattern) => covers(pattern, tokens))) return 'critical'
      return bestEffort.some((pattern) => covers(pattern, tokens)) ? 'bestEffort' : undefined
    },
  }
}

function parseLane(patterns: readonly string[]): readonly Pattern[] {
  if (patterns.length > LANE_PATTERNS_MAX) throw new Error(`a lane has ${patterns.length} patterns`)
  const parsed = [...new Set(patterns)].toSorted().map(parsePattern)
  for (const pattern of parsed) {
    if (pattern.length < 3 || pattern[0] === '*' || pattern[0] === '>' || pattern[1] === '>') {
      throw new Error(`a lane pattern is <space>.<vault>.<more>: ${pattern.join('.')}`)
    }
  }
  return parsed.filter((inner) => !parsed.some((outer) => outer !== inner && covers(outer, inner)))
}
