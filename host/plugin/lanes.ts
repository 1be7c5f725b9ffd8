/** Events that wait for a cell, a line per tenant, taken in turns: who sends much waits behind their own. */
import { Refusal } from '#host/errors.ts'
import { POOL_QUEUE_MAX } from '#host/limits.ts'
import { POOL_TENANT_QUEUE_MAX } from '#host/plugin/limits.ts'

export interface Lanes<Item> {
  readonly length: number
  /** @throws Refusal `busy` when all lines together, or the tenant's own, are full */
  add(tenant: string, item: Item): void
  /** Back to the front, of its own line and of all: it was taken, and went nowhere. */
  putBack(tenant: string, item: Item): void
  /** The first of the next tenant in turn that may go now. */
  take(mayGo: (tenant: string, item: Item) => boolean): Item | undefined
  /** Empties all lines. */
  clear(): readonly Item[]
}

export function openLanes<Item>(): Lanes<Item> {
  /** Tenants in turn: whoever was served goes to the end. No line is empty. */
  const lines = new Map<string, Item[]>()
  let length = 0
  return {
    get length() {
      return length
    },
    add(tenant, item) {
      const line = lines.get(tenant) ?? []
      const isTheirs = line.length >= POOL_TENANT_QUEUE_MAX
      if (isTheirs || length >= POOL_QUEUE_MAX) {
        const whose = isTheirs ? `${line.length} events of this vault` : `${length} events`
        throw new Refusal('busy', `${whose} wait already: send the event again later`)
      }
      line.push(item)
      lines.set(tenant, line)
      length += 1
    },
    putBack(tenant, item) {
      const rest = [...lines].filter(([other]) => other !== tenant)
      const line = [item, ...(lines.get(tenant) ?? [])]
      lines.clear()
      for (const [name, items] of [[tenant, line] as const, ...rest]) lines.set(name, items)
      length += 1
    },
    take(mayGo) {
      for (const [tenant, line] of lines) {
        const [item] = line
        if (item === undefined || !mayGo(tenant, item)) continue
        line.shift()
        lines.delete(tenant)
        if (line.length > 0) lines.set(tenant, line)
        length -= 1
        return item
      }
      return undefined
    },
    clear() {
      const items = [...lines.values()].flat()
      lines.clear()
      length = 0
      return items
    },
  }
}
