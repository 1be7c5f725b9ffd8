/**
 * WASI preview 1 from a fixed table without authority, for runtimes that cannot do without (Go's). No files, no
 * arguments, no environment: time is the event's and stands still, output goes to the event's log, sleep is over at
 * once. Random bytes come only to a plug-in whose manifest needs them; else they fail, they are never constant.
 * Source: wasi_snapshot_preview1 (signatures and error numbers).
 */
import { openPrinter } from '../component/wasi.ts'
import type { WasiOptions } from '../component/wasi.ts'
import { lied, Trap } from '../component/trap.ts'
import type { CoreTable } from './kernel.ts'

const SUCCESS = 0
const BADF = 8
const NOSYS = 52

/** Signatures of what is answered, in the letters of `core-module.ts`. */
const answered: Readonly<Record<string, string>> = {
  args_get: 'ii:i',
  args_sizes_get: 'ii:i',
  environ_get: 'ii:i',
  environ_sizes_get: 'ii:i',
  clock_res_get: 'ii:i',
  clock_time_get: 'ili:i',
  fd_write: 'iiii:i',
  poll_oneoff: 'iiii:i',
  proc_exit: 'i:',
  random_get: 'ii:i',
  sched_yield: ':i',
}

/** What may be imported and always fails: there is no file to name. Sockets and signals are not even here. */
const failing: Readonly<Record<string, string>> = {
  fd_close: 'i:i',
  fd_datasync: 'i:i',
  fd_fdstat_get: 'ii:i',
  fd_fdstat_set_flags: 'ii:i',
  fd_filestat_get: 'ii:i',
  fd_filestat_set_size: 'il:i',
  fd_pread: 'iiili:i',
  fd_prestat_dir_name: 'iii:i',
  fd_prestat_get: 'ii:i',
  fd_pwrite: 'iiili:i',
  fd_read: 'iiii:i',
  fd_readdir: 'iiili:i',
  fd_renumber: 'ii:i',
  fd_seek: 'ilii:i',
  fd_sync: 'i:i',
  fd_tell: 'ii:i',
  path_create_directory: 'iii:i',
  path_filestat_get: 'iiiii:i',
  path_filestat_set_times: 'iiiilli:i',
  path_link: 'iiiiiii:i',
  path_open: 'iiiiillii:i',
  path_readlink: 'iiiiii:i',
  path_remove_directory: 'iii:i',
  path_rename: 'iiiiii:i',
  path_symlink: 'iiiii:i',
  path_unlink_file: 'iii:i',
}

export const wasiModule = 'wasi_snapshot_preview1'

/** Signatures by name. */
export const wasiSignatures: ReadonlyMap<string, string> = new Map([
  ...Object.entries(answered),
  ...Object.entries(failing),
])

const NS_PER_MS = 1_000_000
const STDERR = 2
const IOV_BYTES = 8
const SUBSCRIPTION_BYTES = 48
const EVENT_BYTES = 32

export interface PreviewOptions extends WasiOptions {
  /** The memory the plug-in exports; none while it starts. */
  readonly memory: () => WebAssembly.Memory | undefined
  /** Random bytes, or `undefined` when the plug-in has none. */
  readonly random: (length: number) => Uint8Array | undefined
}

export interface Preview {
  readonly functions: CoreTable
  reset(): void
}

/** Never 0, which Go's runtime takes for a broken clock: so before the first event, when there is no time yet. */
function clockNs(ms: number): bigint {
  return ms > 0 ? BigInt(Math.round(ms)) * BigInt(NS_PER_MS) : 1n
}

export function openPreview(options: PreviewOptions): Preview {
  const printer = openPrinter(options.write)
  /** @throws Trap `lied` when the guest's memory does not hold these bytes */
  const at = (offset: unknown, size: number): DataView => {
    const memory = options.memory()
    const start = Number(offset) >>> 0
    if (memory === undefined || start + size > memory.buffer.byteLength) {
      throw lied(`an address outside of its memory: ${start}`)
    }
    return new DataView(memory.buffer, start, size)
  }
  const noItems = (count: unknown, size: unknown): number => {
    at(count, 4).setUint32(0, 0, true)
    at(size, 4).setUint32(0, 0, true)
    return SUCCESS
  }
  const instant = (result: unknown, ns: bigint): number => {
    at(result, 8).setBigUint64(0, ns, true)
    return SUCCESS
  }
  const functions: CoreTable = {
    ...Object.fromEntries(Object.keys(failing).map((name) => [name, () => BADF])),
    args_get: () => SUCCESS,
    args_sizes_get: noItems,
    environ_get: () => SUCCESS,
    environ_sizes_get: noItems,
    clock_res_get: (_clock, result) => instant(result, BigInt(NS_PER_MS)),
    clock_time_get: (_clock, _precision, result) => instant(result, clockNs(options.nowMs())),
    fd_write(fd, vectors, count, written) {
      if (fd !== 1 && fd !== STDERR) return BADF
      let total = 0
      const list = at(vectors, (Number(count) >>> 0) * IOV_BYTES)
      for (let offset = 0; offset < list.byteLength; offset += IOV_BYTES) {
        const size = list.getUint32(offset + 4, true)
        const { buffer, byteOffset } = at(list.getUint32(offset, true), size)
        printer.print(new Uint8Array(buffer, byteOffset, size))
        total += size
      }
      at(written, 4).setUint32(0, total, true)
      return SUCCESS
    },
    poll_oneoff(subscriptions, events, count, ready) {
      const items = Number(count) >>> 0
      const from = at(subscriptions, items * SUBSCRIPTION_BYTES)
      const to = at(events, items * EVENT_BYTES)
      for (let item = 0; item < items; item += 1) {
        const userdata = from.getBigUint64(item * SUBSCRIPTION_BYTES, true)
        const kind = from.getUint8(item * SUBSCRIPTION_BYTES + 8)
        new Uint8Array(to.buffer, to.byteOffset + item * EVENT_BYTES, EVENT_BYTES).fill(0)
        to.setBigUint64(item * EVENT_BYTES, userdata, true)
        to.setUint8(item * EVENT_BYTES + 10, kind)
      }
      at(ready, 4).setUint32(0, items, true)
      return SUCCESS
    },
    proc_exit(code) {
      throw new Trap('trap', `exited with ${Number(code)}`)
    },
    random_get(buffer, size) {
      const length = Number(size) >>> 0
      const into = at(buffer, length)
      const bytes = options.random(length)
      if (bytes === undefined) return NOSYS
      new Uint8Array(into.buffer, into.byteOffset, length).set(bytes)
      return SUCCESS
    },
    sched_yield: () => SUCCESS,
  }
  return { functions, reset: () => printer.reset() }
}
