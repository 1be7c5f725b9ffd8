/** Whether a handler must not run: by id with its digest, or by id below a version. A list of a release log. */
import type { Revocation } from './release-entry.ts'

/** A handler as an image has it. */
export interface RevocableHandler {
  readonly id: string
  /** As 1.2.3. */
  readonly version: string
  /** SHA-384 of manifest and component, 48 bytes each. */
  readonly digests: readonly Uint8Array[]
}

/** The revocation that holds for it; the newest where there are several. */
export function revocationOf(
  { id, version, digests }: RevocableHandler,
  revocations: readonly Revocation[],
): Revocation | undefined {
  const hexes = new Set(digests.map((digest) => digest.toHex()))
  return revocations.findLast((revocation) => {
    if (revocation.handler !== id) return false
    if (revocation.digests.length === 0 && revocation.minimum === null) return true
    const isNamed = revocation.digests.some((digest) => hexes.has(digest))
    return isNamed || (revocation.minimum !== null && isBelow(version, revocation.minimum))
  })
}

/** A version that is none is below every other. */
function isBelow(version: string, minimum: string): boolean {
  const [found, least] = [version, minimum].map((text) => text.split('.').map(Number))
  if (found?.length !== 3 || found.some((part) => !Number.isSafeInteger(part))) return true
  const at = found.findIndex((part, index) => part !== least?.[index])
  return at >= 0 && (found[at] ?? 0) < (least?.[at] ?? 0)
}
