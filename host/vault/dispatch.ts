/** Admitted → Executed: the handler runs in a cell under this event's grant, and nothing it did has happened yet. */
import { ed25519Signer, type Signer } from '#host/crypto/signer.ts'
import type { Effects, GrantedNamespace, OwnerAnswer, Sources } from '#host/plugin/port.ts'
import { grantFor } from '#host/plugin/grant.ts'
import type { Pool } from '#host/plugin/pool.ts'
import { CONNECTION_KEY } from '#host/plugin/manifest.ts'
import type { Registered } from '#host/plugin/registry.ts'
import type { Admitted } from './admit.ts'
import type { Connection } from './party.ts'
import { reachable } from './reach.ts'
import { storeCap } from './caps.ts'
import { factorNeeded, withoutCritical } from './factor.ts'
import type { Vault } from './vault.ts'
import { heldCredentials } from './credentials.ts'

/** What an admitted event would leave. */
export interface Executed {
  readonly admitted: Admitted
  readonly effects: Effects
}

/**
 * `answer` is what the owner said to a question of this handler about this very event.
 *
 * @throws Refusal when the handler refused, trapped or overran: its writes are gone
 */
export async function dispatch(
  admitted: Admitted,
  options: { pool: Pool; now: number; answer?: OwnerAnswer },
): Promise<Executed> {
  const { opened, connection, registered, body, approved } = admitted
  const { event } = opened
  const { sources, settled } = underFactor(opened.vault, sourcesOf({ ...admitted, now: options.now }), options.now)
  const running = options.pool.run({
    registered,
    tenant: opened.vault.id,
    sources,
    context: {
      connection: connection.record.alias,
      kind: connection.record.kind,
      contractVersion: event.contractVersion,
      eventId: event.id,
      eventType: event.type,
      approved,
      connectionId: connection.id,
    },
    body,
    answer: options.answer,
    now: options.now,
  })
  return { admitted, effects: await settled(running) }
}

/**
 * Sources without what is critical, unless the vault is unlocked. A handler that looked for any of it has done nothing,
 * however it ended.
 */
export function underFactor(
  { factor }: Vault,
  sources: Sources,
  now: number,
): { readonly sources: Sources; readonly settled: (running: Promise<Effects>) => Promise<Effects> } {
  if (factor.isOpen(now)) return { sources, settled: (running) => running }
  let missed = false
  const closed = (granted: GrantedNamespace): GrantedNamespace => {
    const namespace = withoutCritical(granted.namespace, () => void (missed = true))
    return Object.assign({}, granted, { namespace })
  }
  const namespaces = new Map([...sources.namespaces].map(([label, granted]) => [label, closed(granted)]))
  return {
    sources: { ...sources, namespaces },
    async settled(running) {
      const ended = await running.then(
        (effects) => ({ effects }),
        (error: unknown) => ({ error }),
      )
      if (missed) throw factorNeeded()
      if ('error' in ended) throw ended.error
      return ended.effects
    },
  }
}

/**
 * What stands behind the grant of one event; without a connection it is the owner's own.
 *
 * @throws Refusal `second-factor-needed` when a field is critical and the vault is locked
 */
export function sourcesOf(event: {
  readonly opened: Pick<Admitted['opened'], 'vault'>
  readonly connection: Connection | undefined
  readonly registered: Registered
  readonly fields: readonly { readonly name: string }[]
  readonly now: number
}): Sources {
  const { opened, connection, registered, fields, now } = event
  const { vault } = opened
  const personal = vault.store.namespace('personal')
  const text = new TextDecoder()
  const values = new Map<string, string>()
  let needsFactor = false
  for (const { name } of fields) {
    const item = personal.get(`field/${name}`)
    if (item) values.set(name, text.decode(item.value))
    needsFactor ||= item?.sensitivity === 'critical'
  }
  if (needsFactor && !vault.factor.use(now)) throw factorNeeded()
  const permissions = connection?.contract?.contract.permissions
  return grantFor({
    registered,
    permits: {
      store: connection ? storeCap(connection) : null,
      messages: permissions?.messages ?? false,
      authentication: permissions?.authentication ?? false,
    },
    fields: values,
    connection: connection && vault.store.namespace(`connection/${connection.id}`),
    reaches: (to, type) => reachable(vault, to, type) !== undefined,
    handler: vault.store.namespace(`handler/${registered.name}`),
    keys: { get: (alias) => signerFor(alias, { vault, connection }) },
    credentials: heldCredentials(vault, {
      connection,
      needed: registered.manifest.needs.credentials !== undefined,
      now,
    }),
    admitted: fields.map(({ name }) => name),
  })
}

function signerFor(
  alias: string,
  { vault, connection }: { vault: Vault; connection: Connection | undefined },
): Signer | undefined {
  if (alias !== CONNECTION_KEY) return vault.keys.get(alias)?.signer
  return connection?.authentication && ed25519Signer(connection.authentication)
}
