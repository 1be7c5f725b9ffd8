/**
 * Accounts, devices and entries as an owner's device asks its vault for them: bytes as they were signed and sealed, in
 * types. What they are worth is judged by `client/entries`.
 */
import { type DeviceId, type EntryId, type Hash, parseDeviceId, parseHash, parseUserId } from '#host/entries/ids.ts'
import type { Channel, DirectoryHead, ServedEntry, ServedVersion, Share, VersionWrite } from '#host/entries/model.ts'
import { decodeShareRow, decodeVersionRow, SHARE_ROW_BYTES } from '#host/entries/row.ts'
import { bytesOf, check, z } from '#host/schema.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import type { Cbor } from '#host/wire/cbor.ts'

const bytes = z.instanceof(Uint8Array)
const hash = bytesOf(32).transform(parseHash)
const device = bytesOf(32).transform(parseDeviceId)
const user = bytesOf(32).transform(parseUserId)
const epoch = z.int().min(1)

const place = z.object({ seq: z.int(), hash })
const signedUp = z.object({ user, device })
const challengeAnswer = z.object({ challenge: bytes, until: z.number(), audience: z.string() })
const tokenAnswer = z.object({ token: z.string(), expires: z.number() })
const sessionAnswer = z.object({ user, device, expires: z.number(), audience: z.string() })
const endAnswer = z.object({ removed: z.int(), left: z.int(), remains: z.array(z.string()) })
const directoryPage = z.object({
  user,
  seq: z.int(),
  hash,
  statements: z.array(bytes),
  next: z.int().nullable(),
  vault: z.object({ signing: bytes, sealing: bytes }),
  instance: z.object({ signUps: z.enum(['open', 'closed']), backupKey: bytes.nullable() }),
})
const headsPage = z.object({ heads: bytes, next: bytes.nullable() })
const headsAnswer = z.object({ heads: bytes })
const listed = z.object({
  devices: z.array(
    z.object({
      id: device,
      label: z.string(),
      role: z.enum(['device', 'vault']),
      parent: device.nullable(),
      status: z.enum(['active', 'revoked', 'expired']),
      /** Milliseconds since the epoch. */
      addedAt: z.number(),
      expires: z.number().nullable(),
      isRoot: z.boolean(),
      /** When the vault last answered it; null when it never spoke with it. */
      lastSeen: z.number().nullable(),
    }),
  ),
})
const channelRow = z.tuple([device, device, epoch, bytes])
/** `[entry, seq, row, content, share]`. */
const versionRow = z
  .tuple([bytesOf(16), z.int(), bytes, bytes.nullable(), bytesOf(SHARE_ROW_BYTES).nullable()])
  .transform(([entry, seq, row, content, share]) => ({ entry, seq, ...decodeVersionRow(row), content, share }))
export const versionsPage = z.object({ versions: z.array(versionRow), channels: z.array(channelRow) })
export const standing = versionsPage.extend({ seq: z.int(), first: z.int(), prune: bytes.nullable() })
const listPage = versionsPage.extend({ next: bytes.nullable() })
const historyPage = standing.extend({ next: z.int().nullable() })
const prunedAnswer = z.object({ seq: z.int(), first: z.int() })
const backlogPage = versionsPage.extend({
  next: z.object({ entry: bytes, seq: z.int() }).nullable(),
  total: z.int(),
})
const userList = z.object({ users: z.array(z.object({ user, connection: z.string() })) })
const filled = z.object({ added: z.int() })
const remains = z.exactOptional(z.array(z.string()))
const outcome = z.union([
  z.object({ conflict: z.null(), seq: z.int(), hash, remains }),
  z.object({ conflict: standing, remains }),
])

export type ListedDevice = z.infer<typeof listed>['devices'][number]
export type DirectoryPage = z.infer<typeof directoryPage>

/** A version served, with where it is. */
export interface PlacedVersion extends ServedVersion {
  readonly entry: Uint8Array
  readonly seq: number
}
export interface EntryStand {
  /** Of the latest version, and of the earliest that is kept. */
  readonly seq: number
  readonly first: number
  /** Why the first ones are gone. */
  readonly prune: Uint8Array | null
}
export interface EntryPage extends EntryStand {
  readonly versions: readonly PlacedVersion[]
}

/** A write was taken, or another device was first: then `conflict` is the version that is current. */
export type WriteOutcome =
  | { readonly conflict: null; readonly seq: number; readonly hash: Hash }
  | { readonly conflict: EntryPage }

export interface BacklogPlace {
  readonly entry: Uint8Array
  readonly seq: number
}

