/** Admitted → Executed: the handler runs in a cell under this event's grant, and nothing it did has happened yet. */
import { ed25519Signer } from '#host/crypto/signer.ts'
import type { Effects, GrantedKey, GrantedNamespace, OwnerAnswer, Sources } from '#host/plugin/port.ts'
import { grantFor } from '#host/plugin/grant.ts'
import type { Pool } from '#host/plugin/pool.ts'
import { CONNECTION_KEY } from '#host/plugin/manifest.ts'
import type { Registered } from '#host/plugin/registry.ts'
import type { Change } from '#host/storage/port.ts'
import type { Admitted } from './admit.ts'
import type { Connection } from './party.ts'
import { reachable } from './reach.ts'
import { storeCap } from './caps.ts'
import { factorNeeded, type Gate, gateFor, withoutCritical } from './factor.ts'
import type { Vault } from './vault.ts'
import { type HeldCredentials, heldCredentials } from './credentials.ts'
import { readPersonal } from './personal.ts'
import { type Deeds, judged, sharedWith } from './sandbox/handler.ts'

/** What an admitted event would leave. */
export interface Executed {
  readonly admitted: Admitted
  readonly effects: Effects
  /** Of its effects what it did in shared sandboxes, judged by their terms. */
  readonly deeds: Deeds
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
  const { sources, settled } = grantedTo({ ...admitted, now: options.now })
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
  const effects = await settled(running)
  return { admitted, ...judged(opened.vault, effects, { connection, now: options.now }) }
}

/** What one event may touch, and what becomes of it. */
interface Granted {
  readonly sources: Sources
  /** What it left, once it is over. @throws Refusal `second-factor-needed` when it needed what is locked */
  readonly settled: (running: Promise<Effects>) => Promise<Effects>
}

interface Given {
  readonly opened: Pick<Admitted['opened'], 'vault' | 'event'>
  readonly connection: Connection | undefined
  readonly registered: Registered
  readonly fields: readonly { readonly name: string }[]
  readonly now: number
}

/**
 * What stands behind the grant of one event; without a connection it is the owner's own. What is critical is there
 * while the vault is unlocked: a handler that looked for any of it while it was not has done nothing, however it ended.
 *
 * @throws Refusal `second-factor-needed` when a field is critical and the vault is locked
 */
export function grantedTo(given: Given): Granted {
  const { opened, now } = given
  const { factor, store } = opened.vault
  const gate = gateFor(factor, { event: opened.event.id, now })
  const names = given.fields.map(({ name }) => name)
  const fields = readPersonal(opened.vault, names, { kinds: given.registered.manifest.needs.kinds, gate, now })
  const held = heldFor(given, gate)
  const sources = sourcesOf(given, { gate, fields: fields.values, credentials: held.credentials })
  const relied = (effects: Effects): Effects => {
    return { ...effects, expected: [...effects.expected, ...fields.expected(), ...held.expected] }
  }
  if (factor.isWide(now)) return { sources, settled: async (running) => relied(await running) }
  const overwrites = ({ namespace, key }: Change): boolean =>
    store.namespace(namespace).get(key)?.sensitivity === 'critical' && !gate.pass()
  return {
    sources: { ...sources, namespaces: closed(sources.namespaces, gate) },
    async settled(running) {
      const ended = await running.then(
        (effects) => ({ effects }),
        (error: unknown) => ({ error }),
      )
      if (gate.missed || ('effects' in ended && ended.effects.changes.some(overwrites))) throw factorNeeded()
      if ('error' in ended) throw ended.error
      return relied(ended.effects)
    },
  }
}

function closed(namespaces: Sources['namespaces'], gate: Gate): Sources['namespaces'] {
  return new Map(
    [...namespaces].map(([label, granted]): [string, GrantedNamespace] => {
      const isGuarded = (key: string): boolean => granted.namespace.get(key)?.sensitivity === 'critical'
      return [label, { ...granted, namespace: withoutCritical(granted.namespace, gate), isGuarded }]
    }),
  )
}

interface Read {
  readonly gate: Gate
  readonly fields: ReadonlyMap<string, string>
  readonly credentials: HeldCredentials['credentials']
}

function heldFor({ opened, connection, registered, now }: Given, gate: Gate): HeldCredentials {
  const needed = registered.manifest.needs.credentials !== undefined
  return heldCredentials(opened.vault, { connection, needed, now, gate })
}

function sourcesOf({ opened, connection, registered, fields }: Given, read: Read): Sources {
  const { vault } = opened
  const permissions = connection?.contract?.contract.permissions
  return grantFor({
    registered,
    permits: {
      store: connection ? storeCap(connection) : null,
      messages: permissions?.messages ?? false,
      authentication: permissions?.authentication ?? false,
    },
    fields: read.fields,
    connection: connection && vault.store.namespace(`connection/${connection.id}`),
    reaches: (to, type) => reachable(vault, to, type) !== undefined,
    sandboxes: connection && needsSandbox(registered) ? sharedWith(vault, connection) : [],
    handler: vault.store.namespace(`handler/${registered.name}`),
    keys: { get: (alias) => keyFor(alias, { vault, connection, gate: read.gate }) },
    credentials: read.credentials,
    admitted: fields.map(({ name }) => name),
  })
}

function needsSandbox({ manifest }: Registered): boolean {
  const { namespaces } = manifest.needs
  return namespaces['sandbox/mutual'] !== undefined || namespaces['sandbox/own'] !== undefined
}

function keyFor(
  alias: string,
  { vault, connection, gate }: { vault: Vault; connection: Connection | undefined; gate: Gate },
): GrantedKey | undefined {
  if (alias === CONNECTION_KEY) return connection?.authentication && ed25519Signer(connection.authentication)
  const key = vault.keys.get(alias)
  if (!key?.critical) return key?.signer
  const { algorithm, publicKey } = key.signer
  return { algorithm, publicKey, sign: (message) => (gate.pass() ? key.signer.sign(message) : undefined) }
}
