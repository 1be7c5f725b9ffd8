import { expect, test } from 'vitest'

import { PRINT_LINE_BYTES_MAX } from '#host/plugin/limits.ts'

import { openPrinter } from './wasi.ts'

test('what a guest prints is handed on line by line, and a longer one in pieces', () => {
  const lines: string[] = []
  const printer = openPrinter((line) => void lines.push(line))
  const print = (text: string): void => printer.print(new TextEncoder().encode(text))
  print('one\nt')
  expect(lines.splice(0)).toEqual(['one'])
  print('wo\n')
  expect(lines.splice(0)).toEqual(['two'])
  print('x'.repeat(2 * PRINT_LINE_BYTES_MAX + 1))
  expect(lines.splice(0)).toEqual(Array.from({ length: 2 }, () => 'x'.repeat(PRINT_LINE_BYTES_MAX)))
  // What is not a line yet is of this event, and of no other.
  printer.reset()
  print('\n')
  expect(lines).toEqual([''])
})
