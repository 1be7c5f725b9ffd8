/**
 * The next image, in a process of its own: it waits beside the host of a folder, takes over what owners let go, and has
 * the folder when all of them did and that host is gone. Until then it holds no lock of it and writes nothing there.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { SUCCESSION_POLL_MS } from '#enclave/limits.ts'
import { encodeListing } from '#enclave/listing.ts'
import type { Image } from '#enclave/image.ts'
import { answerSocket } from '#enclave/unix-socket.ts'
import type { Enclave } from '#host/crypto/enclave.ts'
import { Refusal } from '#host/errors.ts'
import { lockOf } from '#host/storage/file-segments.ts'
import { holderOf, takeLock } from '#host/storage/lock.ts'
import { isAllThere } from '#host/vault/sealing/seats.ts'
import { openSuccessor, type Successor } from '#host/vault/sealing/succession.ts'
import { seatedIn } from '#host/vault/vaults.ts'
import {
  boundImage,
  decodeQuestion,
  encodeDone,
  encodeRefused,
  encodeShown,
  socketIn,
  socketLimits,
} from './questions.ts'

export interface WaitingOptions {
  readonly folder: string
  readonly pid: number
  readonly enclave: Enclave
  readonly image: Image
  readonly now: () => number
  readonly random: (length: number) => Uint8Array
  /** Told of vaults whose owners have not let them go, when nobody runs them. */
  readonly tell: (vaults: readonly string[]) => void
}

export interface Waiting extends AsyncDisposable {
  /** Resolves with true when the folder is this image's to open, with false when it is told to wait no more. */
  turn(stop: AbortSignal): Promise<boolean>
}

/** @throws Refusal `storage-failed` when another image waits there, or nothing can listen there */
export async function waitBeside(options: WaitingOptions): Promise<Waiting> {
  const { folder, pid } = options
  const socket = socketIn(folder)
  await using parts = new AsyncDisposableStack()
  const lock = await takeLock(join(folder, 'successor.lock'), pid)
  parts.defer(() => lock.release())
  // One that was killed leaves its socket.
  await rm(socket, { force: true })
  parts.use(
    await answerSocket(socket, answering(options), socketLimits).catch((cause: unknown) => {
      throw new Refusal('storage-failed', `up: nothing can listen at ${socket}: shorten the path of the data folder`, {
        cause,
      })
    }),
  )
  const owned = parts.move()
  return {
    async turn(stop) {
      while (!stop.aborted) {
        if (await isFree(options)) return true
        await delay(SUCCESSION_POLL_MS)
      }
      return false
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Nobody runs the folder, and every owner let go of what they protect. */
async function isFree({ folder, enclave, tell }: WaitingOptions): Promise<boolean> {
  if ((await holderOf(lockOf(join(folder, 'log')))) !== undefined) return false
  const seated = await seatedIn(join(folder, 'vaults'), enclave.measurement)
  if (!isAllThere(seated)) tell(seated.missing)
  return isAllThere(seated)
}

/** Answers what the host asks. What is refused is told there. */
function answering({ enclave, image, now, random }: WaitingOptions): (message: Uint8Array) => Promise<Uint8Array> {
  const successor = openSuccessor({ enclave, now, random })
  return async (message) => {
    try {
      return encodeDone(await answerOf(message, { enclave, image, successor }))
    } catch (error) {
      if (error instanceof Refusal) return encodeRefused(error)
      throw error
    }
  }
}

async function answerOf(
  message: Uint8Array,
  {
    enclave,
    image,
    successor,
  }: Pick<WaitingOptions, 'enclave' | 'image'> & { successor: Pick<Successor, 'present' | 'receive'> },
): Promise<readonly Uint8Array[]> {
  const question = decodeQuestion(message)
  switch (question[0]) {
    case 'who':
      return [enclave.measurement]
    case 'image': {
      const listing = encodeListing(image)
      const manifests = image.handlers.map(({ manifest }) => image.read(manifest))
      const evidence = await enclave.attest({ nonce: question[1], userData: boundImage(listing) })
      return [encodeShown({ listing, manifests, evidence })]
    }
    case 'present': {
      const { descriptor, evidence } = await successor.present(question[1], question[2])
      return [descriptor, evidence]
    }
    case 'receive':
      return [await successor.receive(question[1], { evidence: question[2], sealed: question[3] })]
  }
}
