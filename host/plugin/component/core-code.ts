/**
 * A walk over the code section: refuses instructions this host does not run, and finds out what a call may change that
 * a reset cannot cheaply see, and where fuel is taken. V8 validates the code; here only the immediates are skipped, and
 * what V8 may read as longer than this walk does is refused: a loop must not hide in an immediate.
 * Source: core spec, "Instructions" (binary format).
 */
import { Refusal } from '#host/errors.ts'
import {
  CODE_BRANCHES_MAX,
  CODE_CALLS_PER_LOOP_MAX,
  CODE_FREE_LEVELS_MAX,
  CODE_LEAF_BYTES_MAX,
  CODE_LOCALS_MAX,
  CODE_NESTING_MAX,
} from '#host/plugin/limits.ts'

import { type Cursor, expectEnd, invalid, openPart, readByte, readBytes, readU32 } from './cursor.ts'

/**
 * A place where something about fuel is put in, at the start of an instruction.
 *
 * - `entry`, `loop`: one is taken.
 * - `bulk`: what the instruction takes per unit of its length, as a right shift.
 * - `save`, `restore`: a counter held in a local variable goes back to the module's, and is read again.
 */
export type Probe =
  | { readonly at: number; readonly kind: 'entry' | 'loop' | 'save' | 'restore' }
  | { readonly at: number; readonly kind: 'bulk'; readonly shift: number }

/** One function's code, by positions in its module. */
export interface FunctionCode {
  /** Where its local variables are declared: their number of groups, then the groups. */
  readonly from: number
  readonly groupsAt: number
  readonly bodyAt: number
  readonly to: number
  readonly groups: number
  readonly locals: number
  /** Ascending: its entry, every loop header, every bulk instruction, and where it is left; none in a short leaf. */
  readonly probes: readonly Probe[]
  /** It holds the counter in a local variable: a loop that calls nothing would wait for memory at each turn. */
  readonly isHeld: boolean
}

export interface CodeFacts {
  readonly functions: readonly FunctionCode[]
  /** Some instruction writes or grows a table. */
  readonly writesTables: boolean
  /** Some instruction drops a data or element segment, which nothing brings back. */
  readonly dropsSegments: boolean
}

const refused = 255
/** Immediates by opcode: a count of LEB128 numbers below 7, or one of the forms below. */
const memoryAccess = 7
const branchTable = 8
const typedSelect = 9
const fourBytes = 10
const eightBytes = 11
const bulk = 12
const vector = 13
const block = 14
const nullReference = 15
const globalAccess = 16

const immediates = new Uint8Array(256).fill(refused)
const set = (form: number, ...ranges: readonly (readonly [number, number])[]) => {
  for (const [first, last] of ranges) immediates.fill(form, first, last + 1)
}
// unreachable, nop, else, end, return, drop, select, comparisons, arithmetic, sign extension, ref.is_null
set(0, [0x00, 0x01], [0x05, 0x05], [0x0b, 0x0b], [0x0f, 0x0f], [0x1a, 0x1b], [0x45, 0xc4], [0xd1, 0xd1])
// br, br_if, call, return_call, locals, tables, memory.size and grow, constants, ref.func
set(1, [0x0c, 0x0d], [0x10, 0x10], [0x12, 0x12], [0x20, 0x22], [0x25, 0x26], [0x3f, 0x42], [0xd2, 0xd2])
// call_indirect, return_call_indirect
set(2, [0x11, 0x11], [0x13, 0x13])
set(block, [0x02, 0x04])
set(memoryAccess, [0x28, 0x3e])
set(nullReference, [0xd0, 0xd0])
set(globalAccess, [0x23, 0x24])
set(branchTable, [0x0e, 0x0e])
set(typedSelect, [0x1c, 0x1c])
set(fourBytes, [0x43, 0x43])
set(eightBytes, [0x44, 0x44])
set(bulk, [0xfc, 0xfc])
set(vector, [0xfd, 0xfd])

