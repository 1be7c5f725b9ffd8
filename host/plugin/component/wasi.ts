/**
 * What QuickJS-built components import of WASI 0.2, answered from a fixed table. None of it reaches the machine: no
 * files, no environment, no entropy; time is the event's, output goes to the event's log. All else traps by name.
 */
import { PRINT_LINE_BYTES_MAX } from '#host/plugin/limits.ts'

import { Trap } from './trap.ts'

export interface WasiOptions {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  readonly nowMs: () => number
  /** One line the guest printed, without its line end. */
  readonly write: (line: string) => void
}

export interface WasiTable {
  /** The function behind an import, by interface and name. */
  find(owner: string, name: string): (...args: readonly unknown[]) => unknown
  /** Forgets what was printed without a line end. */
  reset(): void
}

const interfaces = new Set([
  'wasi:cli/environment',
  'wasi:cli/exit',
  'wasi:cli/stdin',
  'wasi:cli/stdout',
  'wasi:cli/stderr',
  'wasi:cli/terminal-input',
  'wasi:cli/terminal-output',
  'wasi:cli/terminal-stdin',
  'wasi:cli/terminal-stdout',
  'wasi:cli/terminal-stderr',
  'wasi:clocks/monotonic-clock',
  'wasi:clocks/wall-clock',
  'wasi:filesystem/preopens',
  'wasi:filesystem/types',
  'wasi:io/error',
  'wasi:io/poll',
  'wasi:io/streams',
  'wasi:random/insecure-seed',
])

/** The interface's name without its version, when it is one of the table's. */
function fixedName(name: string): string | undefined {
  const match = /^(wasi:[^@]+)@0\.2\.\d+$/u.exec(name)?.[1]
  return match !== undefined && interfaces.has(match) ? match : undefined
}

/** Whether the fixed table answers this interface. */
export function isFixedWasi(name: string): boolean {
  return fixedName(name) !== undefined
}

/** Nanoseconds in a millisecond. */
const NS_PER_MS = 1_000_000
const ok = (val?: unknown) => ({ tag: 'ok', val })

export function openWasi(options: WasiOptions): WasiTable {
  const printer = openPrinter(options.write)
  const stream = Object.freeze({})
  const pollable = Object.freeze({})
  const print = (_self: unknown, contents: unknown) => {
    if (contents instanceof Uint8Array) printer.print(contents)
    return ok()
  }
  const table = new Map<string, (...args: readonly unknown[]) => unknown>([
    ['wasi:cli/environment get-environment', () => []],
    ['wasi:cli/environment get-arguments', () => []],
    ['wasi:cli/environment initial-cwd', () => undefined],
    ['wasi:cli/stdin get-stdin', () => stream],
    ['wasi:cli/stdout get-stdout', () => stream],
    ['wasi:cli/stderr get-stderr', () => stream],
    ['wasi:cli/terminal-stdin get-terminal-stdin', () => undefined],
    ['wasi:cli/terminal-stdout get-terminal-stdout', () => undefined],
    ['wasi:cli/terminal-stderr get-terminal-stderr', () => undefined],
    ['wasi:clocks/monotonic-clock now', () => BigInt(Math.round(options.nowMs() * NS_PER_MS))],
    ['wasi:clocks/monotonic-clock resolution', () => BigInt(NS_PER_MS)],
    ['wasi:clocks/monotonic-clock subscribe-duration', () => pollable],
    ['wasi:clocks/monotonic-clock subscribe-instant', () => pollable],
    ['wasi:clocks/wall-clock now', () => wallClock(options.nowMs())],
    ['wasi:clocks/wall-clock resolution', () => wallClock(1)],
    ['wasi:filesystem/preopens get-directories', () => []],
    ['wasi:io/poll [method]pollable.ready', () => true],
    ['wasi:io/poll [method]pollable.block', () => undefined],
    ['wasi:io/poll poll', (pollables) => Uint32Array.from(Array.isArray(pollables) ? pollables.keys() : [])],
    ['wasi:io/streams [method]output-stream.check-write', () => ok(BigInt(PRINT_LINE_BYTES_MAX))],
    ['wasi:io/streams [method]output-stream.write', print],
    ['wasi:io/streams [method]output-stream.blocking-write-and-flush', print],
    ['wasi:io/streams [method]output-stream.flush', () => ok()],
    ['wasi:io/streams [method]output-stream.blocking-flush', () => ok()],
    ['wasi:io/streams [method]output-stream.subscribe', () => pollable],
    ['wasi:random/insecure-seed insecure-seed', () => [0x7472_656c_6c69_73n, 1n]],
  ])
  return {
    find(owner, name) {
      const trap = (): never => {
        throw new Trap('trap', `${owner} ${name} is not available`)
      }
      return table.get(`${fixedName(owner) ?? owner} ${name}`) ?? trap
    },
    reset: () => printer.reset(),
  }
}

function wallClock(nowMs: number): { seconds: bigint; nanoseconds: number } {
  const seconds = Math.floor(nowMs / 1_000)
  return { seconds: BigInt(seconds), nanoseconds: Math.floor((nowMs - seconds * 1_000) * NS_PER_MS) }
}

/** Gathers bytes into lines, cut at `PRINT_LINE_BYTES_MAX`. */
export function openPrinter(write: (line: string) => void): { print(bytes: Uint8Array): void; reset(): void } {
  const decoder = new TextDecoder()
  const pending = new Uint8Array(PRINT_LINE_BYTES_MAX)
  let length = 0
  const flush = () => {
    write(decoder.decode(pending.subarray(0, length)))
    length = 0
  }
  return {
    print(bytes) {
      for (const byte of bytes) {
        if (byte === 0x0a) flush()
        else {
          if (length === pending.length) flush()
          pending[length] = byte
          length += 1
        }
      }
    },
    reset() {
      length = 0
    },
  }
}
