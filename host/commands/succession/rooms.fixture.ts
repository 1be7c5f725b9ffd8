/** The processes of a move on one folder, and the owner's device that talks to them. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import { type EnclaveClient, enclaveClient } from '#client/sealing.ts'
import type { ClientStore, Transport } from '#client/transport.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import type { SigningKey } from '#host/crypto/port.ts'
import { knockOf } from '#host/vault/sealing/knock.ts'
import { parseSubject } from '#host/wire/subject.ts'
import { surroundings } from '../surroundings.ts'
import { type Asked, type RoomArguments, type Told, VAULT } from './room.fixture.ts'

const ROOM = fileURLToPath(new URL('room.fixture.ts', import.meta.url))

/** A process that runs an image, or waits to. */
export interface RoomProcess extends AsyncDisposable {
  readonly pid: number
  /** Resolves with whether it told that; false when it ended first. */
  told(what: 'waiting' | 'ready' | 'left'): Promise<boolean>
  isOver(): boolean
  /** Until it is over. */
  readonly over: Promise<unknown>
  /** @throws Error when it was killed meanwhile */
  ask(ask: 'value' | 'stop'): Promise<Uint8Array | undefined>
  readonly transport: Transport
}

export function startRoom(options: RoomArguments): RoomProcess {
  const child = fork(ROOM, [JSON.stringify(options)], {
    serialization: 'advanced',
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  const tolds = new Set<string>()
  const waiting = new Map<number, (told: Told) => void>()
  const heard = new EventTarget()
  child.on('message', (told: Told) => {
    if ('told' in told) tolds.add(told.told)
    else waiting.get(told.id)?.(told)
    heard.dispatchEvent(new Event('told'))
  })
  let isOver = false
  const over = once(child, 'exit').then(() => {
    isOver = true
    heard.dispatchEvent(new Event('told'))
    for (const settle of waiting.values()) settle({ id: 0, error: 'it was killed' })
  })
  let asked = 0
  function put(question: { ask: 'value' | 'stop' } | { ask: 'challenged' | 'ordered'; data: Uint8Array }) {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | undefined>()
    const id = ++asked
    waiting.set(id, (told) => {
      waiting.delete(id)
      if ('answer' in told) resolve(told.answer && new Uint8Array(told.answer))
      else reject(new Error('error' in told ? told.error : 'no answer'))
    })
    send(child, { id, ...question })
    if (isOver) reject(new Error('it was killed'))
    return promise
  }
  return {
    pid: child.pid ?? 0,
    over,
    isOver: () => isOver,
    async told(what) {
      while (!tolds.has(what)) {
        if (isOver) return false
        await once(heard, 'told')
      }
      return true
    },
    ask: (ask) => put({ ask }),
    transport: transportBy((ask, data) => put({ ask, data })),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await over
    },
  }
}

function send(child: ChildProcess, asked: Asked): void {
  // One that was killed takes nothing: its end is what is told.
  child.send(asked, () => undefined)
}

/** A bus with one vault's shell at its end. */
function transportBy(
  ask: (ask: 'challenged' | 'ordered', data: Uint8Array) => Promise<Uint8Array | undefined>,
): Transport {
  const heard = new Map<string, (message: { subject: string; data: Uint8Array }) => void>()
  return {
    async publish(text, data) {
      const knock = knockOf(parseSubject(text))
      if (!knock) throw new Error(`${text} is not for the shell`)
      const answer = await ask(knock.asks === 'evidence' ? 'challenged' : 'ordered', data)
      if (answer) heard.get(knock.answerTo)?.({ subject: knock.answerTo, data: answer })
    },
    subscribe(pattern, receive) {
      heard.set(pattern, receive)
      return Promise.resolve({ drain: () => Promise.resolve(void heard.delete(pattern)) })
    },
  }
}

export function deviceAt(
  { transport }: RoomProcess,
  about: { signing: SigningKey; store: ClientStore; attestor: Uint8Array; accepts: Uint8Array },
): EnclaveClient {
  const { signing, store, attestor, accepts } = about
  return enclaveClient({
    ...surroundings,
    crypto: nativeCrypto,
    vault: VAULT,
    signing,
    transport,
    store,
    roots: { nitro: [], software: [attestor.toHex()], revoked: new Set() },
    policy: { kind: 'software', measurements: [accepts.toHex()], registers: new Map(), maxAgeMs: 60_000 },
  })
}
