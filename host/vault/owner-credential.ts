/** The owner's word on credentials: add, list, remove. */
import { decodeCredential, signedOf } from '#host/crypto/credential.ts'
import { Refusal } from '#host/errors.ts'
import { CREDENTIAL_BYTES_MAX, CREDENTIAL_LABEL_BYTES_MAX, CREDENTIALS_MAX } from '#host/limits.ts'
import { bytesUpTo, z } from '#host/schema.ts'
import { type Command, type Done, readCommand } from './command.ts'
import { credentialChange, storedCredentials } from './credentials.ts'
import { eventRow } from './rows.ts'
import { stopsWithout } from './stops.ts'

const alias = z.string().regex(/^[a-z][a-z0-9-]{0,63}$/)
const added = z.strictObject({
  alias,
  label: z
    .string()
    .min(1)
    .refine((text) => Buffer.byteLength(text) <= CREDENTIAL_LABEL_BYTES_MAX, 'is too long'),
  credential: bytesUpTo(CREDENTIAL_BYTES_MAX),
})
const removed = z.strictObject({ alias })

/** Keeps a credential whose signature holds. One of the same alias is replaced. */
export async function addCredential(command: Command): Promise<Done> {
  const { vault, device, opened, now } = command
  const { alias, label, credential: bytes } = readCommand(added, command)
  const credential = decodeCredential(bytes)
  if (credential.expires !== null && credential.expires <= now) {
    throw new Refusal('command-invalid', 'the credential has expired: ask its issuer for another')
  }
  const others = storedCredentials(vault).filter((stored) => stored.alias !== alias)
  if (others.length >= CREDENTIALS_MAX) {
    throw new Refusal('command-invalid', `there are ${CREDENTIALS_MAX} credentials already: remove one`)
  }
  if (!(await vault.prover.verify(signedOf(credential)))) {
    throw new Refusal('command-invalid', 'the credential was not signed by its issuer’s key: ask for another')
  }
  return {
    changes: [credentialChange(alias, { label, credential: bytes, addedAt: now })],
    rows: [eventRow(device, opened.event, { at: now, result: 'changed', fields: credential.names.slice() })],
  }
}

/** What there is, expired ones included; never a value. */
export function listCredentials({ vault, device, opened, now }: Command): Done {
  const credentials = storedCredentials(vault).map(({ record, metadata, critical }) => {
    const { alias, label, kind, issuer, claims, expires } = metadata
    return { alias, label, kind, issuer, claims, expires, addedAt: record.addedAt, critical }
  })
  return { body: { credentials }, rows: [eventRow(device, opened.event, { at: now, result: 'replied' })] }
}

/** Says what stops working. @throws Refusal `command-invalid` when there is none of that alias */
export function removeCredential(command: Command): Done {
  const { vault, device, opened, now } = command
  const { alias } = readCommand(removed, command)
  if (!storedCredentials(vault).some((stored) => stored.alias === alias)) {
    throw new Refusal('command-invalid', 'no such credential')
  }
  return {
    body: { stops: stopsWithout(command, { namespace: 'personal', key: `credential/${alias}` }) },
    changes: [credentialChange(alias, null)],
    rows: [eventRow(device, opened.event, { at: now, result: 'changed' })],
  }
}
