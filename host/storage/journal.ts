/**
 * One vault's journal: writes to sealed frames and back, in one chain.
 *
 * A frame's body is `[now, keyring, groups]`. A group is one namespace's writes of the commit, sealed under that
 * namespace's key; the body is sealed under the journal key with header | previous chain value as associated data; the
 * chain value is SHA-256(previous | frame), 32 zero bytes before frame 1. Every open draws a random segment id, from
 * which all sealing keys derive: after a torn tail, a rollback or a fork the same sequence number meets another key, so
 * that no (key, nonce) pair comes twice.
 */
import type { KeyObject } from 'node:crypto'

import { openAead, sealAead } from '#host/crypto/aead.ts'
import { digest } from '#host/crypto/kdf.ts'
import { Refusal } from '#host/errors.ts'
import { FRAME_BYTES_MAX } from '#host/limits.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { decodeHeader, encodeHeader, HEADER_BYTES, SEAL_BYTES } from './frame.ts'
import { deriveKey, KEY_BYTES, keyIdOf, SEGMENT_BYTES, wrapKey } from './keys.ts'
import type { NamespaceName, Receipt } from './port.ts'
import type { Write } from './state.ts'
import { decodeBody, decodeWrites, encodeBody, encodeWrites, type SealedPart } from './writes.ts'

/** What one frame says, readable. */
export interface Commit {
  readonly now: number
  readonly groups: readonly Group[]
}

export interface Group {
  readonly namespace: NamespaceName
  readonly writes: readonly Write[]
}

export interface JournalOptions {
  readonly vault: string
  readonly tag: Uint8Array
  readonly kek: KeyObject
  readonly random: (length: number) => Uint8Array
}

interface Keys {
  readonly segment: Uint8Array
  readonly journal: KeyObject
  readonly keyring: KeyObject
  readonly namespaces: Map<NamespaceName, KeyObject>
}

// Of a keyring entry or a group beside its sealed bytes: a name and msgpack heads. Generous, so that a check before
// sealing is never passed by a frame that turns out too large after.
const PART_BYTES = 128
const CHAIN_BYTES = 32
const NO_AAD = new Uint8Array(0)

export class Journal {
  readonly #vault: string
  readonly #tag: Uint8Array
  readonly #keyId: Uint8Array
  readonly #kek: KeyObject
  readonly #random: (length: number) => Uint8Array
  readonly #deks = new Map<NamespaceName, KeyObject>()
  // Used and used up inside one call; 81 bytes of their own would cost an allocation outside the heap per frame.
  readonly #aad = new Uint8Array(HEADER_BYTES + CHAIN_BYTES)
  readonly #own: Keys
  #read: Keys
  #head: Receipt = { sequence: 0, chain: new Uint8Array(CHAIN_BYTES) }

  constructor({ vault, tag, kek, random }: JournalOptions) {
    this.#vault = vault
    this.#tag = tag
    this.#kek = kek
    this.#keyId = keyIdOf(kek, tag)
    this.#random = random
    this.#own = this.#read = this.#keysOf(random(SEGMENT_BYTES))
  }

  get head(): Receipt {
    return this.#head
  }

