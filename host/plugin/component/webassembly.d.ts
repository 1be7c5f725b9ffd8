/** The part of the WebAssembly JavaScript API the loader uses: the `dom` library, which has it, is not included. */
declare namespace WebAssembly {
  interface Module {
    readonly [Symbol.toStringTag]: 'WebAssembly.Module'
  }

  const Module: new (bytes: Uint8Array<ArrayBuffer>) => Module

  class Instance {
    constructor(module: Module, imports?: Record<string, Record<string, ImportValue>>)
    readonly exports: Readonly<Record<string, ImportValue>>
  }

  class Memory {
    constructor(descriptor: { readonly initial: number; readonly maximum?: number })
    readonly buffer: ArrayBuffer
    grow(pages: number): number
  }

  class Table {
    constructor(descriptor: { readonly element: 'anyfunc' | 'externref'; readonly initial: number })
    readonly length: number
    get(index: number): unknown
    set(index: number, value: unknown): void
  }

  class Global {
    constructor(descriptor: { readonly value: string; readonly mutable: boolean }, value: unknown)
    value: unknown
  }

  class CompileError extends Error {}
  class LinkError extends Error {}
  class RuntimeError extends Error {}

  type ImportValue = ((...args: (number | bigint)[]) => number | bigint | undefined) | Memory | Table | Global
}
