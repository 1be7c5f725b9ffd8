/**
 * One vault's journal: commits to sealed frames and back, in one chain.
 *
 * A frame holds the commits that become durable together: all of them or none. Commits are numbered through, and a
 * frame is named by its first. Its body is `[commits, keyring, groups]`. A group is what these commits write to one
 * namespace, sealed under that namespace's key; the body is sealed under the journal key with header | previous chain
 * value as associated data; the chain value is SHA-256(previous | frame), 32 zero bytes before the first. Every open
 * draws a random segment id, from which all sealing keys derive: after a torn tail, a rollback or a fork the same
 * sequence number meets another key, so that no (key, nonce) pair comes twice.
 */
import type { KeyObject } from 'node:crypto'

import { openAead, sealAead, sealAeadParts } from '#host/crypto/aead.ts'
import { digest } from '#host/crypto/kdf.ts'
import { Refusal } from '#host/errors.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { lazily } from '#host/wire/lazily.ts'
import { decodeHeader, encodeHeader, HEADER_BYTES, SEAL_BYTES } from './frame.ts'
import { deriveKey, KEY_BYTES, keyIdOf, SEGMENT_BYTES, wrapKey } from './keys.ts'
import { packWriter } from './pack-writer.ts'
import type { NamespaceName, Receipt } from './port.ts'
import { decodeBody, decodeWrites, encodeBody, encodeWrites, type SealedPart, type TimedWrites } from './writes.ts'

/** What one frame says, readable. */
export interface Batch {
  /** How many commits these are; one may write nothing. */
  readonly commits: number
  /** In the order they apply; those of different namespaces do not meet. */
  readonly stretches: readonly Stretch[]
  /** The state format from here on, where it changes. */
  readonly format?: number | undefined
}

/** What one commit writes to one namespace. */
export interface Stretch extends TimedWrites {
  readonly namespace: NamespaceName
}

/** A frame, and the head after it. */
export interface SealedFrame {
  readonly parts: readonly Uint8Array[]
  /** Hashes the frame when it is first asked for: that may be while the frame is on its way to the disk. */
  readonly head: () => Receipt
}

export interface JournalOptions {
  readonly vault: string
  readonly tag: Uint8Array
  readonly kek: KeyObject
  readonly epoch: number
  /** The KEK after it: frames may go over to it at any point. */
  readonly next?: KeyObject | undefined
  readonly random: (length: number) => Uint8Array
}

interface Keys {
  readonly segment: Uint8Array
  readonly journal: KeyObject
  readonly keyring: KeyObject
  readonly namespaces: Map<NamespaceName, KeyObject>
}

// Of a keyring entry, a group and a stretch beside its writes, and of a write beside its key and value: names, seals
// and msgpack heads. Generous: a check before sealing is never passed by a frame that turns out too large after.
const STRETCH_BYTES = 512
const WRITE_BYTES = 48
const CHAIN_BYTES = 32
const NO_AAD = new Uint8Array(0)
// Used and used up inside one call of `seal`.
const writer = packWriter()

/** The most bytes that these writes take in a frame; an empty frame takes those of no stretch. */
export function frameBound(stretches: readonly Stretch[]): number {
  let bytes = STRETCH_BYTES
  for (const { writes } of stretches) {
    bytes += STRETCH_BYTES
    // Three bytes are the most that one UTF-16 unit becomes.
    for (const { key, value, author, category } of writes) {
      const characters = key.length + (author?.length ?? 0) + (category?.length ?? 0)
      bytes += WRITE_BYTES + 3 * characters + (value?.length ?? 0)
    }
  }
  return bytes
}

export class Journal {
  readonly #vault: string
  readonly #tag: Uint8Array
  #keyId: Uint8Array
  #kek: KeyObject
  #next: KeyObject | undefined
  readonly #random: (length: number) => Uint8Array
  readonly #deks = new Map<NamespaceName, KeyObject>()
  // Used and used up inside one call; 81 bytes of their own would cost an allocation outside the heap per frame.
  readonly #aad = new Uint8Array(HEADER_BYTES + CHAIN_BYTES)
  #own: Keys
  #read: Keys
  #head: () => Receipt

