/** The stage over a NATS server: Alice's host and the services are processes of their own, killed with SIGKILL. */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import { pairDevice } from '#client/owner.ts'
import { forgetfulStore } from '#client/transport.ts'
import { connectNats } from '../bus.ts'
import { surroundings } from '../surroundings.ts'
import type { UpLine } from '../up.ts'
import { expectedOf } from './attested.ts'
import { ALICE } from './cast.ts'
import { foundAlice } from './found.ts'
import { callIn } from './rpc.ts'
import type { Services } from './services.ts'
import type { Seen, Stage } from './stage.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'main.ts')
const SERVICES = fileURLToPath(new URL('./services-process.ts', import.meta.url))

export async function natsStage(folder: string, image: string, url: string): Promise<Stage> {
  await using parts = new AsyncDisposableStack()
  const { signing, identity } = await foundAlice(join(folder, 'alice'))
  // Subjects and streams of this run alone: the server may hold those of others.
  const space = `demo-${surroundings.random(4).toHex()}`
  const seen: Seen[] = []
  const args = [
    MAIN,
    'up',
    '--data',
    join(folder, 'alice'),
    '--image',
    image,
    '--nats',
    url,
    '--space',
    space,
    '--trace',
  ]
  const start = () => startHostProcess(args, seen)

  const { key, measurement } = await expectedOf(folder, image)
  let host = await start()
  parts.defer(() => end(host, 'SIGKILL'))
  const child = fork(SERVICES, [join(folder, 'services'), url, space], { serialization: 'advanced' })
  parts.defer(() => end(child, 'SIGTERM'))
  const alice = await pairDevice({
    ...surroundings,
    vault: ALICE.vault,
    identity,
    device: ALICE.device,
    signing,
    transport: parts.use(await connectNats(url, { name: 'trellis-phone', space })),
    store: forgetfulStore(),
  })
  const owned = parts.move()
  return {
    title: `NATS at ${url}, host and services in processes of their own`,
    alice,
    services: callIn(child) as Services,
    expected: { key, measurement },
    seen,
    async crash() {
      await end(host, 'SIGKILL')
      host = await start()
    },
    async close() {
      await end(host, 'SIGTERM')
      await owned.disposeAsync()
    },
    [Symbol.asyncDispose]: async () => owned.disposeAsync(),
  }
}

/** Resolves when the host says that it is ready. */
async function startHostProcess(args: readonly string[], seen: Seen[]): Promise<ChildProcess> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ready = Promise.withResolvers<void>()
  child.once('exit', (code) => ready.reject(new Error(`the host ended with ${code}`)))
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as UpLine
    if (line.kind === 'ready') ready.resolve()
    if (line.kind === 'event') seen.push(line)
  })
  await ready.promise
  return child
}

/** Ends a process by its pid and waits until it is gone. */
async function end(child: ChildProcess, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  await exited
}
