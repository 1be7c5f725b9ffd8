import { expect, test } from 'vitest'

import { cpioArchive, type CpioFile } from './cpio.ts'

const text = (value: string) => new TextEncoder().encode(value)
const files: readonly CpioFile[] = [
  { path: 'rootfs/etc/name', data: text('trellis') },
  { path: 'init', data: text('#!'), executable: true },
]

/** What is in an archive, read by the fields' places. */
function listed(archive: Uint8Array) {
  const entries: { name: string; mode: string; data: string; inode: number; mtime: number }[] = []
  const field = (at: number, index: number) =>
    Number.parseInt(new TextDecoder().decode(archive.subarray(at + 6 + 8 * index, at + 14 + 8 * index)), 16)
  for (let at = 0; ;) {
    expect(new TextDecoder().decode(archive.subarray(at, at + 6))).toBe('070701')
    const [size, nameSize] = [field(at, 6), field(at, 11)]
    const name = new TextDecoder().decode(archive.subarray(at + 110, at + 110 + nameSize - 1))
    if (name === 'TRAILER!!!') return entries
    const start = at + Math.ceil((110 + nameSize) / 4) * 4
    const data = new TextDecoder().decode(archive.subarray(start, start + size))
    entries.push({ name, mode: field(at, 1).toString(8), data, inode: field(at, 0), mtime: field(at, 5) })
    at = start + Math.ceil(size / 4) * 4
  }
}

test('holds every folder before its files, owned by nobody in particular and of no date', () => {
  expect(listed(cpioArchive(files))).toEqual([
    { name: 'rootfs', mode: '40555', data: '', inode: 1, mtime: 0 },
    { name: 'rootfs/etc', mode: '40555', data: '', inode: 2, mtime: 0 },
    { name: 'init', mode: '100555', data: '#!', inode: 3, mtime: 0 },
    { name: 'rootfs/etc/name', mode: '100444', data: 'trellis', inode: 4, mtime: 0 },
  ])
})

test('is the same whatever order the files come in, and ends on a block', () => {
  const archive = cpioArchive(files)
  expect(cpioArchive(files.toReversed())).toEqual(archive)
  expect(archive.length % 512).toBe(0)
})