  constructor({ vault, tag, kek, epoch, next, random }: JournalOptions) {
    this.#vault = vault
    this.#tag = tag
    this.#kek = kek
    this.#next = next
    const head = { sequence: 0, chain: new Uint8Array(CHAIN_BYTES), epoch }
    this.#head = () => head
    this.#keyId = keyIdOf(kek, tag)
    this.#random = random
    this.#own = this.#read = this.#keysOf(random(SEGMENT_BYTES))
  }

  /** The last commit sealed or opened, and the chain up to the end of its frame. */
  get head(): Receipt {
    return this.#head()
  }

  /** What seals a snapshot at this point. */
  get kek(): KeyObject {
    return this.#kek
  }

  /** Goes on from a snapshot, which may be under the successor already. */
  resume(head: Receipt): void {
    if (head.epoch !== this.head.epoch) this.#succeed()
    this.#head = () => head
  }

  /** From here on frames need nothing that a frame before said: each namespace gets a new key with its next write. */
  detach(): void {
    this.#deks.clear()
    this.#own = this.#read = this.#keysOf(this.#random(SEGMENT_BYTES))
  }

  /** From here on frames are sealed under another KEK, which must be kept by then. */
  turn(next: KeyObject): void {
    this.#next = next
    this.#succeed()
    const head = { ...this.head, epoch: this.head.epoch + 1 }
    this.#head = () => head
  }

  #succeed(): void {
    if (this.#next === undefined) throw new Error(`vault ${this.#vault} has no next key`)
    this.#kek = this.#next
    this.#keyId = keyIdOf(this.#kek, this.#tag)
    this.#next = undefined
    this.detach()
  }