/** LEB128 numbers after `0xfc n`, n = 0 (i32.trunc_sat_f32_s) to 17 (table.fill). */
const bulkImmediates = [0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 1, 2, 1, 2, 1, 1, 1]
const tableWrites = new Set([12, 14, 15, 17])
const segmentDrops = new Set([9, 13])

/** Lengths stand on top of the stack: bytes (memory.init, copy, fill) cost 1 per 64, table elements 1 each. */
const bulkShifts: readonly (number | undefined)[] = Object.assign([], {
  8: 6,
  10: 6,
  11: 6,
  12: 0,
  14: 0,
  15: 0,
  17: 0,
})

const BLOCK = 0x02
const LOOP = 0x03
const IF = 0x04
const BRANCH = 0x0c
const BRANCH_IF = 0x0d
const RETURN = 0x0f
const BULK = 0xfc
/** call, call_indirect, return_call, return_call_indirect */
const CALL = 0x10
const CALL_INDIRECT = 0x11
const RETURN_CALL = 0x12
const LAST_CALL = 0x13
const END = 0x0b
const VOID = 0x40
/** i32, i64, f32, f64, v128, funcref, externref: types of one byte. */
const plainTypes = new Set([0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f])

/** How many the module has, imports first: code that names one more would, once fuel is added, name what is fuel's. */
interface Known {
  readonly types: number
  readonly globals: number
  readonly functions: number
}

/**
 * @throws Refusal component-invalid for what this host does not run; too-large past the limits on code
 */
export function scanCode(body: Cursor, { types, globals, functions }: Known): CodeFacts {
  const facts = openFacts({ types, globals })
  const count = readU32(body)
  const scanned: Scanned[] = []
  for (let index = 0; index < count; index += 1) {
    const cursor = openPart(body, readU32(body))
    scanned.push(scanFunction(cursor, facts))
  }
  expectEnd(body)
  const isFree = freeFunctions(scanned, functions - count)
  for (const [index, { code }] of scanned.entries()) {
    facts.functions.push(isFree(index) ? { ...code, probes: [], isHeld: false } : code)
  }
  return facts
}

interface Scanned {
  readonly code: FunctionCode
  /** Functions it calls, once for each call; undefined when it may run on by itself: loops, tables, bulk. */
  readonly callees: readonly number[] | undefined
}

/**
 * Functions that take no fuel, being paid for by whoever calls them: they run straight through, and all they call does,
 * in a few bytes of code altogether. None of them is in a circle: it would have to be free before itself.
 */
function freeFunctions(scanned: readonly Scanned[], imported: number): (index: number) => boolean {
  const costs = new Map<number, number>()
  for (let level = 0; level < CODE_FREE_LEVELS_MAX; level += 1) {
    const found = new Map<number, number>()
    for (const [index, { code, callees }] of scanned.entries()) {
      if (callees === undefined || costs.has(index)) continue
      let cost = code.to - code.from
      for (const callee of callees) cost += costs.get(callee - imported) ?? Infinity
      if (cost <= CODE_LEAF_BYTES_MAX) found.set(index, cost)
    }
    if (found.size === 0) break
    for (const [index, cost] of found) costs.set(index, cost)
  }
  return (index) => costs.has(index)
}

