/** Listings of files that nobody wrote. */
import { createHash } from 'node:crypto'

import { byPath, type ImageFile, type ImageHead, type ImageManifest, kindOf, makeListing, NO_HEAD } from './listing.ts'

export function listedFile(path: string, text = path): ImageFile {
  const sha384 = createHash('sha384').update(text).digest('hex')
  return { path, kind: kindOf(path), size: text.length, sha384 }
}

/** Every component is a handler's. */
export function listingOf(files: readonly ImageFile[], head: Partial<ImageHead> = {}): ImageManifest {
  const handlers = files.flatMap(({ path: component }) => {
    const id = /^components\/(.*)\.wasm$/.exec(component)?.[1]
    return id === undefined ? [] : [{ id, version: '1.0.0', manifest: `manifests/${id}.json`, component, core: [] }]
  })
  return makeListing({
    ...NO_HEAD,
    ...head,
    handlers: handlers.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    files: files.toSorted(byPath),
  })
}
