/**
 * A walk over the code section: refuses instructions this host does not run, and finds out what a call may change that
 * a reset cannot cheaply see. V8 validates the code; here only the immediates are skipped.
 * Source: core spec, "Instructions" (binary format).
 */
import { type Cursor, invalid, openPart, readByte, readBytes, readU32 } from './cursor.ts'

export interface CodeFacts {
  /** Some instruction writes or grows a table. */
  readonly writesTables: boolean
  /** Some instruction drops a data or element segment, which nothing brings back. */
  readonly dropsSegments: boolean
}

const refused = 255
/** Immediates by opcode: a count of LEB128 numbers below 8, or one of the forms below. */
const branchTable = 8
const typedSelect = 9
const fourBytes = 10
const eightBytes = 11
const bulk = 12
const vector = 13

const immediates = new Uint8Array(256).fill(refused)
const set = (form: number, ...ranges: readonly (readonly [number, number])[]) => {
  for (const [first, last] of ranges) immediates.fill(form, first, last + 1)
}
// unreachable, nop, else, end, return, drop, select, comparisons, arithmetic, sign extension, ref.is_null
set(0, [0x00, 0x01], [0x05, 0x05], [0x0b, 0x0b], [0x0f, 0x0f], [0x1a, 0x1b], [0x45, 0xc4], [0xd1, 0xd1])
// block, loop, if, br, br_if, call, return_call, locals, globals, tables, memory.size and grow, constants, references
set(1, [0x02, 0x04], [0x0c, 0x0d], [0x10, 0x10], [0x12, 0x12], [0x20, 0x26], [0x3f, 0x42], [0xd0, 0xd0], [0xd2, 0xd2])
// call_indirect, return_call_indirect, loads and stores
set(2, [0x11, 0x11], [0x13, 0x13], [0x28, 0x3e])
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

export function scanCode(body: Cursor): CodeFacts {
  const facts = { writesTables: false, dropsSegments: false }
  const count = readU32(body)
  for (let index = 0; index < count; index += 1) {
    const cursor = openPart(body, readU32(body))
    const groups = readU32(cursor)
    for (let group = 0; group < groups; group += 1) {
      skipNumber(cursor)
      readByte(cursor)
    }
    while (cursor.at < cursor.end) skipInstruction(cursor, facts)
  }
  return facts
}

type Facts = { -readonly [key in keyof CodeFacts]: CodeFacts[key] }

function skipInstruction(cursor: Cursor, facts: Facts): void {
  const opcode = readByte(cursor)
  const form = immediates[opcode] ?? refused
  if (form < branchTable) {
    if (opcode === 0x26) facts.writesTables = true
    for (let index = 0; index < form; index += 1) skipNumber(cursor)
    return
  }
  switch (form) {
    case branchTable:
      return skipNumbers(cursor, readU32(cursor) + 1)
    case typedSelect:
      readBytes(cursor, readU32(cursor))
      return
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

function skipBulk(cursor: Cursor, facts: Facts): void {
  const operation = readU32(cursor)
  const count = bulkImmediates[operation]
  if (count === undefined) throw invalid(`instruction 0xfc ${operation} is not supported`)
  if (tableWrites.has(operation)) facts.writesTables = true
  if (segmentDrops.has(operation)) facts.dropsSegments = true
  skipNumbers(cursor, count)
}

function skipVector(cursor: Cursor): void {
  const operation = readU32(cursor)
  const isLane = operation >= 84 && operation <= 91
  if (operation > 255) throw invalid(`instruction 0xfd ${operation} (relaxed vectors) is not supported`)
  if (operation <= 11 || isLane || operation === 92 || operation === 93) skipNumbers(cursor, 2)
  if (operation === 12 || operation === 13) readBytes(cursor, 16)
  if (isLane || (operation >= 21 && operation <= 34)) readByte(cursor)
}

function skipNumbers(cursor: Cursor, count: number): void {
  for (let index = 0; index < count; index += 1) skipNumber(cursor)
}

function skipNumber(cursor: Cursor): void {
  while (readByte(cursor) >= 0x80);
}

/** Skips a constant expression, its `end` included. */
export function skipConstant(cursor: Cursor): void {
  const facts = { writesTables: false, dropsSegments: false }
  while (cursor.bytes[cursor.at] !== 0x0b) skipInstruction(cursor, facts)
  readByte(cursor)
}
