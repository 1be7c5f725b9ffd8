import { expect, test } from 'vitest'

import { readSource } from './source.ts'

test.each([
  ["import 'a'", 'a', 'static'],
  ["import { b } from 'a'", 'a', 'static'],
  ['import b from "a"', 'a', 'static'],
  ["import * as b from 'a'", 'a', 'static'],
  ["import type { B } from 'a'", 'a', 'static'],
  ["import {\n  type B, // from 'c'\n  d,\n} from\n  'a'", 'a', 'static'],
  ["export * from 'a'", 'a', 'static'],
  ["export { b } from 'a'", 'a', 'static'],
  ["export type { B } from 'a'", 'a', 'static'],
  ["const b = await import('a')", 'a', 'dynamic'],
  ['const b = import( /* c */ `a`)', 'a', 'dynamic'],
  ["let b: import('a').B", 'a', 'dynamic'],
  ["require('a')", 'a', 'dynamic'],
  ["import.meta.resolve('a')", 'a', 'dynamic'],
  ["new Worker(new URL('./a.ts', import.meta.url))", './a.ts', 'dynamic'],
  ['new URL(`./a.${suffix}`, import.meta.url)', './a.', 'head'],
])('an import is found: %s', (text, specifier, kind) => {
  expect(readSource('x.ts', text).imports).toMatchObject([{ specifier, kind }])
})

test.each([
  "// import 'a'",
  'const text = "import { b } from \'a\'"',
  "Array.from(b)\nf('a')",
  "table.import('a')",
  "new URL('https://a.example')",
  '/* export * from "a" */',
])('nothing is imported: %s', (text) => {
  expect(readSource('x.ts', text).imports).toEqual([])
})

test('exported names', () => {
  const text = `
    export const a = 1, b = 2
    export function c() {}
    export async function d() {}
    export class E {}
    export interface F {}
    export type G = string
    const h = 1
    export { h as i, type J }
    // export const k = 1`
  expect(readSource('x.ts', text).exports).toEqual(['a', 'c', 'd', 'E', 'F', 'G', 'i', 'J'])
})

test.each([
  ["export * from './a.ts'", true],
  ["/** All of it. */\nimport { a } from './a.ts'\n\nexport { a }\nexport type { B } from './b.ts'\n", true],
  ["export { a } from './a.ts'\nexport const b = 1", false],
  ["import './a.ts'", false],
  ['', false],
])('a barrel: %j is %s', (text, isBarrel) => {
  expect(readSource('x.ts', text).isBarrel).toBe(isBarrel)
})

const filler = 'a()\n'.repeat(5)

test.each([
  ['function', `function f(a: string) {\n${filler}}`],
  ['function with a return type', `function f(\n  a: string,\n): Map<string, number> {\n${filler}}`],
  ['function that returns an object type', `function f(): { a: number; b: () => void } {\n${filler}}`],
  ['function that returns a function', `function f(): (a: number) => void {\n${filler}}`],
  ['generator', `function* f() {\n${filler}}`],
  ['type guard', `function f(a: unknown): a is { b: string } {\n${filler}}`],
  ['arrow', `const f = (a) => {\n${filler}}`],
  ['arrow with a return type', `const f = async (a): Promise<void> => {\n${filler}}`],
  ['arrow to an object', `const f = () => ({\n${filler}})`],
  ['method', `const a = { async b(c) {\n${filler}} }`],
  ['private method', `class A { #b(c): void {\n${filler}} }`],
  ['constructor', `class A { constructor() {\n${filler}} }`],
  ['getter', `class A { get b(): string {\n${filler}} }`],
])('a body of seven lines: %s', (_name, text) => {
  expect(readSource('x.ts', text).bodies.filter(({ lines }) => lines > 1)).toMatchObject([{ lines: 7 }])
})

test.each([
  ['class', `class A extends B<C> {\n${filler}}`],
  ['class after a function', `function f(): void {}\nclass A {\n${filler}}`],
  ['interface', `interface A extends B {\n${filler}}`],
  ['object', `const a = {\n${filler}}`],
  ['typed object', `const a: Map<string, B> = {\n${filler}}`],
  ['argument', `f(a, {\n${filler}})`],
  ['if', `if (a(b)) {\n${filler}}`],
  ['else', `if (a) b()\nelse {\n${filler}}`],
  ['for', `for (const a of b()) {\n${filler}}`],
  ['for await', `for await (const a of b()) {\n${filler}}`],
  ['switch', `switch (a) {\n${filler}}`],
  ['try', `try {\n${filler}} finally {\n${filler}}`],
  ['conditional', `const a = b(c) ? {\n${filler}} : {\n${filler}}`],
  ['import', `import {\n  a,\n  b,\n} from 'c'`],
  ['suite', `describe('a', () => {\n  test('b', c)\n${filler}})`],
])('no body longer than a line: %s', (_name, text) => {
  expect(readSource('x.ts', text).bodies.filter(({ lines }) => lines > 1)).toEqual([])
})

test('a file that cannot be read is named', () => {
  expect(() => readSource('host/x.ts', "a = 'b")).toThrow('host/x.ts: the tidy scanner cannot read it')
})
