/** `still.c`, compiled once: what makes QuickJS's components the same in every build, where there is a C compiler. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const SOURCE = fileURLToPath(new URL('./still.c', import.meta.url))
const CACHE = fileURLToPath(new URL('../.cache', import.meta.url))

/** Where it is made, and by what. */
const HERE = { folder: CACHE, compiler: 'cc' }

/** The library to preload; undefined where none can be made: then a component differs from build to build. */
export async function stillClock({ folder, compiler } = HERE): Promise<string | undefined> {
  if (process.platform !== 'linux' || !existsSync(SOURCE)) return undefined
  const digest = createHash('sha256')
    .update(await readFile(SOURCE))
    .digest('hex')
  const library = join(folder, `still-${process.arch}-${digest.slice(0, 16)}.so`)
  if (existsSync(library)) return library
  const temporary = `${library}.${process.pid}`
  try {
    await mkdir(folder, { recursive: true })
    await promisify(execFile)(compiler, ['-shared', '-fPIC', '-O1', '-o', temporary, SOURCE])
    await rename(temporary, library)
    return library
  } catch {
    return undefined
  }
}
