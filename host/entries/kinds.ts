/** What the entries that handlers ask for are like: which is meant by a name, and what their content is. */
import { FIELD_NAME_CHARS_MAX } from '#host/limits.ts'

import type { Outline } from './model.ts'

/** Kinds that handlers ask for. The title is the name: a field’s as contracts name it, a credential’s alias. */
export const servedKinds = ['profile-field', 'credential'] as const
export type ServedKind = (typeof servedKinds)[number]

/** Content of a `profile-field`: its value in UTF-8. Of a `credential`: its bytes as they were issued. */
export interface ServedName {
  readonly kind: ServedKind
  readonly name: string
}

const patterns = { 'profile-field': /^[a-z][a-z0-9_]*$/u, credential: /^[a-z][a-z0-9-]*$/u }

/** What an entry is asked for by; undefined for one that no handler asks for. */
export function servedName({ kind: said, title: name }: Outline): ServedName | undefined {
  const kind = servedKinds.find((one) => one === said)
  if (kind === undefined || name.length > FIELD_NAME_CHARS_MAX || !patterns[kind].test(name)) return undefined
  return { kind, name }
}
