/** Where the demo is played: the same acts on the memory bus in one process, or over NATS in three. */
import type { OwnerDevice } from '#client/owner.ts'
import type { Trace } from '#host/watch.ts'
import type { Expected } from './attested.ts'
import type { Services } from './services.ts'

/** One delivery by Alice's host, as it told. */
export interface Seen {
  readonly trace: Trace
  /** Handler instances handed out since that host started. */
  readonly instances: number
}

export interface Stage extends AsyncDisposable {
  readonly title: string
  readonly alice: OwnerDevice
  readonly services: Services
  /** What the services were told of Alice's host. */
  readonly expected: Expected
  /** Every delivery so far, oldest first; those of a host that was killed too. */
  readonly seen: readonly Seen[]
  /** Kills Alice's host without warning and starts another one on what it left. */
  crash(): Promise<void>
  /** Ends the host in good order, so that its folder can be read. */
  close(): Promise<void>
}

/** The newest delivery on a subject that ends so. Waits for it: a host tells of an event after its answer has left. */
export async function lastSeen(stage: Stage, ending: string, from: number): Promise<Seen> {
  for (let tries = 0; tries < 1_000; tries++) {
    const found = stage.seen.slice(from).findLast(({ trace }) => trace.subject.endsWith(ending))
    if (found) return found
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`the host told of no ${ending}`)
}

/** Fails with a sentence when a promise takes longer than everything here should. */
export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`${what} did not happen within ${WAIT_MS / 1_000} s`)), WAIT_MS)
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

const WAIT_MS = 20_000
