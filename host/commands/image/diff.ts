/** `trellis image diff`: the release note an owner reads before a vault moves from one image to another. */
import { stripVTControlCharacters } from 'node:util'

import type { ImageManifest } from '#enclave/listing.ts'
import type { Manifest } from '#host/plugin/manifest.ts'
import { paint } from '../paint.ts'
import { type Change, changesOf, grantsOf } from './changes.ts'
import { identityOf, readMeasured } from './read.ts'

/** What is told of an image. */
export interface Described {
  readonly image: Pick<ImageManifest, 'files'>
  /** 48 bytes. */
  readonly measurement: Uint8Array
  /** By handler id. */
  readonly manifests: ReadonlyMap<string, Manifest>
}

interface ImageDiff {
  readonly handlers: readonly HandlerDiff[]
  /** Files that belong to no handler. */
  readonly files: { readonly added: string[]; readonly removed: string[]; readonly changed: string[] }
}

interface HandlerDiff {
  readonly id: string
  readonly state: 'added' | 'removed' | 'changed'
  /** Version before and after; null where it is not there. */
  readonly versions: readonly [string | null, string | null]
  readonly summary: string
  readonly isOtherCode: boolean
  readonly changes: readonly Change[]
}

/** Prints it. @returns whether the images are the same @throws Refusal `image-…`, `manifest-invalid` */
export async function diff([from, to]: readonly [string, string], { json }: { json: boolean }): Promise<boolean> {
  const [before, after] = [await readMeasured(from), await readMeasured(to)]
  const found = compareImages(before, after)
  const isSame = identityOf(before).root === identityOf(after).root
  if (json) {
    console.log(JSON.stringify({ isSame, from: identityOf(before), to: identityOf(after), ...found }, undefined, 2))
  } else console.log(isSame ? `${paint.good('the same image')}  root ${identityOf(after).root}` : noteOf(found, after))
  return isSame
}

/** What an owner is told before a vault moves: the same words without colour, no more than `charsMax` of them. */
export function releaseNote(before: Described, after: Described, charsMax: number): string {
  const text = stripVTControlCharacters(noteOf(compareImages(before, after), after))
  if (text.length <= charsMax) return text
  const cut = '\n… there is more: trellis image diff shows all of it'
  return text.slice(0, charsMax - cut.length) + cut
}

function compareImages(before: Described, after: Described): ImageDiff {
  const ids = new Set([...before.manifests.keys(), ...after.manifests.keys()])
  const handlers = [...ids].toSorted().flatMap((id) => compareHandler(id, before, after))
  return { handlers, files: compareFiles(before, after) }
}

function compareHandler(id: string, before: Described, after: Described): readonly HandlerDiff[] {
  const [old, now] = [before.manifests.get(id), after.manifests.get(id)]
  const summary = (now ?? old)?.summary ?? ''
  const versions = [old?.version ?? null, now?.version ?? null] as const
  if (!now) return [{ id, state: 'removed', versions, summary, isOtherCode: true, changes: [] }]
  if (!old) return [{ id, state: 'added', versions, summary, isOtherCode: true, changes: grantsOf(now) }]
  const isOther = (folder: string, end: string) => {
    const path = `${folder}/${id}.${end}`
    return digestOf(before, path) !== digestOf(after, path)
  }
  const isOtherCode = isOther('components', 'wasm')
  if (!isOtherCode && !isOther('manifests', 'json')) return []
  return [{ id, state: 'changed', versions, summary, isOtherCode, changes: changesOf(old, now) }]
}

function otherPaths({ image }: Described): readonly string[] {
  return image.files.map(({ path }) => path).filter((path) => !/^(?:components|manifests)\//.test(path))
}

function compareFiles(before: Described, after: Described): ImageDiff['files'] {
  const [old, now] = [otherPaths(before), otherPaths(after)]
  return {
    added: now.filter((path) => !old.includes(path)),
    removed: old.filter((path) => !now.includes(path)),
    changed: now.filter((path) => old.includes(path) && digestOf(before, path) !== digestOf(after, path)),
  }
}

function digestOf({ image }: Described, path: string): string | undefined {
  return image.files.find((file) => file.path === path)?.sha384
}

function noteOf({ handlers, files }: ImageDiff, after: Described): string {
  const others = (['added', 'removed', 'changed'] as const).flatMap((state) =>
    files[state].length === 0 ? [] : [`${state} files: ${files[state].join(', ')}`],
  )
  const widened = handlers.filter(({ changes }) => changes.some(({ effect }) => effect === 'widened'))
  const verdict =
    widened.length === 0
      ? 'no handler may do more than before'
      : paint.bad(`may do more than before: ${widened.map(({ id }) => id).join(', ')}`)
  return [...handlers.flatMap(handlerLines), ...others, verdict, `measurement ${after.measurement.toHex()}`].join('\n')
}

const SIGNS = { widened: '+', narrowed: '-', changed: '~' } as const

function handlerLines({ id, state, versions, summary, isOtherCode, changes }: HandlerDiff): readonly string[] {
  const [old, now] = versions
  const version = old === now || old === null || now === null ? (now ?? old) : `${old} → ${now}`
  const lines = changes.map(({ effect, text }) => `  ${SIGNS[effect]} ${effect}: ${text}`)
  const code = state === 'changed' ? [`  ~ its code is ${isOtherCode ? 'another' : 'the same'}`] : []
  return [`${paint.title(`${state}  ${id} ${version}`)}  ${summary}`, ...code, ...lines]
}
