/** The languages of handlers: what a source is called, and what has to be installed to build it. */
import type { HandlerLanguage } from '../../../scripts/build-handler.ts'

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
]
