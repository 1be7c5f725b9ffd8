/**
 * A disk in memory with a file system's manners: bytes and names are lost until they are synced, each file's on its
 * own. Segments and blobs of one disk count their operations together. For tests.
 */
import { Refusal } from '#host/errors.ts'
import type { BlobStore, LogStore, Segments } from './port.ts'
import { messageOf, Turns } from './turns.ts'

type Operation = 'create' | 'write' | 'sync' | 'rename' | 'remove' | 'folder-sync' | 'truncate' | 'read' | 'list'

interface DiskFile {
  bytes: Uint8Array
  /** Of these, how many are durable. */
  durable: number
}

type Names = Map<string, DiskFile>

export interface MemoryDiskOptions {
  /** The k-th operation fails, counted from 1; if it is a write, `kept` of its bytes are written before. */
  readonly fault?: { readonly at: number; readonly kept?: number }
  readonly before?: (operation: Operation) => Promise<void> | void
}

export interface MemoryDisk {
  readonly stats: { operations: number }
  /** Set it, and every write fails as on a full disk. */
  full: boolean
  /** Durable bytes by name. */
  files(): ReadonlyMap<string, Uint8Array>
  segments(): Segments
  blobs(folder: string): BlobStore
  /** What a restart would find; `keep` says how much of each thing that is not durable is kept, of at most so much. */
  image(keep?: (most: number) => number): MemoryDisk
  /** Stops the machine, and gives what a restart finds. */
  crash(keep?: (most: number) => number): MemoryDisk
}

export function memoryDisk(options: MemoryDiskOptions = {}): MemoryDisk {
  return new HeapDisk(options, new Map())
}

class HeapDisk implements MemoryDisk {
  readonly stats = { operations: 0 }
  full = false
  readonly #options: MemoryDiskOptions
  readonly #names: Names
  readonly #durableNames: Names
  /** What was done to names since they were synced, in order. */
  #unsynced: ((durable: Names) => void)[] = []
  #crashed = false

  constructor(options: MemoryDiskOptions, names: Names) {
    this.#options = options
    this.#names = names
    this.#durableNames = new Map(names)
  }

  files(): ReadonlyMap<string, Uint8Array> {
    return new Map(Array.from(this.#names, ([name, { bytes, durable }]) => [name, bytes.slice(0, durable)]))
  }

  segments(): Segments {
    return {
      list: () =>
        refusing(async () => {
          await this.#operation('list')
          const names = [...this.#names.keys()].filter((name) => name.startsWith('log.'))
          return names.map((name) => Number(name.slice(4))).sort((a, b) => a - b)
        }),
      open: (number) => refusing(() => this.#openSegment(`log.${number}`)),
      remove: (number) =>
        refusing(async () => {
          await this.#rename('remove', (map) => map.delete(`log.${number}`))
          await this.#syncNames()
        }),
      abandon: () => {},
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }
  }

  blobs(folder: string): BlobStore {
    return {
      read: (name) =>
        refusing(async () => {
          await this.#operation('read')
          return this.#names.get(`${folder}/${name}`)?.bytes.slice()
        }),
      write: (name, chunks) =>
        refusing(async () => {
          const [path, draft] = [`${folder}/${name}`, `${folder}/${name}.draft`]
          const file: DiskFile = { bytes: new Uint8Array(0), durable: 0 }
          await this.#rename('create', (map) => map.set(draft, file))
          await this.#operation('write', (kept) => append(file, chunks, kept))
          await this.#sync(file)
          await this.#rename('rename', (map) => {
            map.delete(draft)
            map.set(path, file)
          })
          await this.#syncNames()
        }),
    }
  }

  crash(keep?: (most: number) => number): MemoryDisk {
    this.#crashed = true
    return this.image(keep)
  }

  image(keep: (most: number) => number = () => 0): MemoryDisk {
    const kept: Names = new Map(this.#durableNames)
    for (const change of this.#unsynced.slice(0, keep(this.#unsynced.length))) change(kept)
    const found = Array.from(kept, ([name, { bytes, durable }]): [string, DiskFile] => {
      const rest = bytes.slice(0, durable + keep(bytes.length - durable))
      return [name, { bytes: rest, durable: rest.length }]
    })
    return new HeapDisk({}, new Map(found))
  }

  /** What an operation does, it does at once: a crash at the next one finds it done. */
  async #operation(name: Operation, act: (kept: number) => void = () => {}): Promise<void> {
    const at = ++this.stats.operations
    const { fault, before } = this.#options
    await before?.(name)
    if (this.#crashed) throw new Error('the machine is off')
    const isFull = this.full && (name === 'write' || name === 'create')
    const fails = fault?.at === at
    act(fails || isFull ? (fault?.kept ?? 0) : Number.POSITIVE_INFINITY)
    if (isFull) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    if (fails) throw new Error(`${name} ${at} fails as asked`)
  }

  #rename(name: Operation, change: (names: Names) => void): Promise<void> {
    return this.#operation(name, (kept) => {
      if (kept !== Number.POSITIVE_INFINITY) return
      change(this.#names)
      this.#unsynced.push(change)
    })
  }

  #syncNames(): Promise<void> {
    return this.#operation('folder-sync', (kept) => {
      if (kept !== Number.POSITIVE_INFINITY) return
      for (const change of this.#unsynced) change(this.#durableNames)
      this.#unsynced = []
    })
  }

  #sync(file: DiskFile): Promise<void> {
    return this.#operation('sync', (kept) => {
      if (kept === Number.POSITIVE_INFINITY) file.durable = file.bytes.length
    })
  }

  async #openSegment(name: string): Promise<LogStore> {
    const found = this.#names.get(name)
    if (found) return this.#logOf(found, name)
    const file: DiskFile = { bytes: new Uint8Array(0), durable: 0 }
    await this.#rename('create', (map) => map.set(name, file))
    await this.#syncNames()
    return this.#logOf(file, name)
  }

  #logOf(file: DiskFile, name: string): LogStore {
    const turns = new Turns(`segment ${name}`)
    let size = file.bytes.length
    return {
      get size() {
        return size
      },
      append: (chunks) =>
        turns.run(async () => {
          await this.#operation('write', (kept) => append(file, chunks, kept))
          await this.#sync(file)
          size = file.durable
        }),
      truncate: (to) =>
        turns.run(async () => {
          await this.#operation('truncate', (kept) => {
            if (kept !== Number.POSITIVE_INFINITY) return
            file.bytes = file.bytes.slice(0, to)
            file.durable = to
          })
          size = to
        }),
      read: async (range = { from: 0, to: size }) => {
        let bytes: Uint8Array = new Uint8Array(0)
        await turns.run(async () => {
          await this.#operation('read')
          bytes = file.bytes.slice(range.from, Math.min(range.to, size))
        })
        return bytes
      },
      abandon: () => turns.abandon(),
      [Symbol.asyncDispose]: () => turns.close(),
    }
  }
}

function append(file: DiskFile, chunks: readonly Uint8Array[], kept: number): void {
  let left = kept
  const parts = [file.bytes]
  for (const chunk of chunks) {
    const part = chunk.subarray(0, Math.min(left, chunk.length))
    left -= part.length
    parts.push(part)
  }
  file.bytes = new Uint8Array(Buffer.concat(parts))
}

/** As the stores of files do: what the system says becomes a Refusal. */
async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw new Refusal('storage-failed', `the memory disk: ${messageOf(cause)}`, { cause })
  }
}
