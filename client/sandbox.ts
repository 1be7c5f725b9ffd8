/**
 * Shared sandboxes from outside: an owner's device works in those of its vault, and in those that another vault hosts,
 * with the same words; a service works as the guest of a vault.
 */
import { type CopiedItem, verifySandboxCopy } from '#host/contracts/sandbox-copy.ts'
import type { Grant, HistoryEntry, Place, SandboxItem } from '#host/contracts/sandbox-deed.ts'
import { openSandboxItem, openSandboxName, sealSandboxItem, sealSandboxName } from '#host/contracts/sandbox-seal.ts'
import {
  type SandboxClauses,
  type SandboxTerms,
  type Side,
  signSandboxAcceptance,
  verifySandbox,
} from '#host/contracts/sandbox.ts'
import type { SigningKey, Suite } from '#host/crypto/port.ts'
import { Refusal, refusalCodes } from '#host/errors.ts'
import { check, z } from '#host/schema.ts'
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import type { Conversation } from './conversation.ts'

/** How long a request may be on its way. */
const REQUEST_LIFE_MS = 60_000

const side = z.enum(['creator', 'guest'])
const grants = z.enum(['none', 'visible', 'writable'])
const bytes = z.instanceof(Uint8Array)
const about = { revision: z.number(), base: z.number(), author: side, at: z.number(), grant: grants }
const itemSchema: z.ZodType<SandboxItem> = z.object({ ...about, value: bytes })
const readSchema = z.object({ item: itemSchema.nullable() })
const listSchema = z.object({
  items: z.array(z.object({ ...about, key: z.string(), size: z.number() })),
  /** Goes into the following request as `after`. */
  next: z.string().nullable(),
  change: z.number(),
})
const historySchema = z.object({
  history: z.array(
    z.object({
      change: z.number(),
      at: z.number(),
      by: side,
      kind: z.enum(['write', 'remove', 'move-in', 'move-out']),
      key: z.string(),
      value: bytes.nullable(),
      approved: z.boolean(),
    }),
  ) satisfies z.ZodType<HistoryEntry[]>,
  next: z.number().nullable(),
  change: z.number(),
})
const proposalsSchema = z.object({
  proposals: z.array(
    z.object({
      proposal: z.number(),
      by: side,
      at: z.number(),
      kind: z.enum(['write', 'remove', 'move']),
      key: z.string(),
      /** Null where nothing is written, or where it is too large for this page. */
      value: bytes.nullable(),
      size: z.number(),
    }),
  ),
})
const changedSchema = z.object({
  /** The sandbox's number of this change: an item that was written has it as its revision. */
  change: z.number(),
  /** The number under which the other side is asked; null when it is done. */
  proposal: z.number().nullable(),
  refused: z.string().nullable().default(null),
})
const copySchema = z.object({ copy: bytes })
const createdSchema = z.object({ sandbox: z.string() })
const allSchema = z.object({
  sandboxes: z.array(
    z.object({
      sandbox: z.string(),
      connection: z.string(),
      role: side,
      status: z.enum(['offered', 'active', 'ended']),
      signed: bytes,
    }),
  ),
})

export type SandboxChange = z.infer<typeof changedSchema>
export type SandboxPage = z.infer<typeof listSchema>
export type SandboxHistory = z.infer<typeof historySchema>
export type SandboxProposal = z.infer<typeof proposalsSchema>['proposals'][number]
export type SandboxEntry = z.infer<typeof allSchema>['sandboxes'][number]

/** What one item is: where, and the revision that the writer relies on (0: it is not there). */
export interface At {
  readonly place: Place
  readonly key: string
  readonly expected: number
}

/** One side at work. A refusal is thrown with the host's own code: `conflict` says to read again. */
export interface Sandbox {
  read(place: Place, key: string): Promise<SandboxItem | null>
  list(place: Place, range?: { prefix?: string; after?: string; limit?: number }): Promise<SandboxPage>
  write(at: At, value: Uint8Array): Promise<SandboxChange>
  remove(at: At): Promise<SandboxChange>
  /** One item of its own side to the mutual area, or back. */
  move(key: string, to: 'mutual' | 'mine'): Promise<SandboxChange>
  /** What the other side may do with one item of its own side. */
  share(key: string, grant: Grant): Promise<SandboxChange>
  history(after?: number): Promise<SandboxHistory>
  /** The history since a change, and from now on `sandbox.changed` events, for ten minutes. */
  watch(after: number): Promise<SandboxHistory>
  proposals(): Promise<readonly SandboxProposal[]>
  decide(proposal: number, approve: boolean): Promise<SandboxChange>
  /** A part of the signed copy, counted from 0, that the terms let the guest take. */
  export(part?: number): Promise<Uint8Array>
  end(): Promise<void>
}

