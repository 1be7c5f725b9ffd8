/** Extism's `extism:host/env`: input, output, blocks, variables and log of one call. Nothing outlives the call. */
import { LIFT_BYTES_MAX, REFUSAL_MESSAGE_BYTES_MAX } from '#host/limits.ts'
import { EXTISM_VAR_BYTES_MAX } from '#host/plugin/limits.ts'

import type { CoreFunction } from '../component/context.ts'
import { lied, Trap } from '../component/trap.ts'
import type { Blocks } from './blocks.ts'

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

/** What one call was given and has set. */
interface CallState {
  input: Uint8Array
  /** Where the input lies as a block, once the plug-in asked. */
  inputAt: number
  output: Uint8Array | undefined
  error: string | undefined
}

export function openKernel(blocks: Blocks, log: (level: LogLevel, message: string) => void): Kernel {
  const vars = openVars(blocks)
  const call: CallState = { input: none, inputAt: 0, output: undefined, error: undefined }
  return {
    functions: {
      ...blockFunctions(blocks),
      ...inputFunctions(call, blocks),
      ...outputFunctions(call, blocks),
      ...logFunctions(log, blocks),
      config_get: () => 0n,
      var_get: (name) => BigInt(vars.get(Number(name))),
      var_set(name, value) {
        vars.set(Number(name), Number(value))
        return undefined
      },
    },
    begin: (input) => void (call.input = input),
    left: () => ({ output: call.output, error: call.error }),
    reset() {
      call.input = none
      call.inputAt = 0
      call.output = undefined
      call.error = undefined
      vars.clear()
      blocks.reset()
    },
  }
}

function blockFunctions(blocks: Blocks): CoreTable {
  const length: CoreFunction = (at) => BigInt(blocks.length(Number(at)))
  return {
    alloc: (size) => BigInt(blocks.alloc(Number(size))),
    free(at) {
      blocks.free(Number(at))
      return undefined
    },
    length,
    length_unsafe: length,
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
  }
}

function inputFunctions(call: CallState, blocks: Blocks): CoreTable {
  /** @throws Trap `lied` when the input does not hold these bytes */
  const vet = (given: unknown, size: number): number => {
    const at = Number(given)
    if (!(at >= 0 && at + size <= call.input.length)) throw lied(`an address outside of the input: ${at}`)
    return at
  }
  return {
    input_length: () => BigInt(call.input.length),
    input_offset: () => BigInt((call.inputAt ||= blocks.put(call.input))),
    input_load_u8: (at) => call.input[vet(at, 1)],
    input_load_u64(at) {
      const start = call.input.byteOffset + vet(at, 8)
      return new DataView(call.input.buffer, start, 8).getBigUint64(0, true)
    },
  }
}

function outputFunctions(call: CallState, blocks: Blocks): CoreTable {
  return {
    output_set(at, size) {
      const length = Number(size)
      if (length === 0) {
        // Plug-ins say so with the address 0 as well.
        call.output = none
        return undefined
      }
      const block = blocks.bytes(Number(at))
      if (!(length > 0 && length <= block.length)) throw lied('an output longer than its block')
      call.output = block.slice(0, length)
      return undefined
    },
    error_set(at) {
      call.error = cutText(blocks.bytes(Number(at)))
      return undefined
    },
  }
}

function logFunctions(log: (level: LogLevel, message: string) => void, blocks: Blocks): CoreTable {
  const logAt =
    (level: LogLevel): CoreFunction =>
    (at) => {
      log(level, lenient.decode(message(blocks, Number(at))))
      return undefined
    }
  return {
    // Extism's levels start with `trace`: 0 asks for every line, and the log's own limit cuts.
    get_log_level: () => 0,
    log_trace: logAt('debug'),
    log_debug: logAt('debug'),
    log_info: logAt('info'),
    log_warn: logAt('warn'),
    log_error: logAt('error'),
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
