/** The user's directory, fetched piece by piece: only what is new comes over the wire. */
import type { Book } from '#client/entries/book.ts'
import type { DirectoryPage, OwnerEntries } from '#client/owner-entries.ts'
import type { EntryCrypto } from '#host/entries/port.ts'
import { decodeStatement } from '#host/entries/statement.ts'
import { Refusal } from '#host/errors.ts'

import { trusted } from './state.ts'

export interface DirectoryFetch {
  refresh(): Promise<void>
  about(): Pick<DirectoryPage, 'vault' | 'instance'>
}

export function fetchDirectory(
  entries: Pick<OwnerEntries, 'directory' | 'revocationHeads'>,
  { book, crypto }: { readonly book: Book; readonly crypto: EntryCrypto },
): DirectoryFetch {
  let statements: readonly Uint8Array[] = []
  let last: DirectoryPage | undefined
  const heads = new Map<number, Uint8Array>()
  return {
    async refresh() {
      const served = [...statements]
      for (let after: number | null = served.length - 1; after !== null;) {
        const page: DirectoryPage = await entries.directory(after)
        const isMore = page.statements.length > 0
        served.push(...page.statements)
        last = page
        after = isMore ? page.next : null
      }
      for (const seq of revocationsIn(crypto, served)) {
        if (!heads.has(seq)) heads.set(seq, await entries.revocationHeads(seq))
      }
      // What does not hold is asked for again from the start.
      statements = []
      trusted(book.learn(book.user, { statements: served, heads: [...heads.values()] }))
      statements = served
    },
    about() {
      if (last === undefined) throw new Refusal('directory-invalid', 'directory: not known yet: refresh it first')
      return last
    },
  }
}

/** Of what can be read: what cannot, the walk names. */
function revocationsIn(crypto: EntryCrypto, statements: readonly Uint8Array[]): number[] {
  return statements.flatMap((bytes, seq) => {
    try {
      return decodeStatement(crypto, bytes).statement.body.kind === 'revoke' ? [seq] : []
    } catch (cause) {
      if (cause instanceof Refusal) return []
      throw cause
    }
  })
}
