/** Whose turn it is: which of a folder's protected vaults have a seat for some code, read without opening any. */
import { decodeProtected, isProtected } from '#host/storage/protected.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import type { VaultId } from '#host/wire/id.ts'

export interface Seated {
  readonly there: readonly VaultId[]
  /** Their owners have not let them go there. */
  readonly missing: readonly VaultId[]
}

/** @throws Refusal `key-missing` for a key file that cannot be read */
export async function seatedFor(
  measurement: Uint8Array,
  {
    names,
    read,
  }: { readonly names: readonly VaultId[]; readonly read: (id: VaultId) => Promise<Uint8Array | undefined> },
): Promise<Seated> {
  const [there, missing]: [VaultId[], VaultId[]] = [[], []]
  for (const id of names) {
    const bytes = await read(id)
    if (!bytes || !isProtected(bytes)) continue
    const isThere = decodeProtected(bytes).seats.some((seat) => equalBytes(seat.measurement, measurement))
    ;(isThere ? there : missing).push(id)
  }
  return { there, missing }
}

/** Every owner has let go: some vault went there, and none is left behind. */
export function isAllThere({ there, missing }: Seated): boolean {
  return there.length > 0 && missing.length === 0
}
