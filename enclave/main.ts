/**
 * The first code of an image, `boot.mjs`: it measures everything, then runs the host from the bytes it measured. It
 * reads `image.json`, what that lists, and Node's own modules. Whoever starts it answers for this one file: an enclave
 * by PCR0, an operator by `trellis image verify`.
 */
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { Refusal } from '#host/errors.ts'

import type { Boot } from './boot.ts'
import { HOST_FILE } from './listing.ts'
import { verifiedModules } from './loader.ts'
import { startImage } from './start.ts'

const folder = import.meta.dirname

/** The option that names the socket of a security module's owner. */
function moduleSocket(): string | undefined {
  const at = process.argv.indexOf('--nsm')
  return at === -1 ? undefined : process.argv[at + 1]
}

async function start(): Promise<void> {
  const boot = await startImage(folder, { nsm: moduleSocket(), process, monotonic: () => performance.now() })
  registerHooks(verifiedModules(folder, boot.image))
  const host: { run(boot: Boot): Promise<void> } = await import(pathToFileURL(join(folder, HOST_FILE)).href)
  await host.run(boot)
}

try {
  await start()
} catch (error) {
  if (!(error instanceof Refusal)) throw error
  console.error(`trellis: ${error.message}`)
  process.exitCode = 1
}
