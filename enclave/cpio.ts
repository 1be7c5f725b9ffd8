/** Archives in the `newc` form that Linux unpacks as a ramdisk (kernel documentation, initramfs buffer format). */

export interface CpioFile {
  /** Relative, with `/`. */
  readonly path: string
  readonly data: Uint8Array
  /** May it be run. */
  readonly executable?: boolean
}

const BLOCK_BYTES = 512
const ALIGN_BYTES = 4
const FOLDER_MODE = 0o040_555
const FILE_MODE = 0o100_444
const EXECUTABLE_MODE = 0o100_555
const TRAILER = 'TRAILER!!!'

const text = new TextEncoder()

/** Sorted, owned by root, of no date: the same files give the same bytes, in whatever order they come. */
export function cpioArchive(files: readonly CpioFile[]): Uint8Array {
  const entries = [
    ...foldersOf(files).map((path) => ({ path, data: new Uint8Array(), mode: FOLDER_MODE })),
    ...files
      .toSorted((a, b) => (a.path < b.path ? -1 : 1))
      .map(({ path, data, executable }) => ({ path, data, mode: executable ? EXECUTABLE_MODE : FILE_MODE })),
    { path: TRAILER, data: new Uint8Array(), mode: 0 },
  ]
  const parts = entries.flatMap(({ path, data, mode }, index) => {
    const inode = path === TRAILER ? 0 : index + 1
    return [padded(header({ path, mode, inode, size: data.length })), padded(data)]
  })
  const size = parts.reduce((sum, part) => sum + part.length, 0)
  const archive = new Uint8Array(Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES)
  let at = 0
  for (const part of parts) {
    archive.set(part, at)
    at += part.length
  }
  return archive
}

/** Every folder before what is in it. */
function foldersOf(files: readonly CpioFile[]): readonly string[] {
  const folders = files.flatMap(({ path }) => {
    const names = path.split('/').slice(0, -1)
    return names.map((_, index) => names.slice(0, index + 1).join('/'))
  })
  return [...new Set(folders)].toSorted()
}

function header({ path, mode, inode, size }: { path: string; mode: number; inode: number; size: number }): Uint8Array {
  const name = text.encode(`${path}\0`)
  // inode, mode, uid, gid, links, mtime, size, four device numbers, length of the name, no checksum
  const fields = [inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name.length, 0]
  const head = text.encode(`070701${fields.map((field) => field.toString(16).toUpperCase().padStart(8, '0')).join('')}`)
  const bytes = new Uint8Array(head.length + name.length)
  bytes.set(head)
  bytes.set(name, head.length)
  return bytes
}

function padded(part: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(part.length / ALIGN_BYTES) * ALIGN_BYTES)
  bytes.set(part)
  return bytes
}
