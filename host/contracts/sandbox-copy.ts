/**
 * What the guest takes along when the terms let it: a copy in parts, each signed by the host's vault over its own
 * contents, so that a part says by itself whose word it is: `['vine/1 sandbox copy', payload, signature]`.
 */
import type { SigningKey, Suite } from '#host/crypto/port.ts'
import { CBOR_ITEMS_MAX, MESSAGE_BYTES_MAX } from '#host/limits.ts'
import { bytesOf, check, timestamp, z } from '#host/schema.ts'

import { SANDBOX_COPY_ITEMS_MAX, SANDBOX_PAGE_BYTES } from './limits.ts'
import type { Area, SandboxItem } from './sandbox-deed.ts'
import { itemSize } from './sandbox-rules.ts'
import { openSigned, type SignedKind, signValue } from './signed.ts'

export type CopiedItem = SandboxItem & { readonly area: Area; readonly key: string }

export interface SandboxCopy {
  readonly sandbox: string
  /** 32 bytes: the terms that allow it. */
  readonly terms: Uint8Array
  /** The change it was made after: parts of one copy have one number. */
  readonly change: number
  readonly at: number
  /** Counted from 0. */
  readonly part: number
  readonly parts: number
  readonly items: readonly CopiedItem[]
}

const signedCopy: SignedKind = {
  label: 'vine/1 sandbox copy',
  what: 'sandbox copy',
  code: 'contract-invalid',
  bytesMax: MESSAGE_BYTES_MAX,
  itemsMax: CBOR_ITEMS_MAX,
}

const side = z.enum(['creator', 'guest'])
const copySchema: z.ZodType<SandboxCopy> = z.strictObject({
  sandbox: z.string(),
  terms: bytesOf(32),
  change: z.int().min(0),
  at: timestamp,
  part: z.int().min(0),
  parts: z.int().min(1),
  items: z.array(
    z.strictObject({
      area: z.enum(['creator', 'guest', 'mutual']),
      key: z.string(),
      value: z.instanceof(Uint8Array),
      revision: z.int(),
      base: z.int(),
      author: side,
      at: timestamp,
      grant: z.enum(['none', 'visible', 'writable']),
    }),
  ),
})

/** All parts; a sandbox with nothing in it makes one. */
export function signSandboxCopy(
  copy: Omit<SandboxCopy, 'part' | 'parts'>,
  key: SigningKey,
  only?: number,
): readonly Uint8Array[] {
  const { items, ...about } = copy
  let page: CopiedItem[] = []
  const pages = [page]
  let room = SANDBOX_PAGE_BYTES
  for (const item of items) {
    const size = itemSize(item.key, item.value)
    if (room < size || page.length === SANDBOX_COPY_ITEMS_MAX) {
      page = []
      pages.push(page)
      room = SANDBOX_PAGE_BYTES
    }
    page.push(item)
    room -= size
  }
  return pages.flatMap((held, part) => {
    if (only !== undefined && only !== part) return []
    // Spelled out: an interface has no index signature.
    const listed = held.map((item) => ({ ...item }))
    return [signValue(signedCopy, { ...about, part, parts: pages.length, items: listed }, key)]
  })
}

/**
 * @param hostKey raw composite verify key of the vault that hosted, 1,984 bytes
 * @throws Refusal `contract-invalid`
 */
export function verifySandboxCopy(crypto: Suite, bytes: Uint8Array, hostKey: Uint8Array): SandboxCopy {
  const { value } = openSigned(crypto, signedCopy, { bytes, by: hostKey })
  return check(copySchema, value, 'contract-invalid', signedCopy.what)
}
