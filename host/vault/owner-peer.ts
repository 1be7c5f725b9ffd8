/** The owner connects their vault to another one. */
import { sharingSchema, signSharing } from '#host/contracts/sharing.ts'
import { Refusal } from '#host/errors.ts'
import { ALIAS_CHARS_MAX, SERVICE_NAME_CHARS_MAX } from '#host/limits.ts'
import { bytesOf, z } from '#host/schema.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { generateEd25519 } from '#host/crypto/ed25519.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { ED25519_BYTES } from '#host/crypto/sizes.ts'
import { parseConnectionId, parseVaultId } from '#host/wire/id.ts'
import { readCommand, type Command, type Done } from './command.ts'
import { newConnection } from './connection.ts'
import type { Connection } from './party.ts'
import { CONFIRM } from './peer-event.ts'
import { connectionChange } from './records.ts'
import { eventRow } from './rows.ts'

const dial = z.strictObject({
  alias: z.string().min(1).max(ALIAS_CHARS_MAX),
  invitation: z.strictObject({
    vault: z.string(),
    connection: z.string(),
    identity: bytesOf(32),
    sharing: sharingSchema,
  }),
  /** What the other owner reads who asks. */
  name: z.string().min(1).max(SERVICE_NAME_CHARS_MAX),
  /** What this owner shares in turn. */
  sharing: sharingSchema,
})

/** Notes that the vault is to connect: the hello leaves as soon as the other vault has told its profile. */
export function connectPeer(command: Command): Done {
  const { vault, device, opened, now, random } = command
  const { alias, invitation, name, sharing } = readCommand(dial, command)
  const place = { vault: parseVaultId(invitation.vault), connection: parseConnectionId(invitation.connection) }
  const contract = signSharing(nativeCrypto, invitation.sharing, { name, vault: vault.id, signing: vault.signing, now })
  const asks = { sharing: invitation.sharing, contract, version: 1, accepted: false }
  const peer = { name, sharing, place, asks, identity: invitation.identity, since: now }
  const connection = newConnection(vault, { alias, kind: 'peer', status: 'dialing', peer }, { now, random })
  return {
    body: { connection: connection.id },
    apply: () => vault.connections.set(connection.id, connection),
    changes: [connectionChange(connection.id, connection.record)],
    rows: [eventRow(device, opened.event, { at: now, result: 'changed', connection: connection.id })],
  }
}

/** The second owner's yes: this vault's side of the connection gets its key, and the other vault is told. */
export function confirm(
  { random }: Command,
  connection: Connection,
  decision: { readonly version: number; readonly declined: readonly string[] },
): Partial<Done> {
  if (!connection.session) throw new Refusal('command-invalid', 'the handshake is not finished')
  const seed = random(ED25519_BYTES)
  const authentication = generateEd25519(seed)
  const body = encodeCbor({ ...decision, authentication: authentication.publicKey })
  return {
    apply: () => Object.assign(connection, { authentication }),
    changes: [{ namespace: 'system', key: `key/${connection.id}`, value: seed, sensitivity: 'critical' }],
    outgoing: [{ to: connection, type: CONFIRM, body, causation: null }],
  }
}