type Ask = (type: string, body: { readonly [name: string]: Cbor }) => Promise<Cbor>

/** How a guest's own side is kept from the host; a device leaves that to its vault. */
interface Seal {
  seal(value: Uint8Array, key: string, base: number): Uint8Array
  open(item: SandboxItem, key: string): Uint8Array
  /** The name by which the host keeps an item of its side. */
  hide(key: string): string
  show(name: string): string
}

const inVault: Seal = {
  seal: (value) => value,
  open: ({ value }) => value,
  hide: (key) => key,
  show: (name) => name,
}

/** What an owner's device can do with sandboxes. */
export interface OwnerSandboxes {
  /** Offers one on a connection: it begins when the other side accepts. Gives its id. */
  create(connection: string, clauses: SandboxClauses): Promise<string>
  /** Says yes to terms that another vault offered. */
  accept(sandbox: string): Promise<void>
  all(): Promise<readonly SandboxEntry[]>
  /** `as`: the side that this vault has in it. */
  open(sandbox: string, as: Side): Sandbox
  /** The copy that came when it ended, if the terms gave one. */
  copy(sandbox: string): Promise<readonly CopiedItem[]>
  /** One part of it as the host signed it: the guest's own side in it is sealed. */
  signedCopy(sandbox: string, part: number): Promise<Uint8Array>
}

export function ownerSandboxes(conversation: Conversation): OwnerSandboxes {
  const ask = asking(conversation)
  return {
    async create(connection, { rights, ...clauses }) {
      const body = { connection, clauses: { ...clauses, rights: { ...rights } } }
      return check(createdSchema, await ask('sandbox.create', body), 'malformed', 'sandbox').sandbox
    },
    async accept(sandbox) {
      await ask('sandbox.accept', { sandbox })
    },
    async all() {
      return check(allSchema, await ask('sandbox.all', {}), 'malformed', 'sandboxes').sandboxes
    },
    open: (sandbox, as) => sandboxOf(ask, { sandbox, isGuest: as === 'guest', seal: inVault }),
    async copy(sandbox) {
      const items: CopiedItem[] = []
      for (let part = 0, parts = 1; part < parts; part++) {
        const page = check(openedSchema, await ask('sandbox.copy', { sandbox, part }), 'malformed', 'copy')
        items.push(...page.items)
        parts = page.parts
      }
      // They come in the order of their sealed names.
      return items.toSorted(byPlace)
    },
    async signedCopy(sandbox, part) {
      return check(copySchema, await ask('sandbox.copy', { sandbox, part, signed: true }), 'malformed', 'copy').copy
    },
  }
}

const COPY_ORDER: readonly CopiedItem['area'][] = ['mutual', 'creator', 'guest']

function byPlace(a: CopiedItem, b: CopiedItem): number {
  if (a.area !== b.area) return COPY_ORDER.indexOf(a.area) - COPY_ORDER.indexOf(b.area)
  return a.key < b.key ? -1 : Number(a.key > b.key)
}

const openedSchema = z.object({
  parts: z.number(),
  items: z.array(z.object({ ...about, area: z.enum(['creator', 'guest', 'mutual']), key: z.string(), value: bytes })),
})

/** A service's place in a vault's sandbox. */
export interface GuestOptions {
  readonly crypto: Suite
  /** 32 bytes that the service alone keeps: its side is sealed with it. */
  readonly secret: Uint8Array
  readonly random: (length: number) => Uint8Array
}

/** Accepts terms that a vault offered with `sandbox.offered`. @throws Refusal `contract-invalid` */
export async function acceptSandbox(
  conversation: Conversation,
  offer: { readonly terms: Uint8Array; readonly hostKey: Uint8Array },
  by: { readonly crypto: Suite; readonly signing: SigningKey; readonly now: number },
): Promise<SandboxTerms> {
  const signed = verifySandbox(by.crypto, offer.terms, offer.hostKey)
  const acceptance = signSandboxAcceptance(signed, by.signing, by.now)
  await asking(conversation)('sandbox.accept', { sandbox: signed.terms.id, acceptance })
  return signed.terms
}

/** A service at work as the guest of a sandbox that it accepted. */
export function guestSandbox(
  conversation: Conversation,
  sandbox: string,
  { crypto, secret, random }: GuestOptions,
): Sandbox {
  const seal: Seal = {
    seal: (value, key, base) => sealSandboxItem(crypto, secret, { sandbox, key, base }, { value, random }),
    open: ({ value, base, grant }, key) =>
      grant === 'none' ? openSandboxItem(crypto, secret, { sandbox, key, base }, value) : value,
    hide: (key) => sealSandboxName(crypto, secret, sandbox, key),
    show: (name) => openSandboxName(crypto, secret, sandbox, name),
  }
  return sandboxOf(asking(conversation), { sandbox, isGuest: true, seal })
}

