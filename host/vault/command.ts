/** What a command from a device works with, and what it leaves. */
import { Refusal } from '#host/errors.ts'
import type { Pool } from '#host/plugin/pool.ts'
import type { Registry } from '#host/plugin/registry.ts'
import { check, type z } from '#host/schema.ts'
import type { AuditEntry } from '#host/storage/audit-row.ts'
import type { Change, Expectation } from '#host/storage/port.ts'
import type { Cbor } from '#host/wire/cbor.ts'
import { parseConnectionId } from '#host/wire/id.ts'
import type { Answer, Leaving, Outgoing } from './commit.ts'
import type { Opened } from './open.ts'
import type { Connection, Device } from './party.ts'
import type { Vault } from './vault.ts'

/** What a command works with. */
export interface Command {
  readonly vault: Vault
  readonly device: Device
  readonly body: Cbor
  readonly opened: Opened
  readonly registry: Registry
  readonly pool: Pool
  readonly now: number
  readonly random: (length: number) => Uint8Array
}

/** What it leaves, committed in one record with its own answer. */
export interface Done {
  /** For the device; nothing is an empty map. */
  readonly body?: Readonly<Record<string, Cbor>>
  readonly answers?: readonly Answer[]
  readonly outgoing?: readonly Outgoing[]
  readonly numbered?: NonNullable<Leaving['numbered']>
  readonly plain?: NonNullable<Leaving['plain']>
  readonly changes?: readonly Change[]
  readonly expected?: readonly Expectation[]
  readonly rows: readonly AuditEntry[]
  readonly facts?: NonNullable<Leaving['facts']>
  readonly apply?: () => void
}

/** Reads a command's body. */
export function readCommand<T>(schema: z.ZodType<T>, { body, opened }: Command): T {
  return check(schema, body, 'command-invalid', opened.event.type)
}

/** @throws Refusal `command-invalid` */
export function knownConnection(vault: Vault, id: string): Connection {
  const connection = vault.connections.get(parseConnectionId(id))
  if (!connection) throw new Refusal('command-invalid', 'no such connection')
  return connection
}
