/** The types say what the schemas let through: TypeScript's own checker is asked, value by value. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { findPackageJSON } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

import { expect, test } from 'vitest'

import { compileSchema, type JsonSchema } from '#host/plugin/schemas.ts'
import { eventTypes } from './event-types.ts'

const run = promisify(execFile)
const text: JsonSchema = { type: 'string' }
const closed = { type: 'object', additionalProperties: false } as const

/** A schema, values that it lets through and values that it does not. */
const table: readonly (readonly [schema: JsonSchema, fits: readonly unknown[], not: readonly unknown[]])[] = [
  [text, ['a'], [1, null]],
  [{ type: 'integer' }, [1], ['1']],
  [{ type: ['boolean', 'null'] }, [true, null], [0]],
  [{ const: { a: [1, 'x', {}] } }, [{ a: [1, 'x', {}] }], [{ a: [2, 'x', {}] }, {}]],
  [{ enum: ['a', 2, null] }, ['a', 2, null], ['b', 3]],
  [{ ...closed, properties: { a: text }, required: ['a'] }, [{ a: 'x' }], [{}, { a: 1 }, { a: 'x', b: 1 }]],
  [{ ...closed, properties: { 'a-b': text } }, [{}, { 'a-b': 'x' }], [{ 'a-b': 1 }]],
  [{ type: 'object', properties: { a: text } }, [{ a: 'x', more: 1 }], [{ a: 1, more: 1 }]],
  [closed, [{}], [{ a: 1 }]],
  [{ type: 'object', additionalProperties: { type: 'number' } }, [{ a: 1 }], [{ a: 'x' }]],
  [{ type: 'array', items: { type: ['string', 'null'] } }, [[], ['a', null]], [[1]]],
  [{ type: 'array', items: { type: 'array', items: text } }, [[['a']]], [['a']]],
  [{ type: 'array', prefixItems: [text, { type: 'number' }], items: false, minItems: 1 }, [['a'], ['a', 1]], [[], [1]]],
  [{ type: 'array', prefixItems: [text], items: { type: 'number' }, minItems: 1 }, [['a', 1, 2]], [['a', 'b']]],
  [{ anyOf: [text, { type: 'boolean' }] }, ['a', true], [1]],
  [
    { oneOf: [{ ...closed, properties: { k: { const: 'a' } }, required: ['k'] }, { type: 'null' }] },
    [{ k: 'a' }, null],
    [{ k: 'b' }],
  ],
  [
    {
      type: 'object',
      required: ['a'],
      properties: { a: text },
      allOf: [{ type: 'object', properties: { b: text }, required: ['b'] }],
    },
    [{ a: 'x', b: 'y' }],
    [{ a: 'x' }, { b: 'y' }],
  ],
  [{ anyOf: [text, {}] }, ['a', 1], []],
  [{}, [1, 'a', null, { a: 1 }], []],
]

test.each(table)('%j is a schema of what is said to fit it', (schema, fits, not) => {
  const check = compileSchema(schema)
  for (const value of fits) expect(check(value), JSON.stringify(value)).toBeUndefined()
  for (const value of not) expect(check(value), JSON.stringify(value)).toBeDefined()
})

test('TypeScript takes what fits, and nothing else', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trellis-types-'))
  try {
    const events = table.map(([request], at) => ({ type: `t.t${at}`, request, reply: { const: true } }))
    const uses = table.flatMap(([, fits, not], at) =>
      [fits, not].flatMap((values, side) => usesOf(values, { at, side })),
    )
    await writeFile(join(folder, 'events.ts'), eventTypes(events))
    await writeFile(join(folder, 'uses.ts'), `import type { Request } from './events.ts'\n${uses.join('\n')}\n`)
    const options = { strict: true, noEmit: true, types: [], module: 'esnext', moduleResolution: 'bundler' }
    const compilerOptions = { ...options, allowImportingTsExtensions: true, exactOptionalPropertyTypes: true }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
    expect(await checked(folder)).toBe('')
  } finally {
    await rm(folder, { recursive: true })
  }
})

/** Each value as one of the type: of side 1 the checker has to find a mistake in it. */
function usesOf(values: readonly unknown[], { at, side }: { at: number; side: number }): string[] {
  return values.map((value, nth) => {
    const use = `export const use${at}_${side}_${nth}: Request<'t.t${at}'> = ${JSON.stringify(value)}`
    return side === 0 ? use : `// @ts-expect-error\n${use}`
  })
}

/** What the checker says; nothing when all is well. */
async function checked(folder: string): Promise<string> {
  const tsc = join(dirname(findPackageJSON('typescript', import.meta.url) ?? ''), 'bin', 'tsc')
  try {
    return (await run(process.execPath, [tsc, '-p', folder, '--pretty', 'false'])).stdout
  } catch (error) {
    return error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error)
  }
}
