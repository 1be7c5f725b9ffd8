/** `trellis owner recovery-file`, `recovery-show`, `recover`, `backup`, `backup-fetch`, `backup-open`. */
import { type BackupCopy, openBackup } from '#client/account/recovery.ts'
import { openRecovery, readRecovery, sealRecovery } from '#client/entries/recovery.ts'
import { entryPage, servedEntry, standing } from '#client/owner-entries.ts'
import { generateKemKey } from '#host/crypto/kem.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { KEM_SEED_BYTES } from '#host/crypto/sizes.ts'
import { parseEntryId, parseUserId } from '#host/entries/ids.ts'
import { backupId } from '#host/entries/device.ts'
import { Refusal } from '#host/errors.ts'
import { check, z } from '#host/schema.ts'
import { knownDirectory, keptHeads, ownStatements } from '#host/vault/account/directory.ts'
import { entryRecords } from '#host/vault/account/held.ts'
import { currentOf } from '#host/vault/account/served.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { openFolder } from '../open.ts'
import { surroundings } from '../surroundings.ts'
import { readSecret, secretLine, writeNew } from '../vault/files.ts'
import type { Typed } from './account.ts'
import { type DeviceCard, makeDevice, openDevice } from './folder.ts'
import { lineOf } from './entries.ts'
import { cardOf, placed, withAccount } from './reach.ts'
import type { Screen } from './screen.ts'

const SALT_BYTES = 16
const COPY_LABEL = 'entries/1 backup copy'
const tools = { crypto: nativeCrypto, hashPassphrase: nativeCrypto.hashPassphrase }
const bytes = z.instanceof(Uint8Array)
const headSchema = z.tuple([z.literal(COPY_LABEL), bytes, z.array(bytes), z.array(bytes)])
const entrySchema = z.tuple([bytes, standing])

/** The device's seeds under a passphrase, with where its vault is: whoever opens it is this device. */
export async function makeRecoveryFile(
  file: string,
  { device, passphraseFile }: { readonly device: string; readonly passphraseFile: string },
  screen: Screen,
): Promise<void> {
  const passphrase = await secretLine(passphraseFile, { comments: false })
  await using folder = await openDevice(device)
  const card = cardOf(folder)
  if (card.user === null) throw new Refusal('command-invalid', `${device}: no account yet: trellis owner sign-up`)
  const account = parseUserId(Uint8Array.fromHex(card.user))
  const header = { account, device: folder.id, server: serverOf(card), madeAt: surroundings.now() }
  const salt = surroundings.random(SALT_BYTES)
  await writeNew(file, await sealRecovery({ ...tools, header, seeds: folder.seeds, passphrase, salt }))
  screen.print(`${file}: keep it where this device is not, and the passphrase elsewhere`)
}

/** What anybody can read of it. */
export async function showRecoveryFile(file: string, screen: Screen): Promise<void> {
  const { account, device, server, madeAt } = readRecovery(await readSecret(file))
  screen.print(`user    ${account.toHex()}`)
  screen.print(`device  ${device.toHex()}`)
  screen.print(`server  ${server}`)
  screen.print(`made    ${new Date(madeAt).toISOString()}`)
}

/** Makes the device of a recovery file anew, in an empty folder. */
export async function recover(
  file: string,
  { device, passphraseFile, ...typed }: Typed & { readonly passphraseFile: string },
  screen: Screen,
): Promise<void> {
  const passphrase = await secretLine(passphraseFile, { comments: false })
  const { header, seeds } = await openRecovery(await readSecret(file), { ...tools, passphrase })
  await makeDevice(device, seeds)
  seeds.signing.fill(0)
  seeds.sealing.fill(0)
  {
    await using folder = await openDevice(device)
    await folder.keepCard(placed(cardOfServer(header.server, header.account.toHex()), typed))
  }
  await withAccount(device, {}, async ({ account }) => {
    const { entries, findings } = await account.list()
    const label = account.directory().devices.get(account.device.toHex())?.label ?? 'a device'
    screen.print(`this is ${label} again: ${entries.length} entries, fingerprint ${await account.fingerprint()}`)
    screen.print('it remembers nothing: compare the fingerprint with another device, if there is one')
    screen.wrong(findings)
  })
}

export function backup(isIn: boolean, { device, ...typed }: Typed, screen: Screen): Promise<void> {
  return withAccount(device, typed, async ({ account }) => {
    await account.setBackup(isIn)
    screen.print(isIn ? 'versions from now on have a share for the operator’s key' : 'versions from now on have none')
  })
}

