/** Writes the types of the handler's world, `plugins/sdk/types/`, from `wit/`. */
import { execFile } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))

export const guestTypesFolder: string = join(root, 'plugins', 'sdk', 'types')

/** Generates into `folder`: one file per interface and one for the world. */
export async function generateGuestTypes(folder: string): Promise<void> {
  const jco = join(dirname(fileURLToPath(import.meta.resolve('@bytecodealliance/jco'))), 'jco.js')
  await run(process.execPath, [jco, 'guest-types', join(root, 'wit'), '-n', 'handler', '-o', folder])
  for (const name of await readdir(folder, { recursive: true })) {
    if (!name.endsWith('.d.ts')) continue
    const path = join(folder, name)
    // QuickJS handlers are given, and must give, a u64 as a number: every one in this world fits.
    const text = (await readFile(path, 'utf8')).replaceAll('bigint', 'number')
    await writeFile(path, text)
  }
  const oxfmt = join(dirname(fileURLToPath(import.meta.resolve('oxfmt/package.json'))), 'bin', 'oxfmt')
  await run(process.execPath, [oxfmt, '-c', join(root, '.oxfmtrc.json'), folder])
}

if (import.meta.main) await generateGuestTypes(guestTypesFolder)
