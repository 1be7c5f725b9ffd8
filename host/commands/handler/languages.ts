/** The languages of handlers: what a source is called, and what it runs as. */
import { type HandlerLanguage, type HandlerRuntime, missingRuntime } from '../../../scripts/build-handler.ts'

export interface Language {
  readonly id: HandlerLanguage
  readonly title: string
  /** The file whose presence in a folder means this language. */
  readonly source: string
}

export const languages: readonly Language[] = [
  { id: 'ts', title: 'TypeScript', source: 'handler.ts' },
  { id: 'as', title: 'AssemblyScript', source: 'handler.as.ts' },
  { id: 'rust', title: 'Rust', source: 'handler.rs' },
  { id: 'c', title: 'C', source: 'handler.c' },
  { id: 'go', title: 'Go', source: 'handler.go' },
]

export interface Kit {
  readonly language: Language
  readonly runtime: HandlerRuntime
}

/** What `new` can make. */
export const kits: readonly Kit[] = languages.flatMap((language) =>
  (['component', 'extism'] as const).flatMap((runtime) =>
    missingRuntime(language.id, runtime) === undefined ? [{ language, runtime }] : [],
  ),
)
