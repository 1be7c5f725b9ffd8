/** The handlers we ship pass their cases in a real cell. Whatever else is built from another language must, too. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { readCases } from './cases.ts'
import { findHandler, readManifest } from './folder.ts'
import { runCases } from './run-cases.ts'

const plugins = join(import.meta.dirname, '..', '..', '..', 'plugins')
const withCases = readdirSync(plugins).filter((name) => existsSync(join(plugins, name, 'handler.cases.json')))

test('there are handlers with cases', () => expect(withCases).toContain('data-access'))

test.each(withCases)('%s', async (name) => {
  const handler = findHandler(join(plugins, name))
  const component = new Uint8Array(readFileSync(handler.component))
  const results = await runCases({
    manifest: await readManifest(handler),
    component,
    cases: await readCases(handler.cases),
  })
  for (const { name, mistakes } of results) expect(mistakes, name).toEqual([])
})
