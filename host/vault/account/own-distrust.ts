/** Versions that are not served: the owner is told of each once, and the trail has a row. */
import type { AuditEntry } from '#host/storage/audit-row.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { type EventType, parseEventType } from '#host/wire/id.ts'
import type { Device } from '../party.ts'
import { row } from '../rows.ts'
import type { Vault } from '../vault.ts'
import { OWN_TOLD_MAX } from './limits.ts'
import type { Distrusted } from './own.ts'

const TYPE = 'entry.distrusted'

/** Kept for the next commit. */
export function distrust(vault: Vault, distrusted: Distrusted): void {
  const { told, untold } = vault.account.own
  const { entry, seq, code } = distrusted
  const name = `${entry.toHex()} ${seq} ${code}`
  if (told.has(name)) return
  if (told.size >= OWN_TOLD_MAX) told.clear()
  told.add(name)
  untold.push(distrusted)
}

/** What a commit leaves besides its own. `taken` is called once nothing refuses any more. */
export function distrusted(vault: Vault, now: number) {
  const { untold } = vault.account.own
  const found = untold.slice()
  const rows = found.map(({ entry, code }): AuditEntry => {
    return row({ at: now, who: 'vault', eventType: TYPE, fields: [entry.toHex()], result: 'refused', reason: code })
  })
  const devices = found.length === 0 ? [] : [...vault.devices.values()].filter(isTold)
  const outgoing = found.flatMap((one) => {
    const body = encodeCbor({ ...one })
    return devices.map((to) => ({ to, type: noticeType(), body, causation: null }))
  })
  return { rows, outgoing, taken: () => void untold.splice(0, found.length) }
}

function noticeType(): EventType {
  return parseEventType(TYPE)
}

function isTold({ record, session }: Device): boolean {
  return record.status === 'active' && session !== undefined
}
