/** What the entries that handlers ask for are like: which is meant by a name, and what their content is. */
import { FIELD_NAME_CHARS_MAX } from '#host/limits.ts'

import type { Outline } from './model.ts'

/** The title is the name: a credential’s alias, and else that of a field as contracts name it. */
export interface ServedName {
  readonly kind: string
  readonly name: string
}

const FIELD = /^[a-z][a-z0-9_]*$/u
const ALIAS = /^[a-z][a-z0-9-]*$/u

/**
 * What an entry is asked for by; undefined for one that no handler can ask for. Content of a `credential`: its bytes as
 * they were issued. Of any other: the value of a field in UTF-8.
 */
export function servedName({ kind, title: name }: Outline): ServedName | undefined {
  const pattern = kind === 'credential' ? ALIAS : FIELD
  return name.length <= FIELD_NAME_CHARS_MAX && pattern.test(name) ? { kind, name } : undefined
}
