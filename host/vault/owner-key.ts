/** The owner's keys for handlers to sign with: made in the vault, never brought in or handed out. */
import { keyAlgorithms } from '#host/crypto/key-algorithm.ts'
import { Refusal } from '#host/errors.ts'
import { OWNER_KEYS_MAX } from '#host/limits.ts'
import { CONNECTION_KEY, keyAlias } from '#host/plugin/manifest.ts'
import { z } from '#host/schema.ts'
import type { Cbor } from '#host/wire/cbor.ts'
import { readCommand, type Command, type Done } from './command.ts'
import { eventRow } from './rows.ts'
import { newSigningKey, protectedKey, type SigningKeyEntry } from './signing-keys.ts'

const create = z.strictObject({ alias: keyAlias, algorithm: z.enum(keyAlgorithms) })
const named = z.strictObject({ alias: z.string() })
const list = z.strictObject({})

/** A fresh key under a name that handlers may need. @throws Refusal `command-invalid` when the name is taken */
export function createKey(command: Command): Done {
  const { vault, device, opened, now, random } = command
  const { alias, algorithm } = readCommand(create, command)
  // Each connection has a key of that name; `identity` is among the vault's.
  if (alias === CONNECTION_KEY || vault.keys.has(alias)) {
    throw new Refusal('command-invalid', `there is a key ${alias}: choose another name`)
  }
  if (vault.keys.size >= OWNER_KEYS_MAX)
    throw new Refusal('command-invalid', `a vault has ${OWNER_KEYS_MAX} keys at most`)
  const { entry, change } = newSigningKey({ alias, algorithm, now, random })
  return {
    body: shown(alias, entry),
    apply: () => vault.keys.set(alias, entry),
    changes: [change],
    rows: [eventRow(device, opened.event, { at: now, result: 'changed', reason: alias })],
  }
}

/** What is public of every key, in the order of their names. */
export function listKeys(command: Command): Done {
  const { vault, device, opened, now } = command
  readCommand(list, command)
  const keys = [...vault.keys].toSorted(([left], [right]) => (left < right ? -1 : 1))
  return {
    body: { keys: keys.map(([alias, entry]) => shown(alias, entry)) },
    rows: [eventRow(device, opened.event, { at: now, result: 'replied' })],
  }
}

/** From now on a signature needs the PIN. Nothing takes that back. @throws Refusal `command-invalid` */
export function protectKey(command: Command): Done {
  const { vault, device, opened, now } = command
  const { alias } = readCommand(named, command)
  const entry = vault.keys.get(alias)
  const change = protectedKey(vault.system, alias)
  if (!entry || !change) throw new Refusal('command-invalid', `no key ${alias}: list them first`)
  if (!vault.factor.record()) throw new Refusal('command-invalid', 'set a second factor first: factor.set')
  return {
    apply: () => vault.keys.set(alias, { ...entry, critical: true }),
    changes: [change],
    rows: [eventRow(device, opened.event, { at: now, result: 'changed', reason: alias })],
  }
}

function shown(alias: string, { signer, createdAt, critical }: SigningKeyEntry): Readonly<Record<string, Cbor>> {
  return { alias, algorithm: signer.algorithm, publicKey: signer.publicKey, createdAt, critical }
}
