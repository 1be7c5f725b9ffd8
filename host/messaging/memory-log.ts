/**
 * The stored half of the memory bus: critical messages and their acks as records of one append-only log.
 *
 * Record: length u32 · CRC-32 u32 · body, big endian. Body of a message: 1 · sequence f64 · subject length u16 ·
 * subject · data. Body of acks: 2 · sequence f64, any number of times. What follows the first broken record is a torn
 * tail: nobody was told that it is stored.
 */
import { crc32 } from 'node:zlib'

import { Refusal } from '#host/errors.ts'
import { ACK_FLUSH_MS, BUS_LOG_BYTES_IDLE, MEMORY_LANE_BYTES_MAX, MESSAGE_BYTES_MAX } from '#host/limits.ts'
import type { LogStore } from '#host/storage/port.ts'

import type { Timer } from './timer.ts'

const PREFIX_BYTES = 8
const SEQUENCE_BYTES = 8
const MESSAGE_HEAD_BYTES = 1 + SEQUENCE_BYTES + 2
const SUBJECT_BYTES_MAX = 0xffff
const RECORD_BYTES_MAX = MESSAGE_HEAD_BYTES + SUBJECT_BYTES_MAX + MESSAGE_BYTES_MAX
const ACKS_PER_RECORD = MESSAGE_BYTES_MAX / SEQUENCE_BYTES

interface StoredMessage {
  readonly sequence: number
  readonly subject: string
  readonly data: Uint8Array
}

export interface MessageLog {
  /** Messages of an earlier life that nobody acknowledged, oldest first. */
  readonly recovered: readonly StoredMessage[]
  /**
   * Resolves with the message's sequence when it is durable. The bytes are not copied.
   *
   * @throws Refusal `bus-unavailable` when too much is unacknowledged or the log failed
   */
  store(subject: string, data: Uint8Array): Promise<number>
  /** Notes an ack; it becomes durable with the next message or soon after. Repeats are nothing. */
  settle(sequence: number): void
  /** Resolves when all that was stored and settled is durable, or could not be. */
  flush(): Promise<void>
}

/** Reads what an earlier life left and cuts its torn tail. The log stays its opener's to close. */
export async function openMessageLog(options: { log: LogStore; timer: Timer }): Promise<MessageLog> {
  const { log } = options
  const found = decodeLog(await log.read())
  if (found.size < log.size) await log.truncate(found.size)
  const recovered = [...found.live.values()]
  const live = new Map(recovered.map((message) => [message.sequence, message.data.length]))
  const writer = groupWriter({ log, timer: options.timer, mayEmpty: () => live.size === 0 })
  let bytes = recovered.reduce((sum, message) => sum + message.data.length, 0)
  let last = found.last
  return {
    recovered,
    async store(subject, data) {
      if (bytes + data.length > MEMORY_LANE_BYTES_MAX) {
        throw new Refusal('bus-unavailable', 'the critical lane is full: consume what is in it and send again')
      }
      last += 1
      const sequence = last
      live.set(sequence, data.length)
      bytes += data.length
      await writer.write([messageHead({ sequence, subject, data }), data])
      return sequence
    },
    settle(sequence) {
      const size = live.get(sequence)
      if (size === undefined) return
      live.delete(sequence)
      bytes -= size
      writer.ack(sequence)
    },
    flush: () => writer.flush(),
  }
}

interface GroupWriter {
  write(chunks: readonly Uint8Array[]): Promise<void>
  ack(sequence: number): void
  flush(): Promise<void>
}

/** Everything that arrives while one group is being written goes out as the next: one fdatasync for all of them. */
function groupWriter(options: { log: LogStore; timer: Timer; mayEmpty: () => boolean }): GroupWriter {
  const { log } = options
  let chunks: Uint8Array[] = []
  let acked: number[] = []
  let group: PromiseWithResolvers<void> | undefined
  let running: Promise<void> | undefined
  let cancelAckFlush: (() => void) | undefined

  async function writeGroups(): Promise<void> {
    // One turn, so that what is published in the same tick shares the first group.
    await Promise.resolve()
    while (chunks.length > 0 || acked.length > 0) {
      cancelAckFlush?.()
      cancelAckFlush = undefined
      const emptied = chunks.length === 0 && options.mayEmpty() && log.size > BUS_LOG_BYTES_IDLE
      const out = [...chunks, ...ackRecords(acked)]
      const done = group
      chunks = []
      acked = []
      group = undefined
      try {
        await (emptied ? log.truncate(0) : log.append(out))
        done?.resolve()
      } catch (error) {
        done?.reject(
          new Refusal('bus-unavailable', 'the message could not be stored: open the bus again', { cause: error }),
        )
      }
    }
    running = undefined
  }
  const run = (): Promise<void> => (running ??= writeGroups())

  return {
    write(added) {
      chunks.push(...added)
      group ??= Promise.withResolvers<void>()
      void run()
      return group.promise
    },
    ack(sequence) {
      acked.push(sequence)
      cancelAckFlush ??= options.timer(ACK_FLUSH_MS, () => void run())
    },
    flush: run,
  }
}