/** What a vault keeps for the operator's key, sealed: to be carried to where the key is. No host may be running. */
export async function fetchBackup(
  vaultId: string,
  { data, out }: { readonly data: string; readonly out: string },
  screen: Screen,
): Promise<void> {
  await using opened = await openFolder(data, { create: false })
  const vault = await opened.vaults.find(vaultId)
  if (vault === undefined) throw new Refusal('vault-unknown', `${vaultId}: no vault of ${data}: trellis vault list`)
  const directory = knownDirectory(vault, surroundings.now())
  if (directory.backup === null) {
    throw new Refusal('command-invalid', `${vaultId}: its user did not opt in: nothing is kept for the operator’s key`)
  }
  const reader = backupId(nativeCrypto, directory.backup)
  const statements = ownStatements(vault)
  const heads = statements.flatMap((_, seq) => keptHeads(vault, seq) ?? [])
  const lines = [encodeCbor([COPY_LABEL, directory.user, statements, heads])]
  for (const [entry] of entryRecords(vault)) lines.push(encodeCbor([entry, currentOf(vault, entry, reader) ?? {}]))
  await writeNew(out, new TextEncoder().encode(lines.map((line) => `${line.toBase64()}\n`).join('')))
  screen.print(`${lines.length - 1} entries, sealed: trellis owner backup-open opens them where the key is`)
}

/** Opens a copy with the operator's offline key, away from the host: its user imports it into a new account. */
export async function openBackupCopy(
  file: string,
  { key, out }: { readonly key: string; readonly out: string },
  screen: Screen,
): Promise<void> {
  const seed = await readSecret(key)
  if (seed.length !== KEM_SEED_BYTES) throw new Refusal('key-missing', `${key} holds no private backup key`)
  const opener = generateKemKey(seed)
  seed.fill(0)
  const copy = readCopy(new TextDecoder().decode(await readSecret(file)), file)
  const { entries, unshared, findings } = openBackup(copy, { ...surroundings, crypto: nativeCrypto, opener })
  const lines = entries.map(({ outline, content }) => `${lineOf(outline, content)}\n`)
  await writeNew(out, new TextEncoder().encode(lines.join('')))
  screen.print(`${entries.length} entries in the clear in ${out}: trellis owner import takes them`)
  if (unshared > 0) screen.print(`${unshared} have no share for this key: they were written before the opt-in`)
  screen.wrong(findings)
}

/** @throws Refusal `malformed` */
function readCopy(text: string, file: string): BackupCopy {
  const what = `${file}: a copy made by owner backup-fetch`
  try {
    const [first = '', ...rest] = text.split('\n').filter((line) => line !== '')
    const [, user, statements, heads] = check(headSchema, lineBytes(first), 'malformed', what)
    const entries = rest.map((line) => {
      const [id, page] = check(entrySchema, lineBytes(line), 'malformed', what)
      return servedEntry(parseEntryId(id), entryPage(page))
    })
    return { user: parseUserId(user), statements, heads, entries }
  } catch (cause) {
    if (cause instanceof Refusal) throw cause
    throw new Refusal('malformed', `${what}: it is none`, { cause })
  }
}

function lineBytes(line: string): unknown {
  return decodeCbor(Uint8Array.fromBase64(line))
}

/** Where an account is, as a recovery file says it: whose vault, what its key is, and the way to it. */
function serverOf({ vault, name, identity, nats, space }: DeviceCard): string {
  const said = new URLSearchParams({ name, identity })
  if (nats !== undefined) said.set('nats', nats)
  if (space !== undefined) said.set('space', space)
  return `trellis:${vault}?${said.toString()}`
}

/** @throws Refusal `recovery-invalid` */
function cardOfServer(server: string, user: string): DeviceCard {
  const [, vault, query] = /^trellis:([a-z0-9_-]{1,64})\?(.*)$/.exec(server) ?? []
  const said = new URLSearchParams(query)
  const [identity, nats, space] = [said.get('identity') ?? '', said.get('nats'), said.get('space')]
  if (vault === undefined || !/^[0-9a-f]{64}$/.test(identity)) {
    throw new Refusal('recovery-invalid', `recovery file: of another program: its server is ${server}`)
  }
  return {
    vault,
    name: said.get('name') ?? '',
    identity,
    user,
    ...(nats !== null && { nats }),
    ...(space !== null && { space }),
  }
}
