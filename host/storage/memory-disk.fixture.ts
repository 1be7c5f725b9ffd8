/**
 * A disk in memory with a file system's manners: bytes and names are lost until they are synced, each file's on its
 * own. Segments and blobs of one disk count their operations together. For tests.
 */
import type { BlobStore, LogStore, Segments } from './port.ts'
import { Turns } from './turns.ts'

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

export function memoryDisk(options: MemoryDiskOptions = {}, names: Names = new Map()): MemoryDisk {
  const durableNames: Names = new Map(names)
  /** What was done to names since they were synced, in order. */
  let unsynced: ((durable: Names) => void)[] = []
  const stats = { operations: 0 }
  let crashed = false

  async function operation(name: Operation, act: (kept: number) => void = () => {}): Promise<void> {
    const at = ++stats.operations
    await options.before?.(name)
    if (crashed) throw new Error('the machine is off')
    const isFull = disk.full && (name === 'write' || name === 'create')
    const fails = options.fault?.at === at
    act(fails || isFull ? (options.fault?.kept ?? 0) : Number.POSITIVE_INFINITY)
    if (isFull) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    if (fails) throw new Error(`${name} ${at} fails as asked`)
  }
  function rename(change: (names: Names) => void): void {
    change(names)
    unsynced.push(change)
  }
  async function syncNames(): Promise<void> {
    await operation('folder-sync', (kept) => {
      if (kept === 0) return
      for (const change of unsynced) change(durableNames)
      unsynced = []
    })
  }
  /** What happens, happens in the operation: a crash at the next one finds it done. */
  function sync(file: DiskFile): Promise<void> {
    return operation('sync', (kept) => void (kept > 0 && (file.durable = file.bytes.length)))
  }
  function append(file: DiskFile, chunks: readonly Uint8Array[], kept: number): void {
    let left = kept
    for (const chunk of chunks) {
      const part = chunk.subarray(0, Math.min(left, chunk.length))
      left -= part.length
      const bytes = new Uint8Array(file.bytes.length + part.length)
      bytes.set(file.bytes)
      bytes.set(part, file.bytes.length)
      file.bytes = bytes
    }
  }

  async function openSegment(name: string): Promise<LogStore> {
    let file = names.get(name)
    if (file === undefined) {
      const made: DiskFile = { bytes: new Uint8Array(0), durable: 0 }
      await operation('create', (kept) => void (kept > 0 && rename((map) => map.set(name, made))))
      await syncNames()
      file = made
    }
    return logOf(file, name)
  }

  function logOf(file: DiskFile, name: string): LogStore {
    const turns = new Turns(`segment ${name}`)
    let size = file.bytes.length
    return {
      get size() {
        return size
      },
      append: (chunks) =>
        turns.run(async () => {
          await operation('write', (kept) => append(file, chunks, kept))
          await sync(file)
          size = file.durable
        }),
      truncate: (to) =>
        turns.run(async () => {
          await operation('truncate', (kept) => {
            if (kept === 0) return
            file.bytes = file.bytes.slice(0, to)
            file.durable = to
          })
          size = to
        }),
      async read(range = { from: 0, to: size }) {
        let bytes: Uint8Array = new Uint8Array(0)
        await turns.run(async () => {
          await operation('read')
          bytes = file.bytes.slice(range.from, Math.min(range.to, size))
        })
        return bytes
      },
      abandon: () => turns.abandon(),
      [Symbol.asyncDispose]: () => turns.close(),
    }
  }

  const disk: MemoryDisk = {
    stats,
    full: false,
    files: () => new Map(Array.from(names, ([name, { bytes, durable }]) => [name, bytes.slice(0, durable)])),
    segments: () => ({
      async list() {
        await refusing(operation('list'))
        const numbers = [...names.keys()].filter((name) => name.startsWith('log.')).map((name) => Number(name.slice(4)))
        return numbers.sort((a, b) => a - b)
      },
      open: (number) => refusing(openSegment(`log.${number}`)),
      async remove(number) {
        await refusing(operation('remove', (kept) => void (kept > 0 && rename((map) => map.delete(`log.${number}`)))))
        await refusing(syncNames())
      },
      abandon: () => {},
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
    blobs: (folder) => ({
      async read(name) {
        await refusing(operation('read'))
        return names.get(`${folder}/${name}`)?.bytes.slice()
      },
      write: (name, chunks) =>
        refusing(
          (async () => {
            const [path, draft] = [`${folder}/${name}`, `${folder}/${name}.draft`]
            const file: DiskFile = { bytes: new Uint8Array(0), durable: 0 }
            await operation('create', (kept) => void (kept > 0 && rename((map) => map.set(draft, file))))
            await operation('write', (kept) => append(file, chunks, kept))
            await sync(file)
            await operation('rename', (kept) => {
              if (kept === 0) return
              rename((map) => {
                map.delete(draft)
                map.set(path, file)
              })
            })
            await syncNames()
          })(),
        ),
    }),
    crash(keep) {
      crashed = true
      return disk.image(keep)
    },
    image(keep = () => 0) {
      const kept: Names = new Map(durableNames)
      for (const change of unsynced.slice(0, keep(unsynced.length))) change(kept)
      return memoryDisk(
        {},
        new Map(
          Array.from(kept, ([name, { bytes, durable }]) => {
            const found = bytes.slice(0, durable + keep(bytes.length - durable))
            return [name, { bytes: found, durable: found.length }]
          }),
        ),
      )
    },
  }
  return disk
}

/** As the stores of files do: what the system says becomes a Refusal. */
async function refusing<T>(work: Promise<T>): Promise<T> {
  const turns = new Turns('the memory disk')
  let result: { readonly value: T } | undefined
  await turns.run(async () => {
    result = { value: await work }
  })
  if (result === undefined) throw new Error('nothing was done')
  return result.value
}
