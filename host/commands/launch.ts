/** Becoming the host of an image: this process goes, and the image's own code is there in its place. */
import { existsSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { isSea } from 'node:sea'

import { BOOT_FILE } from '#enclave/listing.ts'
import { Refusal } from '#host/errors.ts'

export interface UpOptions {
  readonly data: string
  readonly image: string
  readonly nats?: string
  /** Wait beside the host of the folder, for the vaults that their owners let go. */
  readonly succeed?: boolean
  readonly space?: string
  /** The socket of the process that owns a Nitro security module. */
  readonly nsm?: string
  /** Behind Node's walls, each of them tried. */
  readonly hardened?: boolean
  /** Print one JSON line per event instead of words. */
  readonly trace?: boolean
}

/** What is denied to the host beside its folders. Its cells are threads, so threads it must have. */
const WALLS = [
  '--permission',
  '--allow-worker',
  '--disallow-code-generation-from-strings',
  '--disable-proto=delete',
  '--frozen-intrinsics',
  '--no-addons',
  '--no-global-search-paths',
]

/** Whether an image brings the host that runs it. */
export function hasHost(image: string): boolean {
  return existsSync(join(image, BOOT_FILE))
}

/**
 * Starts the host of an image with the options that were given, behind walls if asked for. Does not return.
 *
 * @throws Refusal `not-hardened` where there is nothing to start in this way
 */
export async function becomeHost(options: UpOptions): Promise<never> {
  const { execPath } = process
  if (isSea()) {
    throw new Refusal('not-hardened', `up: ${options.image} brings its own host: start it with node ${BOOT_FILE} up`)
  }
  if (process.execve === undefined)
    throw new Refusal('not-hardened', `up: start node ${options.image}/${BOOT_FILE} up yourself`)
  const [image, data] = [await realpath(options.image), await realpath(options.data)]
  const flags = options.hardened === true ? wallsOf({ image, data, options, execPath }) : []
  const args = [
    execPath,
    '--disable-warning=ExperimentalWarning',
    '--disable-warning=SecurityWarning',
    ...flags,
    join(image, BOOT_FILE),
    ...typed({ ...options, data }),
  ]
  // Nothing of the environment: neither NODE_OPTIONS nor a secret.
  return process.execve(execPath, args, {})
}

/** Node's flags for a host that reads and writes what it was given, and no more. */
function wallsOf(places: { image: string; data: string; options: UpOptions; execPath: string }): readonly string[] {
  const { image, data, options, execPath } = places
  const reads = [image, data, execPath].map((path) => `--allow-fs-read=${path}`)
  const network = options.nats === undefined && options.nsm === undefined ? [] : ['--allow-net']
  return [...WALLS, ...reads, `--allow-fs-write=${data}`, ...network]
}

function typed({ data, nats, space, nsm, ...flags }: UpOptions): readonly string[] {
  const named = Object.entries({ nats, space, nsm }).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, value],
  )
  const said = (['trace', 'hardened', 'succeed'] as const).flatMap((name) =>
    flags[name] === true ? [`--${name}`] : [],
  )
  return ['up', '--data', data, ...named, ...said]
}