export interface OwnerEntries {
  /** The root's statement: makes the account. */
  signUp(statement: Uint8Array): Promise<z.infer<typeof signedUp>>
  challenge(): Promise<z.infer<typeof challengeAnswer>>
  /** `signature` is over `sessionMessage`. */
  token(answer: {
    challenge: Uint8Array
    signature: Uint8Array
    audience?: string
  }): Promise<{ token: string; expires: number }>
  /** Whose a token is, if it is good. */
  session(token: string, audience?: string): Promise<z.infer<typeof sessionAnswer>>
  /** One step of the account's end: again until `left` is 0. Then `remains` says what is where all the same. */
  deleteAccount(confirm: { token: string; user: Uint8Array }): Promise<z.infer<typeof endAnswer>>
  optIn(statement: Uint8Array): Promise<DirectoryHead>
  optOut(statement: Uint8Array): Promise<DirectoryHead>
  /** Statements after one, oldest first; -1 for all. */
  directory(after?: number): Promise<DirectoryPage>
  /** Where every entry stood at a revocation: `encodeHeads`. */
  revocationHeads(revocation: number): Promise<Uint8Array>
  /** Where every entry stands: a page of `encodeHeads`. */
  heads(after?: Uint8Array): Promise<z.infer<typeof headsPage>>
  attach(statement: Uint8Array): Promise<DirectoryHead>
  devices(): Promise<readonly ListedDevice[]>
  rename(statement: Uint8Array): Promise<DirectoryHead>
  /** `urgent`: a lost device, whatever it signed or vouches for. */
  revoke(statement: Uint8Array, urgent?: boolean): Promise<DirectoryHead>
  removeDevice(device: DeviceId): Promise<void>
  /** Versions that a device has no share of, and this one has: with this device's shares. */
  backlog(
    device: DeviceId,
    after?: BacklogPlace,
  ): Promise<{
    readonly versions: readonly PlacedVersion[]
    readonly next: BacklogPlace | null
    readonly total: number
  }>
  /** Shares of versions that are there already. Those that exist stay as they are. */
  backfill(shares: readonly (BacklogPlace & { readonly share: Share })[], channels: readonly Channel[]): Promise<number>
  create(write: VersionWrite): Promise<WriteOutcome>
  update(write: VersionWrite): Promise<WriteOutcome>
  restore(write: VersionWrite): Promise<WriteOutcome>
  /** A tombstone. */
  deleteEntry(write: VersionWrite): Promise<WriteOutcome>
  /** A version with its content; the latest if none is named. */
  get(entry: EntryId, seq?: number): Promise<EntryPage>
  /** Outlines, a page at a time: `next` goes into the following request. */
  list(after?: Uint8Array): Promise<{ readonly versions: readonly PlacedVersion[]; readonly next: Uint8Array | null }>
  history(entry: EntryId, after?: number): Promise<EntryPage & { readonly next: number | null }>
  /** Another user's devices, and over which connection they are served. */
  learn(user: { connection: string; user: Uint8Array; statements: readonly Uint8Array[] }): Promise<DirectoryHead>
  /** The users that were learnt, and over which connection each is served. */
  users(): Promise<z.infer<typeof userList>['users']>
  /** A version for a user more. */
  share(write: VersionWrite): Promise<WriteOutcome>
  /** A version for a user less; `remains` says what cannot be taken back. */
  unshare(write: VersionWrite): Promise<WriteOutcome & { readonly remains: readonly string[] }>
  prune(prune: Uint8Array): Promise<{ readonly seq: number; readonly first: number }>
}

export type Send = (type: string, body: Cbor) => Promise<Cbor>