/** The items of a copy's parts, each verified. @throws Refusal `contract-invalid` */
export function readCopy(crypto: Suite, parts: readonly Uint8Array[], hostKey: Uint8Array): readonly CopiedItem[] {
  return parts.flatMap((part) => verifySandboxCopy(crypto, part, hostKey).items)
}

function asking(conversation: Conversation): Ask {
  return async (type, body) => {
    const { answer } = await conversation.request(type, encodeCbor(body), { lifeMs: REQUEST_LIFE_MS })
    const reply = await answer
    if (reply.status === 'replied') return decodeCbor(reply.body)
    if (reply.status !== 'refused') return {}
    const code = refusalCodes.find((known) => known === reply.code)
    throw new Refusal(code ?? 'command-invalid', `${type}: ${reply.code}: ${reply.message}`)
  }
}

function sandboxOf(
  ask: Ask,
  { sandbox, isGuest, seal }: { readonly sandbox: string; readonly isGuest: boolean; readonly seal: Seal },
): Sandbox {
  const changed = async (type: string, body: { readonly [name: string]: Cbor }): Promise<SandboxChange> =>
    check(changedSchema, await ask(type, { sandbox, ...body }), 'malformed', type)
  const past = async (type: string, after: number): Promise<SandboxHistory> =>
    check(historySchema, await ask(type, { sandbox, after }), 'malformed', type)
  /** A service seals its names itself, and so it looks through the pages itself. */
  const hides = isGuest && seal !== inVault
  const keyAt = (place: Place, key: string): string => (hides && place === 'mine' ? seal.hide(key) : key)
  async function read(place: Place, key: string): Promise<SandboxItem | null> {
    const body = { sandbox, place, key: keyAt(place, key) }
    const { item } = check(readSchema, await ask('sandbox.read', body), 'malformed', 'item')
    return item && isGuest && place === 'mine' ? { ...item, value: seal.open(item, key) } : item
  }
  /** As it is now: the guest carries the value of what it moves or shares. */
  async function carried(place: Place, key: string): Promise<{ item: SandboxItem | null; expected: number }> {
    const item = await read(place, key)
    return { item, expected: item?.revision ?? 0 }
  }
  return {
    read,
    async list(place, range = {}) {
      const { prefix = '', ...rest } = range
      const isHidden = hides && place === 'mine'
      const body = { sandbox, place, ...rest, prefix: isHidden ? '' : prefix }
      const page = check(listSchema, await ask('sandbox.list', body), 'malformed', 'sandbox.list')
      if (!isHidden) return page
      const items = page.items.map((item) => ({ ...item, key: seal.show(item.key) }))
      return { ...page, items: items.filter(({ key }) => key.startsWith(prefix)) }
    },
    async write({ place, key, expected }, value) {
      if (!isGuest || place !== 'mine') return changed('sandbox.write', { place, key, expected, value })
      const open = expected !== 0 && ((await read(place, key))?.grant ?? 'none') !== 'none'
      const written = open ? value : seal.seal(value, key, expected)
      return changed('sandbox.write', { place, key: keyAt(place, key), expected, value: written, open })
    },
    remove: ({ place, key, expected }) => changed('sandbox.remove', { place, key: keyAt(place, key), expected }),
    async move(key, to) {
      const { item, expected } = await carried(to === 'mutual' ? 'mine' : 'mutual', key)
      if (!isGuest || !item)
        return changed('sandbox.move', { key: keyAt(to === 'mutual' ? 'mine' : 'mutual', key), to, expected })
      const value = to === 'mine' ? seal.seal(item.value, key, 0) : item.value
      const names = to === 'mine' ? { key, name: seal.hide(key) } : { key: seal.hide(key), name: key }
      return changed('sandbox.move', { ...(hides ? names : { key }), to, expected, value })
    },
    async share(key, grant) {
      const { item, expected } = await carried('mine', key)
      if (!isGuest || !item) return changed('sandbox.share', { key: keyAt('mine', key), grant, expected })
      const value = grant === 'none' ? seal.seal(item.value, key, expected) : item.value
      const name = hides && grant !== 'none' ? key : null
      return changed('sandbox.share', { key: keyAt('mine', key), grant, expected, value, name })
    },
    history: (after = 0) => past('sandbox.history', after),
    watch: (after) => past('sandbox.watch', after),
    async proposals() {
      const body = await ask('sandbox.proposals', { sandbox })
      return check(proposalsSchema, body, 'malformed', 'proposals').proposals
    },
    decide: (proposal, approve) => changed('sandbox.decide', { proposal, approve }),
    async export(part = 0) {
      return check(copySchema, await ask('sandbox.export', { sandbox, part }), 'malformed', 'copy').copy
    },
    async end() {
      await changed('sandbox.end', {})
    },
  }
}
