/**
 * A device as a folder: its two seeds, who and where it is, and what it remembers, sealed under them. Every file is its
 * owner's alone (0600); one command at a time works on it.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { AccountStore } from '#client/account/state.ts'
import type { DeviceSeeds } from '#client/entries/recovery.ts'
import type { DeviceSecrets } from '#client/entries/state.ts'
import { type ClientStore, forgetfulStore } from '#client/transport.ts'
import { generateKemKey } from '#host/crypto/kem.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import type { SigningKey } from '#host/crypto/port.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { deviceId } from '#host/entries/device.ts'
import { type DeviceId, HASH_BYTES } from '#host/entries/ids.ts'
import type { DeviceKeys } from '#host/entries/model.ts'
import { Refusal } from '#host/errors.ts'
import { check, z } from '#host/schema.ts'
import { fileBlobs } from '#host/storage/file-blobs.ts'
import { takeLock } from '#host/storage/lock.ts'
import { joinBytes } from '#host/wire/bytes.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { surroundings } from '../surroundings.ts'
import { writeNew } from '../vault/files.ts'

const SIGNING_SEED_BYTES = 64
const SEALING_SEED_BYTES = 32
const NONCE_BYTES = 12
const KEY_FILE = 'device.key'
const CARD_FILE = 'device.json'
const MEMORY_FILE = 'memory'
const utf8 = new TextEncoder()

const hex32 = z.string().regex(/^[0-9a-f]{64}$/)
const cardSchema = z.strictObject({
  vault: z.string(),
  /** What the vault calls this device. */
  name: z.string(),
  identity: hex32,
  user: hex32.nullable(),
  nats: z.exactOptional(z.string()),
  space: z.exactOptional(z.string()),
  data: z.exactOptional(z.string()),
  image: z.exactOptional(z.string()),
})
const memorySchema = z.tuple([z.literal(1), z.instanceof(Uint8Array).nullable(), z.instanceof(Uint8Array).nullable()])

/** Whose device it is, and where its vault is reached. */
export type DeviceCard = z.infer<typeof cardSchema>

export interface DeviceFolder extends AsyncDisposable {
  readonly path: string
  readonly id: DeviceId
  readonly keys: DeviceKeys
  readonly seeds: DeviceSeeds
  readonly signing: SigningKey
  readonly secrets: DeviceSecrets
  /** Undefined until it belongs to a vault. */
  readonly card: DeviceCard | undefined
  keepCard(card: DeviceCard): Promise<void>
  readonly account: AccountStore
  /** How far the vault was is kept; sessions are not: each run has its own. */
  readonly client: ClientStore
}

/** Makes a device's keys. @throws Refusal `conflict` when there are some in the folder */
export async function makeDevice(path: string, seeds?: DeviceSeeds): Promise<void> {
  await fileBlobs(path)
  const { signing, sealing } = seeds ?? {
    signing: surroundings.random(SIGNING_SEED_BYTES),
    sealing: surroundings.random(SEALING_SEED_BYTES),
  }
  const bytes = joinBytes([signing, sealing])
  await writeNew(join(path, KEY_FILE), bytes)
  bytes.fill(0)
}

