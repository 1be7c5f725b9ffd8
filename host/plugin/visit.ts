/** One event in a cell: what it has used, what it keeps back, and why it must fail if it must. */
import { EFFECT_BYTES_MAX, KEY_BYTES_MAX, LOG_LINE_BYTES } from '#host/limits.ts'

import type { Answer, Call } from './calls.ts'
import type { Overlay } from './overlay.ts'
import type { CellHandler, CellJob, FailReason, ReportedEvent, ReportedLine, Write } from './report.ts'

/** Ends the event from inside a host call. The guest may swallow it; the recorded failure stays. */
class Stop extends Error {}

export interface Visit {
  readonly job: CellJob
  readonly overlays: Map<string, Overlay>
  readonly outgoing: ReportedEvent[]
  readonly log: ReportedLine[]
  readonly facts: string[]
  logBytes: number
  logCut: boolean
  effectBytes: number
  hostCalls: number
  failure: Failure | undefined
  /** A bit for each value the event carried and that was read. */
  used: number
}

interface Failure {
  readonly reason: FailReason
  readonly message: string
}

/** What an event leaves in the cell when it is over. */
interface Kept {
  readonly writes: readonly Write[]
  readonly outgoing: readonly ReportedEvent[]
  readonly log: readonly ReportedLine[]
  readonly facts: readonly string[]
  readonly logCut: boolean
  readonly hostCalls: number
  readonly used: number
}

/** The one place in a cell where an event is handled. */
export interface Seat {
  readonly handler: CellHandler
  begin(job: CellJob): void
  /** The event is over: every later call of the guest fails. */
  end(): Kept
  failure(): Failure | undefined
  /** Counts one call of the guest and gives the event it belongs to. */
  enter(): Visit
  /** Asks the host. */
  ask(call: Call): Answer
  stop(reason: FailReason, message: string): never
  /** The guest named something its manifest does not: it sees `unavailable`, the event will fail. */
  probed(what: string): void
  charge(bytes: number): void
  print(level: ReportedLine['level'], message: string): void
  now(): number
}

export function cellSeat(handler: CellHandler, askHost: (call: Call) => Answer): Seat {
  let visit: Visit | undefined

  const current = (): Visit => {
    if (visit === undefined) throw new Stop('no event is being handled')
    return visit
  }
  const stop = (reason: FailReason, message: string): never => {
    if (visit !== undefined) visit.failure ??= { reason, message }
    throw new Stop(message)
  }
  return {
    handler,
    begin: (job) => void (visit = newVisit(job)),
    end() {
      const { overlays, outgoing, log, facts, logCut, hostCalls, used } = current()
      visit = undefined
      return { writes: [...overlays].flatMap(writesOf), outgoing, log, facts, logCut, hostCalls, used }
    },
    failure: () => visit?.failure,
    enter() {
      const visit = current()
      visit.hostCalls += 1
      if (visit.hostCalls > handler.hostCallsMax) stop('calls', `made more than ${handler.hostCallsMax} host calls`)
      return visit
    },
    ask(call) {
      const answer = carriedAnswer(current(), call) ?? askHost(call)
      return answer.kind === 'over' ? stop('calls', 'read or proved more than one event may') : answer
    },
    stop,
    probed(what) {
      current().failure ??= { reason: 'not-granted', message: `${what} is not among its manifest's needs` }
    },
    charge(bytes) {
      const visit = current()
      visit.effectBytes += bytes
      if (visit.effectBytes > EFFECT_BYTES_MAX) stop('output', `left more than ${EFFECT_BYTES_MAX} bytes of effects`)
    },
    print(level, message) {
      if (visit === undefined) return
      visit.logBytes += Buffer.byteLength(message) + LOG_LINE_BYTES
      if (visit.logBytes > handler.logBytesMax) visit.logCut = true
      else visit.log.push({ level, message })
    },
    now: () => visit?.job.now ?? 0,
  }
}

/** What the event carried of what the host would be asked for. */
function carriedAnswer(visit: Visit, call: Call): Answer | undefined {
  const { carried } = visit.job
  if (carried === undefined || call.op !== 'get') return undefined
  const at = carried.findIndex(({ label, key }) => key === call.key && label === call.label)
  const found = carried[at]
  if (found === undefined) return undefined
  visit.used |= 1 << at
  return { kind: 'item', item: found.item }
}

/** Whether a name is short enough to be a key. */
export function fitsKey(name: string): boolean {
  return name.length <= KEY_BYTES_MAX && Buffer.byteLength(name) <= KEY_BYTES_MAX
}

function newVisit(job: CellJob): Visit {
  const counters = { logBytes: 0, logCut: false, effectBytes: 0, hostCalls: 0, failure: undefined, used: 0 }
  return { job, overlays: new Map(), outgoing: [], log: [], facts: [], ...counters }
}

function writesOf([label, space]: readonly [string, Overlay]): Write[] {
  return [...space.writes()].map(([key, write]) =>
    write === null ? { label, key, value: null } : { label, key, value: write.value, attributes: write.attributes },
  )
}
