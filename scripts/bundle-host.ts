/**
 * The host as files that hold all they need: the threads it starts and the WebAssembly it uses are in the text, so that
 * whoever measured a file measured everything it runs. The same sources and packages give the same bytes, anywhere.
 */
import { readFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

import { type Plugin, rolldown } from 'rolldown'

const root = fileURLToPath(new URL('..', import.meta.url))
/** A thread's file beside the one that starts it. */
export const THREAD = /new URL\('(\.\/[a-z-]+-worker)\.[jt]s', import\.meta\.url\)/gu
/** What needs compilers, sources or a terminal of its own: no part of an image. */
const LEFT_OUT =
  /(?:^|\/)(?:scripts|examples)\/|\/commands\/(?:demo|handler)[/.]|\/commands\/image\/(?:build|sea)\.[jt]s$/u
const ABSENT = '\0absent'

/**
 * A module and all it imports as one ES module, as text. `entry` is relative to the repository. What older packages
 * require is Node's own, and is had without a file's name: a thread in an image is in none.
 */
export async function bundle(entry: string): Promise<string> {
  const build = await rolldown({
    input: join(root, entry),
    cwd: root,
    platform: 'node',
    // Its paths are for the type checker.
    tsconfig: false,
    resolve: {
      symlinks: false,
      alias: { 'sql.js': join(root, 'node_modules/sql.js/dist/sql-wasm-inline.js') },
    },
    experimental: { attachDebugInfo: 'none' },
    plugins: [leaveOut, inlineThreads, inlineModules],
  })
  try {
    const { output } = await build.generate({ format: 'esm', codeSplitting: false, comments: false })
    const [only, ...others] = output
    if (others.length > 0) throw new Error(`${entry} became ${output.length} files`)
    const stray = only.imports.filter((name) => !name.startsWith('node:') && !BUILT_IN.has(name))
    if (stray.length > 0) throw new Error(`${entry} still imports ${stray.join(', ')}`)
    return only.code.replace('createRequire(import.meta.url)', 'process.getBuiltinModule')
  } finally {
    await build.close()
  }
}

/** How older packages name Node's own modules. */
const BUILT_IN = new Set(['crypto', 'fs', 'module', 'path', 'url', 'util', 'buffer', 'stream', 'events', 'os'])

/** Commands that are not of an image say so when they are typed. */
const leaveOut: Plugin = {
  name: 'leave-out',
  resolveDynamicImport(specifier, from) {
    if (typeof specifier !== 'string' || !specifier.startsWith('.') || from === undefined) return null
    const path = relative(root, join(dirname(from), specifier))
    return LEFT_OUT.test(path) ? { id: ABSENT, external: false } : null
  },
  load(id) {
    if (id !== ABSENT) return null
    const says = 'this host runs an image: build, try and play from a checkout'
    const refusal = JSON.stringify(join(root, 'host/errors.ts'))
    return `import { Refusal } from ${refusal}\nthrow new Refusal('toolchain-missing', ${JSON.stringify(says)})`
  },
}

const inlineThreads: Plugin = {
  name: 'inline-threads',
  async transform(code, id) {
    let changed = code
    for (const [found, path] of code.matchAll(THREAD)) {
      const thread = await bundle(relative(root, join(dirname(id), `${path}.ts`)))
      changed = changed.replace(found, () => `new URL('data:text/javascript;base64,${base64(thread)}')`)
    }
    return changed === code ? null : { code: changed, map: null }
  },
}

/** A package that opens its module beside it, which is then nowhere. */
const inlineModules: Plugin = {
  name: 'inline-modules',
  async transform(code, id) {
    if (!id.endsWith('tiny-secp256k1/lib/wasm_loader.js')) return null
    const binary = await readFile(join(dirname(id), 'secp256k1.wasm'))
    const changed = code.replace('readFileSync(path("secp256k1.wasm"))', `Buffer.from('${base64(binary)}', 'base64')`)
    if (changed === code) throw new Error(`${relative(root, id)} opens its module in another way`)
    return { code: changed, map: null }
  },
}

function base64(content: string | Uint8Array): string {
  return Buffer.from(content).toString('base64')
}
