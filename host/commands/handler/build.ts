/** `trellis handler build`: the component, and the types made from the manifest. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { buildHandler } from '../../../scripts/build-handler.ts'
import type { Manifest } from '#host/plugin/manifest.ts'
import { paint } from '../paint.ts'
import { sha384 } from './digest.ts'
import { eventTypes } from './event-types.ts'
import { findHandler, type HandlerFolder, readManifest, shown } from './folder.ts'

export interface Built {
  readonly bytes: Uint8Array
  /** False when it was up to date. */
  readonly isNew: boolean
}

/** @throws Refusal `manifest-invalid`, `toolchain-missing`, `source-invalid` */
export async function buildFolder(handler: HandlerFolder, manifest: Manifest): Promise<Built> {
  await refreshTypes(handler, manifest)
  const { folder, source, component, language } = handler
  const isNew = await buildHandler({ language: language.id, folder, source, manifest, component })
  return { bytes: new Uint8Array(await readFile(component)), isNew }
}

/** Types of the bodies, for handlers that were started with a kit: they follow the manifest. */
export async function refreshTypes({ language, kit }: HandlerFolder, manifest: Manifest): Promise<void> {
  if (language.id !== 'ts' || kit === undefined) return
  const path = join(kit, 'events.ts')
  const text = eventTypes(manifest.events)
  if ((await readFile(path, 'utf8').catch(() => '')) !== text) await writeFile(path, text)
}

export async function build(path: string): Promise<void> {
  const start = performance.now()
  const handler = findHandler(path)
  const { bytes, isNew } = await buildFolder(handler, await readManifest(handler))
  const took = isNew ? `built in ${((performance.now() - start) / 1_000).toFixed(1)} s` : 'up to date'
  console.log(`${paint.good(took)}  ${shown(handler.component)}  ${sizeOf(bytes.length)}`)
  console.log(paint.soft(`sha384 ${sha384(bytes)}`))
}

const KB = 1_024

/** Bytes for a reader: `812 B`, `9.4 KB`, `16 MB`; 1 KB is 1,024 bytes. */
export function sizeOf(bytes: number): string {
  if (bytes < KB) return `${bytes} B`
  const [size, unit] = bytes < KB * KB ? [bytes / KB, 'KB'] : [bytes / KB / KB, 'MB']
  return `${size.toFixed(1).replace('.0', '')} ${unit}`
}
