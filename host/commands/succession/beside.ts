/**
 * The image that waits beside the one that runs, as the latter finds it: asked for its listing and its manifests, held
 * against its evidence and the release log. What it changes is told by the image that runs now.
 */
import { decodeListing, type ImageManifest } from '#enclave/listing.ts'
import { measureImage } from '#enclave/measure.ts'
import { askSocket } from '#enclave/unix-socket.ts'
import { OFFER_TEXT_CHARS_MAX } from '#host/contracts/limits.ts'
import { CHALLENGE_NONCE_BYTES } from '#host/contracts/provisioning.ts'
import type { Enclave, Release, Releases } from '#host/crypto/enclave.ts'
import { sha384 } from '#host/crypto/p384.ts'
import { Refusal } from '#host/errors.ts'
import { type Manifest, parseManifest } from '#host/plugin/manifest.ts'
import { refused } from '#host/vault/sealing/move.ts'
import type { Successor } from '#host/vault/sealing/succession.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { type Described, releaseNote } from '../image/diff.ts'
import { RELEASES_FILE } from '../releases.ts'
import {
  boundImage,
  decodeOutcome,
  decodeShown,
  encodeQuestion,
  type Question,
  type Shown,
  socketLimits,
} from './questions.ts'

export interface BesideOptions {
  /** Where it would listen. */
  readonly socket: string
  /** The code that runs, and its image. */
  readonly enclave: Enclave
  readonly image: Described
  readonly releases: Releases
  readonly random: (length: number) => Uint8Array
  readonly warn: (line: string) => void
}

/** Looks for it each time; it is judged once, and its evidence again with each vault that it gets. */
export function lookBeside(options: BesideOptions): () => Promise<Successor | undefined> {
  const { socket, warn } = options
  let known: Successor | undefined
  let warned = ''
  return async () => {
    const measurement = await measurementAt(socket)
    if (!measurement) return undefined
    if (known && equalBytes(known.measurement, measurement)) return known
    try {
      known = await judged(options)
      return known
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      // Once: it is looked for with every question of a device.
      if (warned !== error.message) warn(error.message)
      warned = error.message
      return undefined
    }
  }
}

/** @throws Refusal `move-refused`, `release-refused`, `image-changed`, `manifest-invalid` */
async function judged({ socket, enclave, image, releases, random }: BesideOptions): Promise<Successor> {
  const nonce = random(CHALLENGE_NONCE_BYTES)
  const shown = decodeShown(partAt(await ask(socket, ['image', nonce]), 0))
  const measurement = enclave.recognize(shown.evidence, { nonce, userData: boundImage(shown.listing) })
  const release = releases.find(measurement)
  if (!release) {
    const why = `the image that waits (${measurement.toHex().slice(0, 16)}…) is no active release that may follow`
    throw new Refusal('release-refused', `up: ${why}: put the release log that lists it into ${RELEASES_FILE}`)
  }
  const changes = releaseNote(image, describedBy(shown, { measurement, release }), OFFER_TEXT_CHARS_MAX)
  return {
    measurement,
    release,
    changes,
    async present(vault, asked) {
      const parts = await ask(socket, ['present', vault, asked])
      return { descriptor: partAt(parts, 0), evidence: partAt(parts, 1) }
    },
    receive: async (vault, { evidence, sealed }) => partAt(await ask(socket, ['receive', vault, evidence, sealed]), 0),
  }
}

/** The listing is the very one that was released, and each manifest the one that it lists. */
function describedBy(
  { listing, manifests }: Shown,
  { measurement, release }: { measurement: Uint8Array; release: Release },
): Described {
  const image = decodeListing(listing)
  if (!equalBytes(measureImage(image).root, release.root)) throw refused('the image that waits shows another listing')
  return { image, measurement, manifests: manifestsOf(image, manifests) }
}

function manifestsOf(image: ImageManifest, manifests: readonly Uint8Array[]): ReadonlyMap<string, Manifest> {
  const listed = new Map(image.files.map(({ path, sha384: digest }) => [path, digest]))
  return new Map(
    image.handlers.map(({ id, manifest: path }, at) => {
      const bytes = partAt(manifests, at)
      if (sha384(bytes).toHex() !== listed.get(path)) throw refused(`the image that waits shows another ${path}`)
      return [id, parseManifest(bytes, path)]
    }),
  )
}

async function measurementAt(socket: string): Promise<Uint8Array | undefined> {
  try {
    return partAt(await ask(socket, ['who']), 0)
  } catch (error) {
    // Nobody waits there, or not any more.
    if (error instanceof Refusal) return undefined
    throw error
  }
}

async function ask(socket: string, question: Question): Promise<readonly Uint8Array[]> {
  const answer = await askSocket(socket, encodeQuestion(question), socketLimits).catch((cause: unknown) => {
    throw new Refusal('move-refused', 'move: the next image went away: start it again, or abandon the move', { cause })
  })
  return decodeOutcome(answer)
}

function partAt(parts: readonly Uint8Array[], at: number): Uint8Array {
  const part = parts[at]
  if (part) return part
  throw refused('the image that waits left out a part of its answer')
}