function messageHead(message: StoredMessage): Uint8Array {
  const subject = new TextEncoder().encode(message.subject)
  if (subject.length > SUBJECT_BYTES_MAX) throw new Error(`subject of ${subject.length} bytes`)
  const head = new Uint8Array(PREFIX_BYTES + MESSAGE_HEAD_BYTES + subject.length)
  const view = new DataView(head.buffer)
  head[PREFIX_BYTES] = 1
  view.setFloat64(PREFIX_BYTES + 1, message.sequence)
  view.setUint16(PREFIX_BYTES + 1 + SEQUENCE_BYTES, subject.length)
  head.set(subject, PREFIX_BYTES + MESSAGE_HEAD_BYTES)
  view.setUint32(0, MESSAGE_HEAD_BYTES + subject.length + message.data.length)
  view.setUint32(4, crc32(message.data, crc32(head.subarray(PREFIX_BYTES))))
  return head
}

function ackRecords(sequences: readonly number[]): Uint8Array[] {
  const records: Uint8Array[] = []
  for (let start = 0; start < sequences.length; start += ACKS_PER_RECORD) {
    const part = sequences.slice(start, start + ACKS_PER_RECORD)
    const record = new Uint8Array(PREFIX_BYTES + 1 + part.length * SEQUENCE_BYTES)
    const view = new DataView(record.buffer)
    record[PREFIX_BYTES] = 2
    for (const [index, sequence] of part.entries()) {
      view.setFloat64(PREFIX_BYTES + 1 + index * SEQUENCE_BYTES, sequence)
    }
    view.setUint32(0, record.length - PREFIX_BYTES)
    view.setUint32(4, crc32(record.subarray(PREFIX_BYTES)))
    records.push(record)
  }
  return records
}

interface DecodedLog {
  readonly live: ReadonlyMap<number, StoredMessage>
  readonly last: number
  /** Bytes up to the first record that is not whole. */
  readonly size: number
}

function decodeLog(bytes: Uint8Array): DecodedLog {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const live = new Map<number, StoredMessage>()
  let last = 0
  let at = 0
  while (at + PREFIX_BYTES <= bytes.length) {
    const length = view.getUint32(at)
    const end = at + PREFIX_BYTES + length
    if (length === 0 || length > RECORD_BYTES_MAX || end > bytes.length) break
    const body = bytes.subarray(at + PREFIX_BYTES, end)
    if (crc32(body) !== view.getUint32(at + 4)) break
    const sequence = applyRecord(body, live)
    if (sequence === undefined) break
    last = Math.max(last, sequence)
    at = end
  }
  return { live, last, size: at }
}

/** Applies one record and answers the highest sequence in it; `undefined` when its body is not one of ours. */
function applyRecord(body: Uint8Array, live: Map<number, StoredMessage>): number | undefined {
  const view = new DataView(body.buffer, body.byteOffset, body.length)
  if (body[0] === 2) {
    let last = 0
    for (let at = 1; at + SEQUENCE_BYTES <= body.length; at += SEQUENCE_BYTES) {
      const sequence = view.getFloat64(at)
      live.delete(sequence)
      last = Math.max(last, sequence)
    }
    return last
  }
  if (body[0] !== 1 || body.length < MESSAGE_HEAD_BYTES) return undefined
  const sequence = view.getFloat64(1)
  const split = MESSAGE_HEAD_BYTES + view.getUint16(1 + SEQUENCE_BYTES)
  if (split > body.length) return undefined
  const subject = new TextDecoder().decode(body.subarray(MESSAGE_HEAD_BYTES, split))
  // A copy: one unacknowledged message must not keep the whole log in memory.
  live.set(sequence, { sequence, subject, data: body.slice(split) })
  return sequence
}
