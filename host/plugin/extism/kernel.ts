/** Extism's `extism:host/env`: input, output, blocks, variables and log of one call. Nothing outlives the call. */
import { EXTISM_VAR_BYTES_MAX, LIFT_BYTES_MAX, REFUSAL_MESSAGE_BYTES_MAX } from '#host/limits.ts'

import { lied, Trap } from '../component/trap.ts'
import type { Blocks } from './blocks.ts'

type CoreFunction = (...args: (number | bigint)[]) => number | bigint | undefined

export type CoreTable = Readonly<Record<string, CoreFunction>>

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** What a call left. */
export interface Left {
  readonly output: Uint8Array | undefined
  /** Cut where a refusal's message ends. */
  readonly error: string | undefined
}

export interface Kernel {
  readonly functions: CoreTable
  begin(input: Uint8Array): void
  left(): Left
  reset(): void
}

/** What a variable costs beyond its name and value. */
const VAR_OVERHEAD_BYTES = 64
const lenient = new TextDecoder()
const none: Uint8Array = new Uint8Array(0)

export function openKernel(blocks: Blocks, log: (level: LogLevel, message: string) => void): Kernel {
  const vars = openVars(blocks)
  let input = none
  let inputAt = 0
  let output: Uint8Array | undefined
  let error: string | undefined

  const vetInput = (at: number, size: number): number => {
    if (!(at >= 0 && at + size <= input.length)) throw lied(`an address outside of the input: ${at}`)
    return at
  }
  const logAt =
    (level: LogLevel): CoreFunction =>
    (at) => {
      log(level, lenient.decode(message(blocks, Number(at))))
      return undefined
    }

  const functions: CoreTable = {
    alloc: (size) => BigInt(blocks.alloc(Number(size))),
    free(at) {
      blocks.free(Number(at))
      return undefined
    },
    length: (at) => BigInt(blocks.length(Number(at))),
    length_unsafe: (at) => BigInt(blocks.length(Number(at))),
    load_u8: (at) => blocks.loadU8(Number(at)),
    load_u64: (at) => blocks.loadU64(Number(at)),
    store_u8(at, value) {
      blocks.storeU8(Number(at), Number(value))
      return undefined
    },
    store_u64(at, value) {
      blocks.storeU64(Number(at), BigInt(value ?? 0))
      return undefined
    },
    input_length: () => BigInt(input.length),
    input_offset: () => BigInt((inputAt ||= blocks.put(input))),
    input_load_u8: (at) => input[vetInput(Number(at), 1)],
    input_load_u64: (at) =>
      new DataView(input.buffer, input.byteOffset + vetInput(Number(at), 8), 8).getBigUint64(0, true),
    output_set(at, length) {
      // What no block holds is an empty output: plug-ins say so with 0, 0.
      if (Number(length) === 0) return void (output = none)
      const block = blocks.bytes(Number(at))
      if (!(Number(length) > 0 && Number(length) <= block.length)) throw lied('an output longer than its block')
      if (Number(length) > LIFT_BYTES_MAX) throw new Trap('output', `handed over more than ${LIFT_BYTES_MAX} bytes`)
      output = block.slice(0, Number(length))
    },
    error_set: (at) => void (error = cutText(blocks.bytes(Number(at)))),
    config_get: () => 0n,
    var_get: (name) => BigInt(vars.get(Number(name))),
    var_set(name, value) {
      vars.set(Number(name), Number(value))
      return undefined
    },
    // Extism's levels start with `trace`: 0 asks for every line, and the log's own limit cuts.
    get_log_level: () => 0,
    log_trace: logAt('debug'),
    log_debug: logAt('debug'),
    log_info: logAt('info'),
    log_warn: logAt('warn'),
    log_error: logAt('error'),
  }
  const forget = (): void => {
    input = none
    inputAt = 0
    output = undefined
    error = undefined
  }
  return {
    functions,
    begin: (given) => void (input = given),
    left: () => ({ output, error }),
    reset() {
      forget()
      vars.clear()
      blocks.reset()
    },
  }
}

interface Vars {
  /** A new block with the value; 0 when there is none. */
  get(name: number): number
  /** 0 as value removes. */
  set(name: number, value: number): void
  clear(): void
}

function costOf(name: string, value: Uint8Array): number {
  return VAR_OVERHEAD_BYTES + 2 * name.length + value.length
}

function openVars(blocks: Blocks): Vars {
  const values = new Map<string, Uint8Array>()
  let bytes = 0
  const remove = (name: string): void => {
    const known = values.get(name)
    if (known !== undefined) bytes -= costOf(name, known)
    values.delete(name)
  }
  return {
    get(name) {
      const value = values.get(lenient.decode(message(blocks, name)))
      return value === undefined ? 0 : blocks.put(value)
    },
    set(nameAt, valueAt) {
      const name = lenient.decode(message(blocks, nameAt))
      remove(name)
      if (valueAt === 0) return
      const value = blocks.bytes(valueAt).slice()
      bytes += costOf(name, value)
      if (bytes > EXTISM_VAR_BYTES_MAX) throw new Trap('memory', `keeps more than ${EXTISM_VAR_BYTES_MAX} in variables`)
      values.set(name, value)
    },
    clear() {
      values.clear()
      bytes = 0
    },
  }
}

/** A block to read as a whole. @throws Trap `output` when it is more than the host lifts */
function message(blocks: Blocks, at: number): Uint8Array {
  const block = blocks.bytes(at)
  if (block.length > LIFT_BYTES_MAX) throw new Trap('output', `handed over more than ${LIFT_BYTES_MAX} bytes`)
  return block
}

/** The text of these bytes, in no more bytes than a refusal's message has. */
function cutText(bytes: Uint8Array): string {
  const head = bytes.subarray(0, REFUSAL_MESSAGE_BYTES_MAX)
  // As a stream, so that a character cut in two is left out.
  const text = new TextDecoder().decode(head, { stream: head.length < bytes.length })
  if (Buffer.byteLength(text) <= REFUSAL_MESSAGE_BYTES_MAX) return text
  return text.slice(0, REFUSAL_MESSAGE_BYTES_MAX / 4).toWellFormed()
}
