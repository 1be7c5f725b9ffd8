/** The thread in which handlers run, one event at a time, each on an instance that holds nothing of another event. */
import { fileURLToPath } from 'node:url'
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'

import { LIFT_BYTES_MAX } from '#host/limits.ts'
import { NEXT_JOB_PAUSES, NEXT_JOB_TRIES } from '#host/plugin/limits.ts'

import { type CellEnd, cellEnd } from './channel.ts'
import { type Instance, instantiate } from './component/instantiate.ts'
import { Trap } from './component/trap.ts'
import { instantiateExtism } from './extism/instantiate.ts'
import { frameReader } from './frame.ts'
import { guestImports } from './guest-imports.ts'
import { openPace, restThread } from './pace.ts'
import type { OwnerQuestion } from './port.ts'
import { isExtism, type Program } from './program.ts'
import type { HandlerAnswer } from './refusal.ts'
import { decodeJob, encodeReport } from './ring-frames.ts'
import type { CellHandler, CellJob, FromCell, Outcome, Report } from './report.ts'
import { openDoors } from './self-test.ts'
import { cellSeat, type Seat } from './visit.ts'

/** What a cell is started with. */
export interface CellStart {
  readonly channel: SharedArrayBuffer
  readonly handlers: readonly (CellHandler & { readonly component: Program; readonly deadlineMs: number })[]
}

/** A handler in this cell. */
interface Stand {
  readonly name: string
  readonly seat: Seat
  /** From now on its deadline counts. */
  begin(job: CellJob): void
  make(): Instance
  instance: Instance | undefined
}

if (parentPort !== null) await startCell(parentPort, workerData as CellStart)

async function startCell(port: MessagePort, start: CellStart): Promise<void> {
  const post = (message: FromCell): void => port.postMessage(message)
  // All code is loaded. Node lets a thread read its working directory whatever its flags say: until here.
  process.permission.drop('fs.read')
  const isFile = import.meta.url.startsWith('file:')
  const doors = await openDoors(isFile ? fileURLToPath(import.meta.url) : process.execPath)
  if (doors.length > 0) return post({ kind: 'unfit', handler: undefined, why: `not shut in: ${doors.join(', ')}` })

  const channel = cellEnd(start.channel, () => port.postMessage(0))
  const stands: Stand[] = []
  for (const handler of start.handlers) {
    const stand = standOf(handler, channel)
    try {
      stand.instance = stand.make()
    } catch (error) {
      return post({ kind: 'unfit', handler: handler.name, why: messageOf(error) })
    }
    stands.push(stand)
  }
  /** The report is on its way before the instance forgets: the host works meanwhile. */
  const work = (job: CellJob, report: (report: Report, used: number) => void): void => {
    const stand = stands[job.handler]
    if (stand === undefined) throw new Error(`no handler ${job.handler}`)
    const { used, ...found } = visit(stand, job)
    channel.finish(job.sequence)
    report(found, used)
    renew(stand, channel)
  }
  const mail = (report: Report, used: number): void => post({ kind: 'report', report, used })
  const leave = (report: Report, used: number): void => {
    if (channel.ring.report((into) => encodeReport(report, used, into))) channel.tell()
    else mail(report, used)
  }
  const workAhead = (): boolean => {
    const job = channel.ring.next()
    if (job === undefined) return false
    work(decodeJob(frameReader(job)), leave)
    return true
  }
  const serve = (first: CellJob | 0): void => {
    channel.ring.wake()
    let job: CellJob | 0 | undefined = first
    do {
      if (job) work(job, mail)
      while (workAhead());
      job = nextJob(port, workAhead)
      // An event may have come between the last look and falling asleep.
    } while (job !== undefined || !channel.ring.sleep())
  }
  port.on('message', serve)
  channel.ring.sleep()
  post({ kind: 'ready' })
}

/** The message that follows at once, if one does: a thread that has gone to sleep wakes late. */
function nextJob(port: MessagePort, lookAside: () => boolean): CellJob | 0 | undefined {
  for (let tries = 0; tries < NEXT_JOB_TRIES; tries++) {
    const received = receiveMessageOnPort(port)
    if (received !== undefined) return received.message as CellJob | 0
    for (let left = NEXT_JOB_PAUSES; left > 0; left--) {
      if (lookAside()) return 0
      Atomics.pause()
    }
  }
  return undefined
}

function standOf(handler: CellStart['handlers'][number], channel: CellEnd): Stand {
  const seat = cellSeat(handler, (call) => channel.call(call))
  const imports = guestImports(seat)
  const { deadlineMs } = handler
  const pace = openPace({ deadlineMs, monotonic: () => performance.now(), rest: restThread() })
  const { isLate } = pace
  const wasi = { nowMs: () => seat.now(), write: (line: string) => seat.print('debug', line) }
  const make = (): Instance => {
    channel.countCreated()
    const { component, outputBytesMax } = handler
    if (isExtism(component)) return instantiateExtism(component, { imports, outputBytesMax, wasi, isLate })
    return instantiate(component, { imports, liftBytesMax: LIFT_BYTES_MAX, wasi, isLate })
  }
  const begin = (job: CellJob): void => {
    pace.begin()
    seat.begin(job)
  }
  return { name: handler.name, seat, begin, make, instance: undefined }
}

/** Runs one event. What it kept back leaves the cell only when it ended well. */
function visit(stand: Stand, job: CellJob): Report & { readonly used: number } {
  const { seat } = stand
  stand.begin(job)
  let outcome: Outcome
  try {
    stand.instance ??= stand.make()
    outcome = outcomeOf(stand.instance.call('handle', [job.body]), seat.handler.outputBytesMax)
  } catch (error) {
    outcome = { kind: 'failed', reason: error instanceof Trap ? error.reason : 'trap', message: messageOf(error) }
  }
  const failure = seat.failure()
  const { writes, outgoing, facts, log, logCut, hostCalls, used } = seat.end()
  if (failure !== undefined) outcome = { kind: 'failed', ...failure }
  if (outcome.kind === 'done') outcome = { ...outcome, writes, outgoing, facts }
  return { sequence: job.sequence, outcome, hostCalls, log, logCut, used }
}

/** `handle`'s result, as the component loader lifts it. */
type Handled =
  | {
      readonly tag: 'ok'
      readonly val:
        | { readonly tag: 'accepted' }
        | { readonly tag: 'reply'; readonly val: Uint8Array }
        | { readonly tag: 'suspended'; readonly val: OwnerQuestion }
    }
  | { readonly tag: 'err'; readonly val: HandlerAnswer }

function outcomeOf(result: unknown, outputBytesMax: number): Outcome {
  const handled = result as Handled
  if (handled.tag === 'err') return { kind: 'refused', answer: handled.val }
  if (handled.val.tag === 'suspended') return { kind: 'suspended', question: handled.val.val }
  const reply = handled.val.tag === 'reply' ? handled.val.val : undefined
  if (reply !== undefined && reply.length > outputBytesMax) {
    return { kind: 'failed', reason: 'output', message: `replied with more than ${outputBytesMax} bytes` }
  }
  return { kind: 'done', reply, writes: [], outgoing: [], facts: [] }
}

/** Back to the snapshot, or a new instance (also after a trap): nothing of this event is there for the next. */
function renew(stand: Stand, channel: CellEnd): void {
  if (stand.instance?.reset() === true) return
  channel.countReplaced()
  stand.instance = undefined
  try {
    stand.instance = stand.make()
  } catch {
    // The next event makes it again, and answers for what happens.
  }
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 200)
}