export function ownerEntries(command: Send): OwnerEntries {
  const read = async <T>(schema: z.ZodType<T>, type: string, body: Cbor): Promise<T> =>
    check(schema, await command(type, body), 'malformed', `the answer to ${type}`)
  const stated = (type: string, statement: Uint8Array, more = {}) => read(place, type, { statement, ...more })
  const write = async (type: string, given: VersionWrite) =>
    outcomeOf(await read(outcome, type, { write: writeCbor(given) }))
  return {
    signUp: (statement) => read(signedUp, 'account.sign-up', { statement }),
    challenge: () => read(challengeAnswer, 'account.challenge', {}),
    token: (answer) => read(tokenAnswer, 'account.token', { ...answer }),
    session: (token, audience) => read(sessionAnswer, 'account.session', { token, ...(audience && { audience }) }),
    deleteAccount: (confirm) => read(endAnswer, 'account.delete', { ...confirm }),
    optIn: (statement) => stated('backup.opt-in', statement),
    optOut: (statement) => stated('backup.opt-out', statement),
    directory: (after = -1) => read(directoryPage, 'directory.get', { after }),
    revocationHeads: async (revocation) => (await read(headsAnswer, 'directory.heads', { revocation })).heads,
    heads: (after) => read(headsPage, 'entry.heads', after ? { after } : {}),
    attach: (statement) => stated('device.attach', statement),
    devices: async () => (await read(listed, 'device.list', {})).devices,
    rename: (statement) => stated('device.rename', statement),
    revoke: (statement, urgent = false) => stated('device.revoke', statement, { urgent }),
    removeDevice: async (id) => void (await command('device.remove', { device: id })),
    async backlog(id, after) {
      const body = { device: id, ...(after && { after: { ...after } }) }
      const page = await read(backlogPage, 'device.backlog', body)
      return { versions: servedVersions(page), next: page.next, total: page.total }
    },
    async backfill(shares, channels) {
      const rows = shares.map(({ entry, seq, share }): Cbor => [entry, seq, shareCbor(share)])
      const body = { shares: rows, channels: channels.map(channelCbor) }
      return (await read(filled, 'device.backfill', body)).added
    },
    create: (given) => write('entry.create', given),
    update: (given) => write('entry.update', given),
    restore: (given) => write('entry.restore', given),
    deleteEntry: (given) => write('entry.delete', given),
    async get(entry, seq) {
      return entryPage(await read(standing, 'entry.get', { entry, ...(seq !== undefined && { seq }) }))
    },
    async list(after) {
      const page = await read(listPage, 'entry.list', after ? { after } : {})
      return { versions: servedVersions(page), next: page.next }
    },
    async history(entry, after = 0) {
      const page = await read(historyPage, 'entry.history', { entry, after })
      return { ...entryPage(page), next: page.next }
    },
    learn: (given) => read(place, 'user.learn', { ...given }),
    users: async () => (await read(userList, 'user.list', {})).users,
    share: (given) => write('entry.share', given),
    async unshare(given) {
      const found = await read(outcome, 'entry.unshare', { write: writeCbor(given) })
      return { ...outcomeOf(found), remains: found.remains ?? [] }
    },
    prune: (prune) => read(prunedAnswer, 'entry.prune', { prune }),
  }
}

function outcomeOf(found: z.infer<typeof outcome>): WriteOutcome {
  if (found.conflict) return { conflict: entryPage(found.conflict) }
  const { conflict, seq, hash } = found
  return { conflict, seq, hash }
}

export function entryPage(page: z.infer<typeof standing>): EntryPage {
  const { seq, first, prune } = page
  return { seq, first, prune, versions: servedVersions(page) }
}

/** What a page holds of one entry, as a book judges it: the permission to forget belongs to the first one kept. */
export function servedEntry(entry: EntryId, { versions, first, prune }: EntryPage): ServedEntry {
  return { entry, versions, prune: versions[0]?.seq === first ? prune : null }
}

/** Each with its share's channel, which the page has once. */
export function servedVersions({ versions, channels }: z.infer<typeof versionsPage>): PlacedVersion[] {
  const known = channels.map(([sharer, recipient, epoch, ciphertext]): Channel => {
    return { sharer, recipient, epoch, ciphertext }
  })
  return versions.map(({ share: row, recipients, ...version }) => {
    const channel = row && known.find((one) => isOf(decodeShareRow(row, one.recipient), one))
    const share = row && channel ? decodeShareRow(row, channel.recipient) : null
    return { ...version, recipients: idsOf(recipients), share, channel: channel ?? null }
  })
}

function isOf(share: Share, { sharer, epoch }: Channel): boolean {
  return share.epoch === epoch && equalBytes(share.sharer, sharer)
}

function idsOf(row: Uint8Array): DeviceId[] {
  const ids: DeviceId[] = []
  for (let at = 0; at < row.length; at += 32) ids.push(parseDeviceId(row.slice(at, at + 32)))
  return ids
}

function writeCbor({ channels, shares, ...rest }: VersionWrite): Cbor {
  return { ...rest, channels: channels.map(channelCbor), shares: shares.map(shareCbor) }
}

function channelCbor({ sharer, recipient, epoch, ciphertext }: Channel): Cbor {
  return [sharer, recipient, epoch, ciphertext]
}

function shareCbor({ sharer, recipient, epoch, sealed }: Share): Cbor {
  return [sharer, recipient, epoch, sealed]
}
