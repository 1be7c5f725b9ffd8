/** A handler's folder: what is in it tells its language. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'

import { Refusal } from '#host/errors.ts'
import { type Manifest, parseManifest } from '#host/plugin/manifest.ts'
import { type Language, languages } from './languages.ts'

export interface HandlerFolder {
  readonly name: string
  readonly folder: string
  readonly language: Language
  /** Absolute paths. The component and the cases need not be there. */
  readonly source: string
  readonly manifest: string
  readonly component: string
  readonly cases: string
  /** The kit that `new` laid beside the source; a handler of this repository has none of its own. */
  readonly kit: string | undefined
}

/**
 * `manifest.json` lies beside the source, or as `manifests/<name>.json` two folders up, as in this repository.
 *
 * @throws Refusal `source-invalid` when the folder holds no handler, or two
 */
export function findHandler(path: string): HandlerFolder {
  const folder = resolve(path)
  const own = join(folder, 'manifest.json')
  const shared = join(dirname(dirname(folder)), 'manifests', `${basename(folder)}.json`)
  const manifest = [own, shared].find(existsSync)
  const found = languages.filter(({ source }) => existsSync(join(folder, source)))
  const [language, other] = found
  if (manifest === undefined || language === undefined) {
    const lacks = manifest === undefined ? 'manifest.json' : languages.map(({ source }) => source).join(' or ')
    throw new Refusal('source-invalid', `${shown(folder)} holds no handler: no ${lacks}; trellis handler new makes one`)
  }
  if (other !== undefined) {
    throw new Refusal('source-invalid', `${shown(folder)} holds ${language.source} and ${other.source}: keep one`)
  }
  const name = basename(folder)
  const kit = join(folder, 'trellis')
  return {
    name,
    folder,
    language,
    source: join(folder, language.source),
    manifest,
    component: join(folder, 'dist', `${name}.wasm`),
    cases: join(folder, 'handler.cases.json'),
    kit: existsSync(kit) ? kit : undefined,
  }
}

/** @throws Refusal `manifest-invalid` with every mistake */
export async function readManifest({ manifest }: HandlerFolder): Promise<Manifest> {
  return parseManifest(await readFile(manifest), basename(manifest))
}

/** A path as the person who typed the command would write it. */
export function shown(path: string): string {
  const short = relative(process.cwd(), path)
  return short === '' ? '.' : short.startsWith('..') ? path : short
}
