/** The provider of an example: whole images with some of the handlers, released by two keys in a log. */
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { buildImage, openImage, writeImage } from '#enclave/image.ts'
import { BOOT_FILE, HOST_FILE } from '#enclave/listing.ts'
import { readMeasured } from '#host/commands/image/read.ts'
import { readKeyFile } from '#host/commands/release/key-files.ts'
import { appendEntry, type Draft } from '#host/commands/release/log-file.ts'
import { surroundings } from '#host/commands/surroundings.ts'

const SEED_BYTES = 32

export interface Provider {
  /** Ed25519, hex: what images list, and what askers believe. */
  readonly keys: readonly string[]
  /** Makes an image and writes its release into the log. */
  release(folder: string, image: ReleasedImage): Promise<void>
  revoke(handler: string, reason: string): Promise<void>
}

export interface ReleasedImage {
  readonly number: number
  /** Handlers of the image with all of them, each with its version there if another is not said. */
  readonly handlers: Readonly<Record<string, string>>
  readonly notes: string
}

/** @param from a whole image with every handler */
export async function openProvider({ folder, log, from }: Readonly<Record<'folder' | 'log' | 'from', string>>) {
  const keyFiles = ['one', 'two'].map((name) => join(folder, `${name}.key`))
  for (const file of keyFiles) await writeFile(file, surroundings.random(SEED_BYTES), { mode: 0o600 })
  const keys = (await Promise.all(keyFiles.map(readKeyFile))).map(({ publicKey }) => publicKey.toHex()).toSorted()
  const say = (draft: Draft) => appendEntry(log, draft, { keyFiles, now: surroundings.now() })
  const provider: Provider = {
    keys,
    async release(to, { number, handlers, notes }) {
      const { runtime } = await openImage(from)
      const files: string[] = []
      const place = async (path: string, content?: string) => {
        await mkdir(dirname(join(to, path)), { recursive: true })
        await (content === undefined ? cp(join(from, path), join(to, path)) : writeFile(join(to, path), content))
        files.push(path)
      }
      for (const path of [BOOT_FILE, HOST_FILE]) await place(path)
      for (const [id, version] of Object.entries(handlers)) {
        await place(`components/${id}.wasm`)
        const manifest = await readFile(join(from, `manifests/${id}.json`), 'utf8')
        await place(`manifests/${id}.json`, manifest.replace(/"version": "[^"]*"/u, `"version": "${version}"`))
      }
      const policy = { releaseKeys: keys, minimumRelease: number }
      await writeImage(to, await buildImage(to, files, { runtime, release: number, policy }))
      const { measure, measurement } = await readMeasured(to)
      const { root, handlerRoot } = measure
      const roots = { root: root.toHex(), handlerRoot: handlerRoot.toHex(), measurements: [measurement.toHex()] }
      await say({ kind: 'release', release: number, version: `1.${number}`, ...roots, notes })
    },
    async revoke(handler, reason) {
      await say({ kind: 'revoke', handler, digests: [], minimum: null, reason })
    },
  }
  return provider
}
