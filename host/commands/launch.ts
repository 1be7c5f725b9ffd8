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

interface Places {
  readonly image: string
  readonly data: string
}

/**
 * What is denied to the host beside its folders; `scripts/build-sea.ts` has those of the single file. Its cells are
 * threads, so threads it must have.
 */
const WALLS = [
  '--permission',
  '--allow-worker',
  '--disallow-code-generation-from-strings',
  '--disable-proto=delete',
  '--frozen-intrinsics',
  '--no-addons',
  '--no-experimental-sqlite',
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
  if (isSea()) {
    const why = 'brings its own host, for the runtime that it lists'
    throw new Refusal('not-hardened', `up: ${options.image} ${why}: start it with node ${BOOT_FILE} up`)
  }
  const places = await placesOf(options)
  const flags = options.hardened === true ? [...WALLS, ...openingsOf(places, options)] : []
  const quiet = ['--disable-warning=ExperimentalWarning', '--disable-warning=SecurityWarning']
  return become([...quiet, ...flags, join(places.image, BOOT_FILE), ...typed(places, options)])
}

/** Whether this is the single file behind its walls: it has a host of its own for images that bring none. */
export function isShutIn(): boolean {
  return isSea() && process.permission !== undefined
}

/**
 * Starts the single file anew behind walls. Does not return.
 *
 * @throws Refusal `not-hardened` for any other program: its host would be files that nobody measured
 */
export async function becomeShutIn(options: UpOptions): Promise<never> {
  if (!isSea()) {
    throw new Refusal('not-hardened', `up: ${options.image} brings no host: trellis image build makes one that does`)
  }
  const places = await placesOf(options)
  const flags = ['--permission', '--allow-worker', ...openingsOf(places, options)]
  const image = ['--image', places.image]
  return become([`--node-options=${flags.map(quoted).join(' ')}`, ...typed(places, options), ...image])
}

function become(args: readonly string[]): never {
  if (process.execve === undefined) {
    throw new Refusal('not-hardened', `up: no program takes the place of another here: start node ${args.join(' ')}`)
  }
  // Nothing of the environment: neither NODE_OPTIONS nor a secret.
  return process.execve(process.execPath, [process.execPath, ...args], {})
}

async function placesOf({ image, data }: UpOptions): Promise<Places> {
  return { image: await realpath(image), data: await realpath(data) }
}

/** As Node splits a list of options. */
function quoted(flag: string): string {
  return `"${flag.replaceAll(/[\\"]/g, String.raw`\$&`)}"`
}

/** Node's flags for a host that reads and writes what it was given, and no more. */
function openingsOf({ image, data }: Places, { nats, nsm }: UpOptions): readonly string[] {
  const read = [image, data, process.execPath]
  const network = nats === undefined && nsm === undefined ? [] : ['--allow-net']
  return [...read.map((path) => `--allow-fs-read=${path}`), `--allow-fs-write=${data}`, ...network]
}

function typed({ data }: Omit<Places, 'image'>, { nats, space, nsm, ...flags }: UpOptions): readonly string[] {
  const named = Object.entries({ nats, space, nsm }).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, value],
  )
  const said = (['trace', 'hardened', 'succeed'] as const).flatMap((name) =>
    flags[name] === true ? [`--${name}`] : [],
  )
  return ['up', '--data', data, ...named, ...said]
}
