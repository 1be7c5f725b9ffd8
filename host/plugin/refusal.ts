/** Refusals that a handler caused: with what it said, and with what it logged before. */
import { Refusal, type RefusalCode } from '#host/errors.ts'

import type { LogLine } from './port.ts'

interface FailureOptions {
  readonly log?: readonly LogLine[]
  readonly hostCalls?: number
}

/** A call that ended badly. Nothing of it happened. */
export class HandlerFailure extends Refusal {
  /** For the operator; bounded by the manifest. */
  readonly log: readonly LogLine[]
  /** Calls it made until then; 0 when its cell did not live to tell. */
  readonly hostCalls: number

  constructor(code: RefusalCode, message: string, options: FailureOptions & { cause?: unknown } = {}) {
    super(code, message, options.cause === undefined ? {} : { cause: options.cause })
    this.log = options.log ?? []
    this.hostCalls = options.hostCalls ?? 0
  }
}

/** The handler's own no, for the asker to read. */
export interface HandlerAnswer {
  /** Kebab-case, without the `handler/` prefix. */
  readonly code: string
  readonly message: string
  readonly retry: boolean
}

/** `handler-refused`: the handler ran well and declined. */
export class HandlerRefusal extends HandlerFailure {
  readonly answer: HandlerAnswer

  constructor(answer: HandlerAnswer, options: FailureOptions = {}) {
    super('handler-refused', `handler/${answer.code}: ${answer.message}`, options)
    this.answer = answer
  }
}
