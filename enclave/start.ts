/** Booting an image in the process that is to run it. */
import { measuresOf } from './attestor.ts'
import { type Boot, bootImage } from './boot.ts'
import type { ImageRuntime } from './listing.ts'
import { openNitroAttestor } from './nsm.ts'
import { nsmSocket } from './nsm-socket.ts'
import { openRegisters } from './registers.ts'
import { describeRuntime } from './runtime.ts'

/** Node's own `process`, or what a test says in its place. */
export type Started = Pick<NodeJS.Process, 'execPath' | 'version' | 'platform' | 'arch'>

/** The program that this process is. */
export function runtimeOf({ execPath, version, platform, arch }: Started): Promise<ImageRuntime> {
  return describeRuntime(execPath, { version: version.slice(1), platform, arch })
}

/**
 * Measures into registers of software, or with `nsm` into those of the security module behind that socket.
 *
 * @throws as `bootImage`; Refusal `not-attested` for a module that does not answer
 */
export function startImage(
  folder: string,
  { nsm, process, monotonic }: { nsm: string | undefined; process: Started; monotonic: () => number },
): Promise<Boot> {
  const about = { runtime: () => runtimeOf(process), monotonic }
  if (nsm !== undefined) return bootImage(folder, { ...about, measures: openNitroAttestor(nsmSocket(nsm)) })
  const registers = openRegisters()
  return bootImage(folder, { ...about, measures: measuresOf(registers), registers })
}
