import { expect, test } from 'vitest'

import { lex } from './lexer.ts'

const code = (text: string): string => lex(text).code

test('comments go, whatever stands in them', () => {
  expect(code("a // it's\nb")).toBe(`a${' '.repeat(8)}\nb`)
  expect(code('a /* "\n` */ b')).toBe('a     \n     b')
  expect(lex('a // one\n/* two */').comments).toEqual(['// one', '/* two */'])
})

test('strings keep their quotes and their place', () => {
  expect(code(`f('//', "it's", '\\'')`)).toBe(`f('  ', "    ", '  ')`)
  expect(lex(`f('//', "it's")`).strings).toEqual([
    { at: 2, value: '//' },
    { at: 8, value: "it's" },
  ])
})

test('templates keep the code inside them', () => {
  expect(code('f(`a ${b + `c ${d}` + "}"} e`)')).toBe('f(`    b + `    d ` + " "   `)')
  expect(lex('`head ${x} tail`').strings).toEqual([{ at: 0, value: 'head ' }])
  expect(code('`\\` ${ { a: 1 } }`')).toBe('`      { a: 1 }  `')
})

test.each([
  ["a = /'/.test(b)", 'a = / /.test(b)'],
  ['f(/[/\'"]/g)', 'f(/     /g)'],
  ['return /"/', 'return / /'],
  ['(x) => /`/', '(x) => / /'],
  ['!/\\//.test(c)', '!/  /.test(c)'],
  ["a / b + 'c' / d", "a / b + ' ' / d"],
  ["(a + b) / c + '/'", "(a + b) / c + ' '"],
  ["list[0] / 2 + '/'", "list[0] / 2 + ' '"],
  ["a++ / 2 + '/'", "a++ / 2 + ' '"],
  ["a + /'/", 'a + / /'],
])('a slash divides or begins a regular expression: %s', (text, blanked) => {
  expect(code(text)).toBe(blanked)
})

test.each(["a = 'b\nc'", 'a = `b', '/* a', 'a }', 'a = /b\n'])('it does not guess on: %j', (text) => {
  expect(() => lex(text)).toThrow(/lexer: /)
})
