/** Whose turn it is: a folder has one process at a time, and the next one waits for owners and for the host before. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'

import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'

import type { Boot } from '#enclave/boot.ts'
import { askSocket } from '#enclave/unix-socket.ts'
import type { Enclave } from '#host/crypto/enclave.ts'
import { takeLock } from '#host/storage/lock.ts'
import { encodeProtected } from '#host/storage/protected.ts'
import { decodeOutcome, socketIn } from './questions.ts'
import { type Provided, provided } from './waiting.fixture.ts'
import type { Waiting } from './waiting.ts'

const LOOK_MS = 20
const LIMITS = { bytesMax: 1_000, silentMsMax: 10_000 }
let images: Provided
let boot: Boot
let enclave: Enclave
const told: (readonly string[])[] = []
const never = new AbortController().signal

beforeAll(async () => {
  images = await provided()
  boot = await images.make('next', { handlers: [], release: 3 })
  enclave = await images.enclaveOf(boot, 3)
})
afterAll(() => images[Symbol.asyncDispose]())
beforeEach(async () => {
  told.length = 0
  await rm(images.at('data', 'vaults'), { recursive: true, force: true })
  await mkdir(images.at('data', 'vaults'))
})

const wait = (): Promise<Waiting> => images.wait({ enclave, image: boot.image, tell: (vaults) => told.push(vaults) })

/** A protected vault's file with seats for these. */
async function protect(id: string, ...measurements: readonly Uint8Array[]): Promise<void> {
  const seats = measurements.map((measurement) => ({
    measurement,
    header: new Uint8Array(),
    wrapped: new Uint8Array(),
  }))
  await writeFile(images.at('data', 'vaults', `${id}.key`), encodeProtected({ keys: new Uint8Array(), seats }))
}

const other = new Uint8Array(48).fill(1)

test('the folder is its when every protected vault came, and nobody has it', async () => {
  await using waiting = await wait()
  const host = await takeLock(images.at('data', 'log.lock'), process.pid)
  let isTurn = false
  const turn = waiting.turn(never).then((is) => (isTurn = is))
  await protect('alice', other, enclave.measurement)
  await protect('bob', other)
  await host.release()
  await vi.waitUntil(() => told.length > 0)
  expect([isTurn, told[0]]).toEqual([false, ['bob']])
  const again = await takeLock(images.at('data', 'log.lock'), process.pid)
  await protect('bob', other, enclave.measurement)
  // A vault that nobody protects opens with any image.
  await writeFile(images.at('data', 'vaults', 'carol.key'), Uint8Array.of(1))
  await new Promise((resolve) => setTimeout(resolve, 5 * LOOK_MS))
  expect(isTurn).toBe(false)
  await again.release()
  expect(await turn).toBe(true)
})

test('a folder without vaults that came is not its; it waits until it is told to stop', async () => {
  await using waiting = await wait()
  const stop = new AbortController()
  const turn = waiting.turn(stop.signal)
  await vi.waitUntil(() => told.length > 1)
  stop.abort()
  expect(await turn).toBe(false)
})

test('one image waits at a time; one that was killed leaves nothing that holds up the next', async () => {
  const waiting = await wait()
  await expect(wait()).rejects.toMatchObject({ code: 'storage-failed', message: expect.stringContaining('is held by') })
  await waiting[Symbol.asyncDispose]()
  await expect(readFile(images.at('data', 'successor.lock'))).rejects.toMatchObject({ code: 'ENOENT' })
  await writeFile(socketIn(images.at('data')), 'left by one that was killed')
  await using next = await wait()
  expect(next).toBeDefined()
})

test('where nothing can listen it says so', async () => {
  const folder = images.at('deep', 'x'.repeat(120))
  await mkdir(folder, { recursive: true })
  const waiting = images.wait({ enclave, image: boot.image, folder })
  await expect(waiting).rejects.toMatchObject({ code: 'storage-failed', message: expect.stringContaining('shorten') })
})

test('what is no question is refused, and it goes on waiting', async () => {
  await using waiting = await wait()
  expect(waiting).toBeDefined()
  const answer = await askSocket(socketIn(images.at('data')), Uint8Array.of(1, 2), LIMITS)
  expect(() => decodeOutcome(answer)).toThrow(expect.objectContaining({ code: 'move-refused' }))
})