function scanFunction(cursor: Cursor, facts: Facts): Scanned {
  const from = cursor.at
  const groups = readU32(cursor)
  const groupsAt = cursor.at
  const locals = skipLocals(cursor, groups)
  const bodyAt = cursor.at
  const probes: Probe[] = [{ at: bodyAt, kind: 'entry' }]
  const trace = openTrace()
  const callees: number[] = []
  facts.depth = 1
  while (cursor.at < cursor.end) {
    const { at } = cursor
    const opcode = cursor.bytes[at] ?? END
    facts.leaves = false
    skipInstruction(cursor, facts)
    trace.step(opcode)
    if (opcode === CALL || opcode === RETURN_CALL) callees.push(facts.callee)
    const calls = opcode === CALL || opcode === CALL_INDIRECT
    if (calls || facts.leaves) probes.push({ at, kind: 'save' })
    if (calls) probes.push({ at: cursor.at, kind: 'restore' })
    else if (opcode === LOOP) probes.push({ at: cursor.at, kind: 'loop' })
    else if (opcode === BULK) {
      const shift = bulkShifts[cursor.bytes[at + 1] ?? 0]
      if (shift !== undefined) probes.push({ at, kind: 'bulk', shift })
    }
  }
  const taking = probes.filter(({ kind }) => kind !== 'save' && kind !== 'restore')
  const isHeld = trace.calls < trace.quietLoops * CODE_CALLS_PER_LOOP_MAX
  const code = { from, groupsAt, bodyAt, to: cursor.end, groups, locals, probes: isHeld ? probes : taking, isHeld }
  return { code, callees: taking.length === 1 && trace.calls === callees.length ? callees : undefined }
}

interface Trace {
  step(opcode: number): void
  readonly calls: number
  /** Loops that call nothing. */
  readonly quietLoops: number
}

/** Follows the blocks of one function. */
function openTrace(): Trace {
  const open: { readonly isLoop: boolean; calls: boolean }[] = []
  let calls = 0
  let quietLoops = 0
  return {
    step(opcode) {
      const innermost = open.at(-1)
      if (opcode >= BLOCK && opcode <= IF) open.push({ isLoop: opcode === LOOP, calls: false })
      else if (opcode >= CALL && opcode <= LAST_CALL) {
        calls += 1
        if (innermost !== undefined) innermost.calls = true
      } else if (opcode === END && innermost !== undefined) {
        open.pop()
        const outer = open.at(-1)
        if (innermost.calls && outer !== undefined) outer.calls = true
        if (innermost.isLoop && !innermost.calls) quietLoops += 1
      }
    },
    get calls() {
      return calls
    },
    get quietLoops() {
      return quietLoops
    },
  }
}

function skipLocals(cursor: Cursor, groups: number): number {
  let locals = 0
  for (let group = 0; group < groups; group += 1) {
    locals += readU32(cursor)
    expectPlainType(cursor)
  }
  if (locals > CODE_LOCALS_MAX) throw new Refusal('too-large', `component: a function with ${locals} local variables`)
  return locals
}

/** Types of several bytes (`ref null $t`) would be read as shorter than they are. */
function expectPlainType(cursor: Cursor): void {
  const type = readByte(cursor)
  if (!plainTypes.has(type)) throw invalid(`value type 0x${type.toString(16)} in code is not supported`)
}

interface Facts extends CodeFacts {
  readonly functions: FunctionCode[]
  writesTables: boolean
  dropsSegments: boolean
  /** Targets of all branch tables so far. */
  branches: number
  /** Blocks that are open, the function itself included. */
  depth: number
  /** The function the last direct call named. */
  callee: number
  /** The last instruction may have left the function. */
  leaves: boolean
  readonly types: number
  readonly globals: number
}

function openFacts({ types, globals }: Pick<Known, 'types' | 'globals'>): Facts {
  return {
    functions: [],
    writesTables: false,
    dropsSegments: false,
    branches: 0,
    depth: 0,
    leaves: false,
    callee: 0,
    types,
    globals,
  }
}

