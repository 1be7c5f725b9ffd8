/** Operations that run one after the other, until one fails: then none runs ever again. */
import { Refusal } from '#host/errors.ts'

export class Turns {
  readonly #what: string
  readonly #waiting = new Set<(reason: Refusal) => void>()
  #last: Promise<void> = Promise.resolve()
  #failure: Refusal | undefined

  /** `what` names the thing in messages. */
  constructor(what: string) {
    this.#what = what
  }

  get failure(): Refusal | undefined {
    return this.#failure
  }

  /** @throws Refusal `storage-failed`: this operation's failure, or that of one before it */
  run(work: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject)
      this.#last = this.#last.then(async () => {
        try {
          if (this.#failure !== undefined) throw this.#failure
          await work()
          resolve()
        } catch (cause) {
          this.#failure ??= new Refusal('storage-failed', `${this.#what}: ${messageOf(cause)}`, { cause })
          reject(this.#failure)
        } finally {
          this.#waiting.delete(reject)
        }
      })
    })
  }

  /** Rejects everything that waits, at once. What runs may still reach its end, unseen. */
  abandon(): void {
    this.#failure ??= new Refusal('storage-failed', `${this.#what} was abandoned: open it again`)
    for (const reject of this.#waiting) reject(this.#failure)
  }

  /** Resolves when everything asked for has ended; nothing runs after that. */
  async close(): Promise<void> {
    await this.#last
    this.#failure ??= new Refusal('storage-failed', `${this.#what} is closed: open it again`)
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
