/** A log in memory that can be lost, slow and broken: what outlives a crash is `disk.bytes`. */
import { Refusal } from '#host/errors.ts'
import type { LogStore } from '#host/storage/port.ts'

export interface Disk {
  bytes: Uint8Array
  /** Appends that reached it: each stands for one fdatasync. */
  appends: number
  isBroken: boolean
}

export function diskOf(): Disk {
  return { bytes: new Uint8Array(0), appends: 0, isBroken: false }
}

export function logOf(disk: Disk = diskOf()): LogStore {
  let isOpen = true
  function refuse(): void {
    if (!isOpen || disk.isBroken) throw new Refusal('storage-failed', 'the log is gone')
  }
  return {
    get size() {
      return disk.bytes.length
    },
    async append(chunks) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
      refuse()
      disk.bytes = Uint8Array.from(Buffer.concat([disk.bytes, ...chunks]))
      disk.appends += 1
    },
    async read() {
      return disk.bytes
    },
    async truncate(size) {
      refuse()
      disk.bytes = disk.bytes.slice(0, size)
    },
    abandon() {
      isOpen = false
    },
    async [Symbol.asyncDispose]() {
      isOpen = false
    },
  }
}