/** @throws Refusal `key-missing` for a folder without keys; `storage-failed` while another command works on it */
export async function openDevice(path: string): Promise<DeviceFolder> {
  const seeds = await readSeeds(join(path, KEY_FILE))
  const lock = await takeLock(join(path, 'device.lock'), process.pid)
  const [signing, kem] = [generateSigningKey(seeds.signing), generateKemKey(seeds.sealing)]
  const keys = { signing: signing.publicKey, sealing: kem.publicKey }
  const id = deviceId(nativeCrypto, keys)
  const blobs = await fileBlobs(path)
  const sealed = sealing(seeds, id)
  const stored = await blobs.read(MEMORY_FILE)
  const memory = stored === undefined ? ([1, null, null] as const) : sealed.open(stored)
  let account: Uint8Array | null = memory[1]
  let anchor: Uint8Array | null = memory[2]
  const cardBytes = await blobs.read(CARD_FILE)
  let card = cardBytes && decodeCard(cardBytes, path)
  let isSaved = true
  async function save(): Promise<void> {
    await blobs.write(MEMORY_FILE, [sealed.seal(encodeCbor([1, account, anchor]))])
    isSaved = true
  }
  return {
    path,
    id,
    keys,
    seeds,
    signing,
    secrets: { signer: signing, opener: kem },
    get card() {
      return card
    },
    async keepCard(given) {
      await blobs.write(CARD_FILE, [utf8.encode(`${JSON.stringify(given, undefined, 2)}\n`)])
      card = given
    },
    account: {
      read: () => Promise.resolve(account ?? undefined),
      async write(bytes) {
        account = bytes
        await save()
      },
    },
    client: anchorStore(anchor, (bytes) => {
      anchor = bytes
      isSaved = false
    }),
    async [Symbol.asyncDispose]() {
      if (!isSaved) await save()
      seeds.signing.fill(0)
      seeds.sealing.fill(0)
      await lock.release()
    },
  }
}

/** Keeps the anchor; the rest, sessions and what was under way, is gone with the run. */
function anchorStore(first: Uint8Array | null, keep: (anchor: Uint8Array) => void): ClientStore {
  const rest = forgetfulStore()
  let anchor = first ?? undefined
  return {
    get: (key) => (isAnchor(key) ? anchor : rest.get(key)),
    under: (prefix) => rest.under(prefix),
    async put(changes) {
      for (const [key, value] of changes) {
        if (!isAnchor(key) || value === null) continue
        anchor = value
        keep(value)
      }
      await rest.put(changes)
    },
  }
}

function isAnchor(key: string): boolean {
  return key.endsWith('/anchor')
}

async function readSeeds(file: string): Promise<DeviceSeeds> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new Refusal('key-missing', `${file} is not there: trellis owner new makes a device`, { cause })
  })
  if (bytes.length !== SIGNING_SEED_BYTES + SEALING_SEED_BYTES) {
    throw new Refusal('key-missing', `${file} holds no device's keys`)
  }
  const seeds = {
    signing: Uint8Array.from(bytes.subarray(0, SIGNING_SEED_BYTES)),
    sealing: Uint8Array.from(bytes.subarray(SIGNING_SEED_BYTES)),
  }
  bytes.fill(0)
  return seeds
}

function decodeCard(bytes: Uint8Array, path: string): DeviceCard {
  const what = join(path, CARD_FILE)
  try {
    return check(cardSchema, JSON.parse(new TextDecoder().decode(bytes)), 'malformed', what)
  } catch (cause) {
    if (cause instanceof Refusal) throw cause
    throw new Refusal('malformed', `${what} is no JSON`, { cause })
  }
}

/** Under a key of the device's own, so that what it remembers cannot be exchanged for another device's. */
function sealing({ sealing }: DeviceSeeds, id: DeviceId) {
  const key = nativeCrypto.derive({ salt: id, input: sealing, info: utf8.encode('owner/1 memory'), length: HASH_BYTES })
  return {
    seal(plaintext: Uint8Array): Uint8Array {
      const nonce = surroundings.random(NONCE_BYTES)
      return joinBytes([nonce, nativeCrypto.seal({ key, nonce, aad: id }, plaintext)])
    },
    /** @throws Refusal `recovery-invalid` for what this device did not write */
    open(sealed: Uint8Array): z.infer<typeof memorySchema> {
      try {
        const nonce = sealed.subarray(0, NONCE_BYTES)
        const bytes = nativeCrypto.open({ key, nonce, aad: id }, sealed.subarray(NONCE_BYTES))
        return check(memorySchema, decodeCbor(bytes), 'recovery-invalid', 'what this device remembers')
      } catch (cause) {
        throw new Refusal('recovery-invalid', `${MEMORY_FILE}: not what this device wrote`, { cause })
      }
    },
  }
}
