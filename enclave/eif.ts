/**
 * Enclave Image Files, version 4: what a Nitro enclave boots from. A header with a table of sections, then the
 * sections, each behind a header of its own; big-endian throughout (aws-nitro-enclaves-image-format, README, `defs`).
 *
 * The table and the headers say the same twice. Whoever reads one and not the other may see another file, so that here
 * both must agree and nothing may lie between sections or behind them.
 */
import { crc32 } from 'node:zlib'

import { Rejection } from './errors.ts'
import { EIF_BYTES_MAX } from './limits.ts'

export type EifSectionKind = keyof typeof kinds

export interface EifSection {
  readonly kind: EifSectionKind
  readonly data: Uint8Array
}

export interface Eif {
  readonly architecture: 'x86_64' | 'arm64'
  /** What the enclave gets when its parent says nothing else. */
  readonly memoryBytes: number
  readonly cpus: number
  /** In the file's order, which is the order that is measured. */
  readonly sections: readonly EifSection[]
}

const kinds = { kernel: 1, cmdline: 2, ramdisk: 3, signature: 4, metadata: 5 } as const
const sectionKinds: readonly EifSectionKind[] = ['kernel', 'cmdline', 'ramdisk', 'signature', 'metadata']

const MAGIC = Uint8Array.of(0x2e, 0x65, 0x69, 0x66)
const VERSION = 4
const ARM64 = 1
const SECTIONS_MAX = 32
const OFFSETS_AT = 28
const SIZES_AT = OFFSETS_AT + 8 * SECTIONS_MAX
const CRC_AT = 544
const HEADER_BYTES = 548
const SECTION_HEADER_BYTES = 12

/**
 * Sections are views of `bytes`. The checksum is checked: a file that was cut or damaged is not measured.
 *
 * @throws Rejection `eif-malformed`
 */
export function decodeEif(bytes: Uint8Array): Eif {
  if (bytes.length > EIF_BYTES_MAX) throw malformed(`${bytes.length} bytes, at most ${EIF_BYTES_MAX}`)
  if (bytes.length < HEADER_BYTES || MAGIC.some((byte, at) => bytes[at] !== byte)) throw malformed('no eif header')
  const view = viewOf(bytes)
  const version = view.getUint16(4)
  if (version !== VERSION) throw malformed(`version ${version}, read is ${VERSION}`)
  const flags = view.getUint16(6)
  if (flags > ARM64) throw malformed('unknown flags')
  const count = view.getUint16(26)
  if (count > SECTIONS_MAX) throw malformed(`${count} sections, at most ${SECTIONS_MAX}`)
  const sections: EifSection[] = []
  let at = HEADER_BYTES
  for (let index = 0; index < count; index++) {
    const section = readSection(bytes, { index, at })
    sections.push(section)
    at += SECTION_HEADER_BYTES + section.data.length
  }
  if (at !== bytes.length) throw malformed('bytes behind its sections')
  refuseUnbootable(sections)
  if (checksum(bytes) !== view.getUint32(CRC_AT)) throw malformed('its checksum is another')
  return {
    architecture: flags === ARM64 ? 'arm64' : 'x86_64',
    memoryBytes: readSize(view, 8),
    cpus: readSize(view, 16),
    sections,
  }
}

/** The same sections give the same bytes. @throws Rejection `eif-malformed` for what `decodeEif` would not read */
export function encodeEif({ architecture, memoryBytes, cpus, sections }: Eif): Uint8Array {
  if (sections.length > SECTIONS_MAX) throw malformed(`${sections.length} sections, at most ${SECTIONS_MAX}`)
  refuseUnbootable(sections)
  const size = sections.reduce((sum, { data }) => sum + SECTION_HEADER_BYTES + data.length, HEADER_BYTES)
  if (size > EIF_BYTES_MAX) throw malformed(`${size} bytes, at most ${EIF_BYTES_MAX}`)
  const bytes = new Uint8Array(size)
  const view = viewOf(bytes)
  bytes.set(MAGIC)
  view.setUint16(4, VERSION)
  view.setUint16(6, architecture === 'arm64' ? ARM64 : 0)
  view.setBigUint64(8, BigInt(memoryBytes))
  view.setBigUint64(16, BigInt(cpus))
  view.setUint16(26, sections.length)
  let at = HEADER_BYTES
  for (const [index, { kind, data }] of sections.entries()) {
    view.setBigUint64(OFFSETS_AT + 8 * index, BigInt(at))
    view.setBigUint64(SIZES_AT + 8 * index, BigInt(data.length))
    view.setUint16(at, kinds[kind])
    view.setBigUint64(at + 4, BigInt(data.length))
    bytes.set(data, at + SECTION_HEADER_BYTES)
    at += SECTION_HEADER_BYTES + data.length
  }
  view.setUint32(CRC_AT, checksum(bytes))
  return bytes
}

function readSection(bytes: Uint8Array, { index, at }: { index: number; at: number }): EifSection {
  const view = viewOf(bytes)
  const start = at + SECTION_HEADER_BYTES
  if (readSize(view, OFFSETS_AT + 8 * index) !== at || start > bytes.length) {
    throw malformed(`section ${index} is not where the table says`)
  }
  const kind = sectionKinds[view.getUint16(at) - 1]
  if (kind === undefined) throw malformed(`section ${index} is of no known kind`)
  const size = readSize(view, at + 4)
  if (size !== readSize(view, SIZES_AT + 8 * index)) throw malformed(`section ${index} has two sizes`)
  if (size > bytes.length - start) throw malformed(`section ${index} ends early`)
  return { kind, data: bytes.subarray(start, start + size) }
}

/** A kernel, its command line and a first ramdisk there must be; what is not measured comes once at most. */
function refuseUnbootable(sections: readonly EifSection[]): void {
  const count = (kind: EifSectionKind): number => sections.filter((section) => section.kind === kind).length
  for (const kind of ['kernel', 'cmdline'] as const) {
    if (count(kind) !== 1) throw malformed(`${count(kind)} ${kind} sections, not one`)
  }
  if (count('ramdisk') === 0) throw malformed('no ramdisk')
  for (const kind of ['signature', 'metadata'] as const) {
    if (count(kind) > 1) throw malformed(`${count(kind)} ${kind} sections, at most one`)
  }
}

/** CRC-32 of all bytes but its own. */
function checksum(bytes: Uint8Array): number {
  return crc32(bytes.subarray(HEADER_BYTES), crc32(bytes.subarray(0, CRC_AT)))
}

function readSize(view: DataView, at: number): number {
  const size = view.getBigUint64(at)
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed('a size beyond any file')
  return Number(size)
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function malformed(what: string): Rejection {
  return new Rejection('eif-malformed', `eif: ${what}`)
}