  /**
   * The next frame, in two parts. The head moves: it must be written, or the journal is of no further use.
   *
   * @throws Refusal `too-large` before anything is sealed: nothing has moved then
   */
  seal({ now, groups }: Commit): readonly Uint8Array[] {
    const plaintexts = groups.map(({ namespace, writes }) => ({ namespace, plaintext: encodeWrites(writes) }))
    const bound = plaintexts.reduce(
      (sum, { plaintext }) => sum + plaintext.length + 2 * PART_BYTES,
      HEADER_BYTES + PART_BYTES,
    )
    if (bound > FRAME_BYTES_MAX) {
      throw new Refusal('too-large', `a commit of ${bound} bytes, at most ${FRAME_BYTES_MAX}: write less at once`)
    }
    const sequence = this.#head.sequence + 1
    const fresh = groups.map(({ namespace }) => namespace).filter((namespace) => !this.#deks.has(namespace))
    const keyring = fresh.map((namespace, at) => this.#makeKey(namespace, nonceOf(at, sequence)))
    const nonce = nonceOf(0, sequence)
    const sealed = plaintexts.map(({ namespace, plaintext }) => {
      const key = this.#namespaceKey(this.#own, namespace)
      return { namespace, sealed: sealAead(key, { nonce, aad: NO_AAD }, plaintext) }
    })
    const body = encodeBody({ now, keyring, groups: sealed })
    const header = encodeHeader({
      length: HEADER_BYTES + body.length + SEAL_BYTES,
      tag: this.#tag,
      keyId: this.#keyId,
      segment: this.#own.segment,
      sequence,
    })
    const sealedBody = sealAead(this.#own.journal, { nonce, aad: this.#aadOf(header) }, body)
    this.#head = { sequence, chain: digest(this.#head.chain, header, sealedBody) }
    return [header, sealedBody]
  }

  /**
   * Opens the frame that comes after the head, and moves the head to it.
   *
   * @throws Refusal `key-missing`, `journal-foreign`, `journal-gap` or `journal-tampered`; nothing has moved then
   */
  open(frame: Uint8Array): Commit {
    const sequence = this.#head.sequence + 1
    const header = decodeHeader(frame)
    if (header === undefined || header.length !== frame.length || !equalBytes(header.tag, this.#tag)) {
      throw this.#refusal('journal-tampered', `frame ${sequence} has changed since the log was opened`)
    }
    if (!equalBytes(header.keyId, this.#keyId)) throw this.#otherKey(header.sequence)
    if (header.sequence !== sequence) {
      throw this.#refusal('journal-gap', `frame ${header.sequence} stands where frame ${sequence} belongs`)
    }
    if (!equalBytes(header.segment, this.#read.segment)) this.#read = this.#keysOf(header.segment)
    const commit = this.#openBody(frame, sequence)
    this.#head = { sequence, chain: digest(this.#head.chain, frame) }
    return commit
  }

  #openBody(frame: Uint8Array, sequence: number): Commit {
    const keys = this.#read
    const aad = this.#aadOf(frame.subarray(0, HEADER_BYTES))
    try {
      const body = openAead(keys.journal, { nonce: nonceOf(0, sequence), aad }, frame.subarray(HEADER_BYTES))
      const { now, keyring, groups } = decodeBody(body)
      for (const [at, { namespace, sealed }] of keyring.entries()) {
        const dek = openAead(keys.keyring, { nonce: nonceOf(at, sequence), aad: nameBytes(namespace) }, sealed)
        this.#deks.set(namespace, wrapKey(dek))
      }
      return {
        now,
        groups: groups.map(({ namespace, sealed }) => {
          const key = this.#namespaceKey(keys, namespace)
          const writes = openAead(key, { nonce: nonceOf(0, sequence), aad: NO_AAD }, sealed)
          return { namespace, writes: decodeWrites(writes) }
        }),
      }
    } catch (cause) {
      if (!(cause instanceof Refusal) || cause.code !== 'unopenable') throw cause
      throw this.#refusal('journal-tampered', `frame ${sequence} is not what was written`, cause)
    }
  }

  #aadOf(header: Uint8Array): Uint8Array {
    this.#aad.set(header)
    this.#aad.set(this.#head.chain, HEADER_BYTES)
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
    if (this.#head.sequence === 0 && sequence === 1) {
      return new Refusal(
        'key-missing',
        `vault ${this.#vault} is sealed under another key: use the sealer it was made with`,
      )
    }
    return this.#refusal(
      'journal-foreign',
      `a frame of another vault stands where frame ${this.#head.sequence + 1} belongs`,
    )
  }

  #refusal(code: 'journal-foreign' | 'journal-gap' | 'journal-tampered', what: string, cause?: unknown): Refusal {
    return new Refusal(code, `vault ${this.#vault}: ${what}: restore the log from a copy`, { cause })
  }
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
