/** Modules from the bytes that were hashed: the folder they lay in is not looked at again. */
import { isBuiltin, type RegisterHooksOptions } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { Refusal } from '#host/errors.ts'

import type { Image } from './image.ts'

/**
 * Hooks for this thread (`module.registerHooks`). Node's own modules are Node's; anything that is no listed host file is
 * refused, by name: other files, `data:` and packages.
 */
export function verifiedModules(folder: string, image: Image): RegisterHooksOptions {
  const base = pathToFileURL(join(folder, '/')).href
  const modules = new Map(
    image.files.flatMap(({ path, kind }) => (kind === 'host' ? [[new URL(path, base).href, path]] : [])),
  )
  return {
    resolve(specifier, context, next) {
      if (isBuiltin(specifier)) return next(specifier, context)
      const url = URL.parse(specifier, context.parentURL ?? base)?.href ?? specifier
      if (!modules.has(url)) throw unlisted(url)
      return { url, format: 'module', shortCircuit: true }
    },
    load(url, context, next) {
      if (isBuiltin(url)) return next(url, context)
      const path = modules.get(url)
      if (path === undefined) throw unlisted(url)
      return { format: 'module', source: image.read(path), shortCircuit: true }
    },
  }
}

function unlisted(url: string): Refusal {
  return new Refusal('image-unlisted', `image: ${url.slice(0, SHOWN_CHARS)} is no module of it: it does not run`)
}

/** A `data:` URL may be long. */
const SHOWN_CHARS = 128
