/** Copies: made by the vault that hosts when the terms let the guest take one, kept by the guest's owner. */
import { type CopiedItem, signSandboxCopy } from '#host/contracts/sandbox-copy.ts'
import type { SandboxTerms } from '#host/contracts/sandbox.ts'
import { openSandboxItem, openSandboxName } from '#host/contracts/sandbox-seal.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { entries } from '../read.ts'
import { decodeRecord, type SandboxRecord } from '../records.ts'
import type { Vault } from '../vault.ts'
import { partOf, type Sandbox } from './held.ts'

export function mayCopy({ portability }: SandboxTerms): boolean {
  return portability !== 'none'
}

/** The signed parts of what the guest may take, all or one: nothing of a mutual area that it may not see. */
export function copyParts(
  vault: Vault,
  sandbox: Sandbox,
  { now, only }: { readonly now: number; readonly only?: number },
): readonly Uint8Array[] {
  const { terms, hash, change } = sandbox.record
  const mutual = terms.rights.guest === 'none' ? [] : (['mutual'] as const)
  const areas = terms.portability === 'mutual-and-own' ? [...mutual, 'guest' as const] : mutual
  const items = areas.flatMap((area): CopiedItem[] =>
    entries(partOf(vault, sandbox, area), '').map(([key, value]) => {
      const { name: _name, ...item } = decodeRecord('sandbox-item', value)
      return Object.assign(item, { area, key })
    }),
  )
  return signSandboxCopy({ sandbox: sandbox.id, terms: hash, change, at: now, items }, vault.signing, only)
}

/** An item of a copy as the guest's owner reads it, its key with it. @throws Refusal `unopenable` */
export function openedEntry(sandbox: Sandbox, item: CopiedItem): CopiedItem {
  const { key: secret } = sandbox.record
  if (item.area !== 'guest' || !secret) return item
  const key = openSandboxName(nativeCrypto, secret, sandbox.id, item.key)
  return { ...item, key, value: openedItem(sandbox, { ...item, key }) }
}

/** As the guest's owner reads it: their own side opened with the key that is here. @throws Refusal `unopenable` */
export function openedItem(
  { id, record }: Sandbox & { readonly record: Pick<SandboxRecord, 'key'> },
  item: Pick<CopiedItem, 'key' | 'value' | 'base' | 'grant'>,
): Uint8Array {
  if (item.grant !== 'none' || !record.key) return item.value
  return openSandboxItem(nativeCrypto, record.key, { sandbox: id, key: item.key, base: item.base }, item.value)
}
