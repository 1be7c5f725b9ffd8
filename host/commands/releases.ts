/**
 * What a provider says of the image that runs, while it runs: handlers that must not run are taken away, at start and
 * from the next event on. The log lies in the data folder; only keys that the image itself lists are believed, and
 * nothing in it can add a handler.
 */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'

import type { Image } from '#enclave/image.ts'
import { RELEASES_POLL_MS } from '#enclave/limits.ts'
import { followLog, type Listed, type ReleaseLog } from '#enclave/release-log.ts'
import { Rejection } from '#enclave/errors.ts'
import { revocationOf } from '#enclave/revoked.ts'
import type { Releases as PublishedReleases } from '#host/crypto/enclave.ts'
import { nativeEvidence } from '#host/crypto/p384.ts'
import { Refusal } from '#host/errors.ts'
import { readLogFile } from './release/log-file.ts'

const nothing = () => undefined

export const RELEASES_FILE = 'releases.jsonl'

export interface Releases extends PublishedReleases {
  /** Handlers that must not run, by id. It grows and never shrinks. */
  readonly revoked: ReadonlySet<string>
  /** The line of the image with this root, for somebody who knew the log so long; undefined where there is none. */
  listed(root: Uint8Array, knownSize: number): Listed | undefined
  /** Reads the log again if it changed, as often as the limit says, until disposed. */
  watch(changed: (revoked: ReadonlySet<string>) => void): Disposable
}

interface Options {
  /** The data folder. */
  readonly data: string
  readonly warn: (line: string) => void
  /** `RELEASES_POLL_MS` if it is not said. */
  readonly pollMs?: number
}

/** @throws Refusal `release-refused` for a log that cannot be believed: a host does not start beside one */
export async function openReleases(
  image: Image,
  { data, warn, pollMs = RELEASES_POLL_MS }: Options,
): Promise<Releases> {
  const file = join(data, RELEASES_FILE)
  const keys = image.policy.releaseKeys
  const revoked = new Set<string>()
  let seen = await stampOf(file)
  if (keys.length === 0) {
    if (seen !== undefined) warn(`${file} is not believed: the image lists no release keys`)
    return { revoked, find: nothing, listed: nothing, watch: () => ({ [Symbol.dispose]: nothing }) }
  }
  let log = await readLogFile(file, keys)
  if (log) apply(log)

  function apply(read: ReleaseLog): void {
    const retired = read.entries.find((entry) => entry.kind === 'retire' && entry.release === image.release)
    if (retired?.kind === 'retire')
      warn(`release ${image.release} was withdrawn: ${retired.reason}: move to a newer one`)
    for (const handler of revocable(image)) {
      const revocation = revocationOf(handler, read.revocations)
      if (revocation === undefined || revoked.has(handler.id)) continue
      revoked.add(handler.id)
      warn(`handler ${handler.id} ${handler.version} does not run: ${revocation.reason}`)
    }
  }

  async function look(): Promise<boolean> {
    const stamp = await stampOf(file)
    if (stamp === seen) return false
    seen = stamp
    const read = await readLogFile(file, keys)
    if (read === undefined) throw new Refusal('release-refused', `${file} is gone: what it revoked stays revoked`)
    // A log that got shorter or was exchanged may have lost a revocation.
    if (log) {
      const path = read.tree.size < log.tree.size ? [] : read.prove(log.tree.size)
      followLog(nativeEvidence, log.tree, { tree: read.tree, path })
    }
    log = read
    apply(read)
    return true
  }

  return {
    revoked,
    find(measurement) {
      const found = log?.find(measurement)
      // What the image itself asks of those that follow it: nobody who holds the log can ask for less.
      if (!found) return undefined
      if (found.release !== image.release && found.release < image.policy.minimumRelease) return undefined
      return { id: found.version, root: Uint8Array.fromHex(found.root), serial: found.serial }
    },
    listed: (root, knownSize) => log?.show(root, knownSize),
    watch(changed) {
      let isLooking = false
      const timer = setInterval(() => {
        if (isLooking) return
        isLooking = true
        look()
          .then((isNew) => isNew && changed(revoked))
          .catch((error: unknown) => {
            if (!(error instanceof Refusal || error instanceof Rejection)) throw error
            warn(error.message)
          })
          .finally(() => (isLooking = false))
      }, pollMs).unref()
      return { [Symbol.dispose]: () => clearInterval(timer) }
    },
  }
}

function revocable(image: Image) {
  const digests = new Map(image.files.map(({ path, sha384 }) => [path, sha384]))
  return image.handlers.map(({ id, version, manifest, component }) => {
    const hexes = [manifest, component].flatMap((path) => digests.get(path) ?? [])
    return { id, version, digests: hexes.map((hex) => Uint8Array.fromHex(hex)) }
  })
}

/** Changes when the file does; undefined when there is none. */
async function stampOf(file: string): Promise<string | undefined> {
  const found = await stat(file).catch(() => undefined)
  return found && `${found.mtimeMs}/${found.size}/${found.ino}`
}
