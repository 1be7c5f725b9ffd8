/** A secret key stays with the vault: all that reaches a cell, and its handler's memory, is looked through for it. */
import { createHash, randomBytes } from 'node:crypto'
import { serialize } from 'node:v8'
import { type MessagePort, Worker } from 'node:worker_threads'

import { afterEach, expect, test, vi } from 'vitest'

import { type KeyAlgorithm, keyAlgorithms } from '#host/crypto/key-algorithm.ts'
import { type Signer, signerOf } from '#host/crypto/signer.ts'

import { jobFor, registryOf } from './fixtures/stage.ts'
import type { Shown } from './fixtures/watched-cell.ts'
import { createPool } from './pool.ts'

/** Everything that is ever shared with a cell, and what shows the memories in it. */
const watched = vi.hoisted(() => ({ shared: [] as SharedArrayBuffer[], ports: [] as MessagePort[] }))

vi.mock('./channel.ts', async (original) => {
  const channel = await original<typeof import('./channel.ts')>()
  const newChannel = (): SharedArrayBuffer => {
    const memory = channel.newChannel()
    watched.shared.push(memory)
    return memory
  }
  return { ...channel, newChannel }
})

/** The very thread that cells are, with a look into its memories. */
vi.mock('node:worker_threads', async (original) => {
  const threads = await original<typeof import('node:worker_threads')>()
  class WatchedWorker extends threads.Worker {
    constructor(_file: URL, options: import('node:worker_threads').WorkerOptions) {
      const { port1, port2 } = new threads.MessageChannel()
      watched.ports.push(port1)
      const workerData = { ...(options.workerData as object), watcher: port2 }
      super(new URL('./fixtures/watched-cell.ts', import.meta.url), { ...options, workerData, transferList: [port2] })
    }
  }
  return { ...threads, default: threads, Worker: WatchedWorker }
})

const aliases = { ed25519: 'identity', 'ecdsa-secp256k1': 'coins', bip340: 'taproot' } as const
const message = new Uint8Array(32).fill(5)
const PIECE_BYTES = 8

afterEach(() => {
  vi.restoreAllMocks()
  watched.shared.length = 0
  for (const port of watched.ports.splice(0)) port.close()
})

test.each(keyAlgorithms)('%s: a handler signs, and nowhere in its cell is the secret', async (algorithm) => {
  const secret = new Uint8Array(randomBytes(32))
  const signer = signerOf(algorithm, secret)
  const { reply, places } = await signing(algorithm, signer)
  expect(reply).toMatchObject({ algorithm, publicKey: encode(signer.publicKey) })
  const signature = Buffer.from(reply.signature, 'base64url')
  expect(signature).toHaveLength(64)
  // The look finds what is there: the public key went into the cell, the signature through all of it.
  expect(holding(places, signer.publicKey)).toEqual(['jobs', 'called'])
  expect(holding(places, signature)).toEqual(['channel', 'called'])
  for (const form of formsOf(algorithm, secret)) expect(holding(places, form)).toEqual([])
})

test.each(keyAlgorithms)('%s: a secret that leaks is found', async (algorithm) => {
  const secret = new Uint8Array(randomBytes(32))
  const signer = signerOf(algorithm, secret)
  const { places } = await signing(algorithm, { ...signer, sign: () => secret })
  expect(holding(places, secret)).toEqual(['channel', 'called'])
  const { places: others } = await signing(algorithm, { ...signer, publicKey: secret })
  expect(holding(others, secret)).toEqual(['jobs', 'called'])
})

type Places = Readonly<Record<'jobs' | 'channel' | 'called' | 'reset', Uint8Array>>

/** One event that signs in a cell of its own, and all that the cell was given or held. */
async function signing(
  algorithm: KeyAlgorithm,
  signer: Signer,
): Promise<{ reply: { signature: string }; places: Places }> {
  const post = vi.spyOn(Worker.prototype, 'postMessage')
  const registry = registryOf('signs')
  watched.shared.length = 0
  await using pool = await createPool({ registry, cells: 1, spares: 0 })
  const port = watched.ports.at(-1)
  if (!port) throw new Error('nobody watches the cell')
  const shown: Shown[] = []
  const all = new Promise<void>((resolve) => {
    port.on('message', (data: Shown) => {
      if (shown.push(data) === 2) resolve()
    })
  })
  const body = { alias: aliases[algorithm], message: encode(message) }
  const sources = { keys: new Map([[aliases[algorithm], signer]]) }
  const { reply } = await pool.run(jobFor(registry, 'signs', { body, sources }))
  await all
  const places = {
    jobs: joined(post.mock.calls.map(([job]) => serialize(job))),
    channel: joined(watched.shared.map((memory) => new Uint8Array(memory))),
    called: joined(shown.filter(({ when }) => when === 'called').flatMap(({ memories }) => memories)),
    reset: joined(shown.filter(({ when }) => when === 'reset').flatMap(({ memories }) => memories)),
  }
  // The cell of QuickJS has memories of over 64 KiB: a look at nothing would find nothing.
  expect(places.called.length).toBeGreaterThan(65_536)
  expect(places.reset.length).toBe(places.called.length)
  post.mockRestore()
  return { reply: JSON.parse(new TextDecoder().decode(reply)) as { signature: string }, places }
}

/** Where any eight bytes in a row of these are: what is freed in a handler's memory is soon written over in part. */
function holding(places: Places, bytes: Uint8Array): string[] {
  const pieces = Array.from({ length: Math.floor(bytes.length / PIECE_BYTES) }, (_, at) =>
    bytes.subarray(at * PIECE_BYTES, (at + 1) * PIECE_BYTES),
  )
  return Object.entries(places).flatMap(([place, held]) => {
    const all = Buffer.from(held.buffer)
    return pieces.some((piece) => all.includes(piece)) ? [place] : []
  })
}

/** How a secret, or what signs in its place, might lie in memory. */
function formsOf(algorithm: KeyAlgorithm, secret: Uint8Array): Uint8Array[] {
  const expanded = new Uint8Array(createHash('sha512').update(secret).digest().subarray(0, 32))
  const scalar = Uint8Array.from(expanded)
  scalar[0] = (scalar[0] ?? 0) & 248
  scalar[31] = ((scalar[31] ?? 0) & 127) | 64
  const raw = algorithm === 'ed25519' ? [secret, expanded, scalar] : [secret]
  const text = ['hex', 'base64', 'base64url'].map((encoding) => Buffer.from(secret).toString(encoding as 'hex'))
  return [...raw, ...raw.map((bytes) => bytes.toReversed()), ...text.map((form) => new TextEncoder().encode(form))]
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

function encode(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}
