/**
 * Emits JavaScript for a published package into `dist/js`: Node strips types from our own files, but not under
 * `node_modules`. Types are blanked out in place, so lines and columns stay what they are.
 */
import { cp, glob, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { makeImage } from './build-image.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const out = join(root, 'dist', 'js')
const SOURCES = '{host,enclave,client,scripts}/**/*.ts'
const LEFT_OUT = /\.(test|case|fixture|as|d)\.ts$|\/fixtures\/|^scripts\/(tidy|test-setup|nats)/
/** Specifiers of our own modules, wherever one may stand. */
const OWN_MODULE = /((?:\bfrom|\bimport\(|\bimport|new URL\()\s*)'((?:\.{1,2}|#host|#enclave|#client)\/[^']+)\.ts'/g

async function emit(): Promise<number> {
  let count = 0
  await rm(out, { recursive: true, force: true })
  for await (const path of glob(SOURCES, { cwd: root })) {
    if (LEFT_OUT.test(path)) continue
    const source = await readFile(join(root, path), 'utf8')
    const code = stripTypeScriptTypes(source).replaceAll(OWN_MODULE, "$1'$2.js'")
    const target = join(out, path.replace(/\.ts$/, '.js'))
    await mkdir(dirname(target), { recursive: true })
    await writeFile(target, code)
    count += 1
  }
  return count
}

const { name, version, license, type, imports, dependencies } = JSON.parse(
  await readFile(join(root, 'package.json'), 'utf8'),
) as Record<string, unknown>
const count = await emit()
const published = { name, version, license, type, imports, dependencies, bin: { trellis: './host/main.js' } }
await writeFile(join(out, 'package.json'), `${JSON.stringify(published, null, 2)}\n`)
await makeImage(join(out, 'dist', 'image'))
// What `trellis handler` lays out and builds against.
for (const folder of ['templates', 'wit', 'plugins/sdk'])
  await cp(join(root, folder), join(out, folder), { recursive: true })
for (const file of ['LICENSE', 'scripts/still.c']) await cp(join(root, file), join(out, file))
console.log(`${count} files and the image in dist/js`)
