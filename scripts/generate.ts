/** Writes what is made from elsewhere: the types of the handler's world from `wit/`, the manifests' JSON Schema. */
import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { manifestSchema } from '../host/plugin/manifest.ts'
import { z } from '../host/schema.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))

/** Generated files, relative to the root: handlers are written against these types, manifests against this schema. */
export const generated = { types: 'plugins/sdk/types', schema: 'manifests/schema.json' } as const

/** Generates all of it under `folder`. */
export async function generate(folder: string): Promise<void> {
  await generateTypes(join(folder, generated.types))
  const { $schema, ...rules } = z.toJSONSchema(manifestSchema, { io: 'input' })
  const schema = { $schema, title: 'Manifest of a handler', ...rules }
  await mkdir(dirname(join(folder, generated.schema)), { recursive: true })
  await writeFile(join(folder, generated.schema), JSON.stringify(schema, withoutReadOnly))
  const oxfmt = join(dirname(fileURLToPath(import.meta.resolve('oxfmt/package.json'))), 'bin', 'oxfmt')
  const targets = Object.values(generated).map((path) => join(folder, path))
  await run(process.execPath, [oxfmt, '-c', join(root, '.oxfmtrc.json'), ...targets])
}

/** zod marks what its types cannot change; to a reader of the schema that says nothing. */
function withoutReadOnly(key: string, value: unknown): unknown {
  return key === 'readOnly' ? undefined : value
}

/** One file per interface and one for the world. */
async function generateTypes(folder: string): Promise<void> {
  const jco = join(dirname(fileURLToPath(import.meta.resolve('@bytecodealliance/jco'))), 'jco.js')
  await run(process.execPath, [jco, 'guest-types', join(root, 'wit'), '-n', 'handler', '-o', folder])
  for (const name of await readdir(folder, { recursive: true })) {
    if (!name.endsWith('.d.ts')) continue
    const path = join(folder, name)
    // QuickJS handlers are given, and must give, a u64 as a number: every one in this world fits.
    const text = (await readFile(path, 'utf8')).replaceAll('bigint', 'number').replaceAll(/^\/\/\/ .*\n/gmu, '')
    // An absent option is null to them: `| undefined` holds only for what they hand over, where both will do.
    const absent = text
      .replaceAll(/(\): .*) \| undefined;?$/gmu, '$1 | null')
      .replaceAll(/^( +\w+)\?: (.*?)[;,]?$/gmu, '$1: $2 | null')
    await writeFile(path, absent)
  }
}

if (import.meta.main) await generate(root)