  /**
   * The next frame; `frameBound` of the batch is at most `FRAME_BYTES_MAX`. The head moves: the frame must be written,
   * or the journal is of no further use.
   */
  seal({ commits, stretches, format }: Batch): SealedFrame {
    writer.reserve(frameBound(stretches))
    const groups = Map.groupBy(stretches, ({ namespace }) => namespace)
    const before = this.head
    const sequence = before.sequence + 1
    const fresh = [...groups.keys()].filter((namespace) => !this.#deks.has(namespace))
    const keyring = fresh.map((namespace, at) => this.#makeKey(namespace, nonceOf(at, sequence)))
    const nonce = nonceOf(0, sequence)
    const sealed = Array.from(groups, ([namespace, writes]) => {
      const key = this.#namespaceKey(this.#own, namespace)
      return { namespace, parts: sealAeadParts(key, { nonce, aad: NO_AAD }, [encodeWrites(writer, writes)]) }
    })
    const body = encodeBody(writer, { commits, keyring, groups: sealed, format })
    const header = encodeHeader({
      length: body.reduce((sum, { length }) => sum + length, HEADER_BYTES + SEAL_BYTES),
      tag: this.#tag,
      keyId: this.#keyId,
      segment: this.#own.segment,
      sequence,
    })
    const parts = [header, ...sealAeadParts(this.#own.journal, { nonce, aad: this.#aadOf(header) }, body)]
    const head = lazily(() => advance(before, { commits, chain: digest(before.chain, ...parts) }))
    this.#head = head
    return { parts, head }
  }

  /**
   * Opens the frame that comes after the head, and moves the head to it.
   *
   * @throws Refusal `key-missing`, `journal-foreign`, `journal-gap` or `journal-tampered`; nothing has moved then
   */
  open(frame: Uint8Array): Batch {
    const sequence = this.head.sequence + 1
    const header = decodeHeader(frame)
    if (header === undefined || header.length !== frame.length || !equalBytes(header.tag, this.#tag)) {
      throw this.#refusal('journal-tampered', `frame ${sequence} has changed since the log was opened`)
    }
    const turns = this.#next !== undefined && equalBytes(header.keyId, keyIdOf(this.#next, this.#tag))
    if (!turns && !equalBytes(header.keyId, this.#keyId)) throw this.#otherKey(header.sequence)
    if (header.sequence !== sequence) {
      throw this.#refusal('journal-gap', `frame ${header.sequence} stands where frame ${sequence} belongs`)
    }
    if (turns && this.#next !== undefined) this.turn(this.#next)
    if (!equalBytes(header.segment, this.#read.segment)) this.#read = this.#keysOf(header.segment)
    const batch = this.#openBody(frame, sequence)
    const head = advance(this.head, { commits: batch.commits, chain: digest(this.head.chain, frame) })
    this.#head = () => head
    return batch
  }

  #openBody(frame: Uint8Array, sequence: number): Batch {
    const keys = this.#read
    const aad = this.#aadOf(frame.subarray(0, HEADER_BYTES))
    try {
      const body = openAead(keys.journal, { nonce: nonceOf(0, sequence), aad }, frame.subarray(HEADER_BYTES))
      const { commits, keyring, groups, format } = decodeBody(body)
      for (const [at, { namespace, sealed }] of keyring.entries()) {
        const dek = openAead(keys.keyring, { nonce: nonceOf(at, sequence), aad: nameBytes(namespace) }, sealed)
        this.#deks.set(namespace, wrapKey(dek))
      }
      const stretches = groups.flatMap(({ namespace, sealed }) => {
        const key = this.#namespaceKey(keys, namespace)
        const plaintext = openAead(key, { nonce: nonceOf(0, sequence), aad: NO_AAD }, sealed)
        return decodeWrites(plaintext).map(({ now, writes }) => ({ namespace, now, writes }))
      })
      return { commits, stretches, format }
    } catch (cause) {
      if (!(cause instanceof Refusal) || cause.code !== 'unopenable') throw cause
      throw this.#refusal('journal-tampered', `frame ${sequence} is not what was written`, cause)
    }
  }

  #aadOf(header: Uint8Array): Uint8Array {
    this.#aad.set(header)
    this.#aad.set(this.head.chain, HEADER_BYTES)
    return this.#aad
  }

  /** A random key for a namespace that has none, wrapped for the keyring. */
  #makeKey(namespace: NamespaceName, nonce: Uint8Array): SealedPart {
    const dek = this.#random(KEY_BYTES)
    const sealed = sealAead(this.#own.keyring, { nonce, aad: nameBytes(namespace) }, dek)
    this.#deks.set(namespace, wrapKey(dek))
    return { namespace, sealed }
  }

  #namespaceKey(keys: Keys, namespace: NamespaceName): KeyObject {
    let key = keys.namespaces.get(namespace)
    if (key === undefined) {
      const dek = this.#deks.get(namespace)
      if (dek === undefined) throw new Error(`namespace ${namespace} of vault ${this.#vault} has no key`)
      keys.namespaces.set(namespace, (key = deriveKey(dek, 'namespace', keys.segment)))
    }
    return key
  }

  #keysOf(segment: Uint8Array): Keys {
    const journal = deriveKey(this.#kek, 'journal', this.#tag, segment)
    return { segment, journal, keyring: deriveKey(this.#kek, 'keyring', this.#tag, segment), namespaces: new Map() }
  }

  #otherKey(sequence: number): Refusal {
    if (this.head.sequence === 0 && sequence === 1) {
      return new Refusal(
        'key-missing',
        `vault ${this.#vault} is sealed under another key: use the sealer it was made with`,
      )
    }
    return this.#refusal(
      'journal-foreign',
      `a frame of another vault stands where frame ${this.head.sequence + 1} belongs`,
    )
  }

  #refusal(code: 'journal-foreign' | 'journal-gap' | 'journal-tampered', what: string, cause?: unknown): Refusal {
    return new Refusal(code, `vault ${this.#vault}: ${what}: restore the log from a copy`, { cause })
  }
}

function advance(before: Receipt, { commits, chain }: { commits: number; chain: Uint8Array }): Receipt {
  return { sequence: before.sequence + commits, chain, epoch: before.epoch }
}

function nonceOf(part: number, sequence: number): Uint8Array {
  const nonce = new Uint8Array(12)
  const view = new DataView(nonce.buffer)
  view.setUint32(0, part)
  view.setUint32(4, sequence / 2 ** 32)
  view.setUint32(8, sequence)
  return nonce
}

function nameBytes(name: NamespaceName): Uint8Array {
  return new TextEncoder().encode(name)
}
