/** The contender: Extism's JavaScript SDK in worker mode, one plug-in instance used again and again. */
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import createPlugin, { type CallContext } from '@extism/extism'
import { main as compile } from 'assemblyscript/asc'

import { BODY, KEY } from './rmw.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
const SOURCE = 'bench/contenders/extism.as.ts'

/**
 * Calls between two `reset()`s, which free the SDK's blocks and nothing else. Without any it dies after some ten
 * thousand calls; every block until then is copied to and fro with each call, so seldom is slow as well.
 */
const CALLS_PER_RESET = 8

export interface ExtismPlugin extends AsyncDisposable {
  run(): Promise<void>
}

export async function openExtism(callsPerReset = CALLS_PER_RESET): Promise<ExtismPlugin> {
  const store = new Map<string, Uint8Array>([[KEY, BODY]])
  const wasm = await builtPlugin()
  const plugin = await createPlugin(
    { wasm: [{ data: wasm }] },
    {
      runInWorker: true,
      useWasi: false,
      functions: {
        'extism:host/user': {
          kv_get: (context: CallContext, key: bigint) => {
            const value = store.get(textAt(context, key))
            return value === undefined ? 0n : context.store(value)
          },
          kv_put: (context: CallContext, key: bigint, value: bigint) => {
            store.set(textAt(context, key), context.read(value)?.bytes().slice() ?? new Uint8Array(0))
          },
        },
      },
    },
  )
  let calls = 0
  async function run(): Promise<void> {
    const output = await plugin.call('handle', BODY)
    if (output?.bytes().length !== BODY.length) throw new Error('the plug-in answered something else')
    calls += 1
    if (calls % callsPerReset === 0) await plugin.reset()
  }
  await run()
  return { run, [Symbol.asyncDispose]: () => plugin.close() }
}

function textAt(context: CallContext, address: bigint): string {
  return context.read(address)?.text() ?? ''
}

/** Built when it is not there, kept under `.cache/bench` by the hash of its source. */
async function builtPlugin(): Promise<Uint8Array<ArrayBuffer>> {
  const hash = createHash('sha256').update(await readFile(join(root, SOURCE))).digest('hex').slice(0, 16)
  const folder = join(root, '.cache/bench')
  const path = join(folder, `extism-${hash}.wasm`)
  const known = await readFile(path).catch(() => undefined)
  if (known) return new Uint8Array(known)
  await mkdir(folder, { recursive: true })
  const temporary = `.cache/bench/extism-${process.pid}.wasm`
  const options = ['-O3s', '--runtime', 'incremental', '--use', 'abort=', '--noAssert', '--baseDir', root]
  const { error, stderr } = await compile([SOURCE, ...options, '--outFile', temporary], {})
  if (error) throw new Error(`asc ${SOURCE}: ${stderr.toString()}`, { cause: error })
  await rename(join(root, temporary), path)
  return new Uint8Array(await readFile(path))
}
