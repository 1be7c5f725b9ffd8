/**
 * What an event is given of its owner's personal fields: the entry of that name if there is one, the plain item if not.
 * An entry that cannot be trusted is absent, and no older plain item takes its place.
 */
import { FIELD_VALUE_CHARS_MAX } from '#host/limits.ts'
import type { Expectation } from '#host/storage/port.ts'
import { directoryUnchanged } from './account/directory.ts'
import { entriesUnchanged, TURN } from './account/held.ts'
import { servedContent, unusable } from './account/own-content.ts'
import { namedEntries, namedEntry } from './account/own-index.ts'
import { factorNeeded, type Gate } from './factor.ts'
import type { Vault } from './vault.ts'

export interface FieldReads {
  readonly values: ReadonlyMap<string, string>
  /** What the commit must find unchanged. Asked once the handler is done: an entry of that name may be new. */
  expected(): readonly Expectation[]
}

interface ReadOptions {
  /** Of entries that the handler's manifest names, beside profile fields. */
  readonly kinds: readonly string[]
  readonly gate: Gate
  readonly now: number
}

/** @throws Refusal `second-factor-needed` when one of them is critical and the vault is locked */
export function readPersonal(vault: Vault, names: readonly string[], { kinds, gate, now }: ReadOptions): FieldReads {
  const values = new Map<string, string>()
  const places: { readonly name: string; readonly entry: string | undefined; readonly place: Expectation }[] = []
  const turn = entriesUnchanged(vault, TURN)
  const directory = directoryUnchanged(vault)
  for (const name of names) {
    const read = readField(vault, name, { kinds, gate, now })
    places.push({ name, ...read })
    if (read.value !== undefined) values.set(name, read.value)
  }
  return {
    values,
    expected() {
      if (places.length === 0) return []
      const isMoved = places.some(({ name, entry }) => entryOf(vault, name, { kinds, now }) !== entry)
      return [...places.map(({ place }) => place), directory, ...(isMoved ? [turn] : [])]
    },
  }
}

function readField(vault: Vault, name: string, { kinds, gate, now }: ReadOptions) {
  const key = `field/${name}`
  const item = vault.store.namespace('personal').get(key)
  // Critical stays critical: an entry of that name needs the PIN as well.
  if (item?.sensitivity === 'critical' && !gate.pass()) throw factorNeeded()
  const entry = entryOf(vault, name, { kinds, now })
  if (entry === undefined) {
    const place: Expectation = { namespace: 'personal', key, revision: item?.revision ?? 0 }
    return { entry, place, value: item && new TextDecoder().decode(item.value) }
  }
  const { revision, content } = servedContent(vault, entry)
  const place: Expectation = { namespace: 'entries', key: entry, revision }
  return { entry, place, value: content === null ? undefined : textIn(vault, entry, content) }
}

/** A profile field of that name, else an entry of the first of these kinds that has one. */
function entryOf(vault: Vault, name: string, { kinds, now }: Pick<ReadOptions, 'kinds' | 'now'>): string | undefined {
  for (const kind of ['profile-field', ...kinds]) {
    const entry = namedEntry(vault, { kind, name }, now)
    if (entry !== undefined) return entry
  }
  return undefined
}

function textIn(vault: Vault, entry: string, content: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content)
    if (text.length <= FIELD_VALUE_CHARS_MAX) return text
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause
  }
  unusable(vault, entry, 'entry-invalid')
  return undefined
}

/** Contents of all credentials that are entries, by their aliases. */
export function credentialEntries(vault: Vault, now: number) {
  return namedEntries(vault, 'credential', now).map(([alias, entry]) => {
    const { revision, content } = servedContent(vault, entry)
    return { alias, entry, content, place: { namespace: 'entries', key: entry, revision } satisfies Expectation }
  })
}
