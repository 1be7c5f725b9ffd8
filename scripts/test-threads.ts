/**
 * Threads for tests, as an image has them: each is one text that holds all it needs. A world of a test starts four, and
 * reading and compiling their sources was most of its work.
 */
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { Plugin } from 'vitest/config'

import { bundle, THREAD } from './bundle-host.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const THREADS = [
  'host/crypto/bbs-worker.ts',
  'host/plugin/cell-worker.ts',
  'host/storage/flush-worker.ts',
  'host/storage/view-worker.ts',
]

/** Of this moment's sources: before the tests run. */
export async function compileThreads(): Promise<void> {
  await mkdir(dirname(compiled('')), { recursive: true })
  for (const thread of THREADS) {
    const path = compiled(basename(thread, '.ts'))
    await writeFile(`${path}.part`, await bundle(thread))
    await rename(`${path}.part`, path)
  }
}

/** Whoever starts a thread starts the compiled one. It is read then: what Vite caches names it and does not hold it. */
export const compiledThreads: Plugin = {
  name: 'compiled-threads',
  transform(code) {
    const changed = code.replaceAll(THREAD, (_found, path: string) => {
      const file = JSON.stringify(compiled(basename(path)))
      const text = `process.getBuiltinModule('node:fs').readFileSync(${file}, 'base64')`
      return `new URL('data:text/javascript;base64,' + ${text})`
    })
    return changed === code ? null : { code: changed, map: null }
  },
}

function compiled(name: string): string {
  return join(root, '.cache/threads', `${name}.js`)
}