function skipInstruction(cursor: Cursor, facts: Facts): void {
  const opcode = readByte(cursor)
  const form = immediates[opcode] ?? refused
  if (form < memoryAccess) {
    if (opcode === 0x26) facts.writesTables = true
    if (opcode === END) facts.depth -= 1
    if (opcode === BRANCH || opcode === BRANCH_IF) return noteTarget(facts, readU32(cursor))
    if (opcode === CALL || opcode === RETURN_CALL) {
      facts.callee = readU32(cursor)
      facts.leaves = opcode === RETURN_CALL
      return
    }
    if (opcode === RETURN || opcode === LAST_CALL || facts.depth === 0) facts.leaves = true
    if (opcode === CALL_INDIRECT || opcode === LAST_CALL) skipType(cursor, facts)
    for (let index = form === 2 ? 1 : 0; index < form; index += 1) skipNumber(cursor)
    return
  }
  switch (form) {
    case globalAccess:
      if (readU32(cursor) >= facts.globals) throw invalid('code names a global that is not there')
      return
    case block:
      return skipBlock(cursor, facts)
    case memoryAccess:
      return skipAccess(cursor)
    case branchTable:
      return skipBranchTable(cursor, facts)
    case nullReference:
      return expectPlainType(cursor)
    case typedSelect:
      if (readU32(cursor) !== 1) throw invalid('a select of several types')
      return expectPlainType(cursor)
    case fourBytes:
      readBytes(cursor, 4)
      return
    case eightBytes:
      readBytes(cursor, 8)
      return
    case bulk:
      return skipBulk(cursor, facts)
    case vector:
      return skipVector(cursor)
    default:
      throw invalid(`instruction 0x${opcode.toString(16)} at byte ${cursor.at - 1} of a core module is not supported`)
  }
}

function skipBlock(cursor: Cursor, facts: Facts): void {
  facts.depth += 1
  if (facts.depth > CODE_NESTING_MAX) {
    throw new Refusal('too-large', `component: blocks nest deeper than ${CODE_NESTING_MAX} in a function`)
  }
  const first = cursor.bytes[cursor.at] ?? 0
  // A type index has a LEB128 number of its own; a single byte from 0x40 on is negative, hence a type.
  if (first >= VOID && first < 0x80 && first !== VOID) expectPlainType(cursor)
  else if (first === VOID) readByte(cursor)
  else skipType(cursor, facts)
}

function skipType(cursor: Cursor, { types }: Facts): void {
  if (readU32(cursor) >= types) throw invalid('code names a type that is not there')
}

function skipBranchTable(cursor: Cursor, facts: Facts): void {
  const targets = readU32(cursor) + 1
  facts.branches += targets
  if (facts.branches > CODE_BRANCHES_MAX) {
    throw new Refusal('too-large', `component: more than ${CODE_BRANCHES_MAX} targets in branch tables`)
  }
  for (let index = 0; index < targets; index += 1) noteTarget(facts, readU32(cursor))
}

/** A branch to the outermost label is a return. */
function noteTarget(facts: Facts, label: number): void {
  if (label >= facts.depth - 1) facts.leaves = true
}

/** Alignment and offset. Bit 6 of the alignment says that a memory index follows: such modules have one memory. */
function skipAccess(cursor: Cursor): void {
  if (readU32(cursor) >= 0x40) throw invalid('an access with a memory index')
  skipNumber(cursor)
}

function skipBulk(cursor: Cursor, facts: Facts): void {
  // In one byte, as compilers write it: the probe reads it there.
  const operation = readByte(cursor)
  const count = bulkImmediates[operation]
  if (count === undefined) throw invalid(`instruction 0xfc ${operation} is not supported`)
  if (tableWrites.has(operation)) facts.writesTables = true
  if (segmentDrops.has(operation)) facts.dropsSegments = true
  for (let index = 0; index < count; index += 1) skipNumber(cursor)
}

function skipVector(cursor: Cursor): void {
  const operation = readU32(cursor)
  const isLane = operation >= 84 && operation <= 91
  if (operation > 255) throw invalid(`instruction 0xfd ${operation} (relaxed vectors) is not supported`)
  if (operation <= 11 || isLane || operation === 92 || operation === 93) skipAccess(cursor)
  if (operation === 12 || operation === 13) readBytes(cursor, 16)
  if (isLane || (operation >= 21 && operation <= 34)) readByte(cursor)
}

function skipNumber(cursor: Cursor): void {
  while (readByte(cursor) >= 0x80);
}

/** Skips a constant expression, its `end` included. */
export function skipConstant(cursor: Cursor): void {
  const facts = openFacts({ types: Infinity, globals: Infinity })
  while (cursor.bytes[cursor.at] !== END) skipInstruction(cursor, facts)
  readByte(cursor)
}
