/**
 * SQL over what a vault holds, for its owner's searches and reports: a projection in memory, made when it is asked for,
 * dropped when nobody asks. It is never the source of truth and never leaves the process.
 */
import { setImmediate as others } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'

import { Refusal } from '#host/errors.ts'
import { VIEW_ANSWER_MS_MAX, VIEW_IDLE_MS, VIEWS_MAX } from './limits.ts'
import type { Query } from './view-statements.ts'
import type { ViewAnswer, ViewTask } from './view-worker.ts'

export type ViewRow = readonly (string | number | Uint8Array | null)[]

/** What a view is made of. */
export interface ViewSource {
  readonly vault: string
  /** Changes whenever the projection would: a view of another version is built anew. */
  readonly version: number
  /** Packed rows, a part at a time. */
  project(): Iterable<Uint8Array>
}

export interface Views extends AsyncDisposable {
  /** Views that are there now. */
  readonly count: number
  /** @throws Refusal `busy` when the view's thread ended or took too long: ask again */
  select(source: ViewSource, query: Query): Promise<readonly ViewRow[]>
  /** Frees the memory of all views; the next question builds its own. */
  drop(): Promise<void>
}

export function openViews(): Views {
  const views = new Map<string, View>()

  async function remove(vault: string): Promise<void> {
    const view = views.get(vault)
    views.delete(vault)
    await view?.end()
  }
  function viewOf(vault: string): View {
    const view =
      views.get(vault) ??
      startView((ended) => {
        if (views.get(vault) === ended) void remove(vault)
      })
    views.delete(vault)
    views.set(vault, view)
    const oldest = views.keys().next().value
    if (views.size > VIEWS_MAX && oldest !== undefined) void remove(oldest)
    return view
  }
  async function drop(): Promise<void> {
    await Promise.all([...views.keys()].map(remove))
  }
  return {
    get count() {
      return views.size
    },
    select: (source, query) => viewOf(source.vault).select(source, query),
    drop,
    [Symbol.asyncDispose]: drop,
  }
}

interface View {
  select(source: ViewSource, query: Query): Promise<readonly ViewRow[]>
  end(): Promise<void>
}

/** One thread. `over` is called when it is of no further use. */
function startView(gone: (view: View) => void): View {
  const waiting = new Map<number, PromiseWithResolvers<readonly ViewRow[]>>()
  const thread = new Worker(new URL('./view-worker.ts', import.meta.url), { env: {}, argv: [] })
  let count = 0
  let built: number | undefined
  let turn = Promise.resolve()
  const over = (): void => gone(view)
  const idle = setTimeout(over, VIEW_IDLE_MS).unref()

  function fail(): void {
    clearTimeout(idle)
    for (const { reject } of waiting.values()) reject(new Refusal('busy', 'the view ended: ask again'))
    waiting.clear()
  }
  thread.unref()
  thread.on('message', ({ task, rows }: ViewAnswer) => {
    waiting.get(task)?.resolve(rows)
    waiting.delete(task)
    if (waiting.size === 0) thread.unref()
  })
  // What it failed of is told by the exit that follows.
  thread.on('error', () => undefined)
  thread.on('exit', () => {
    fail()
    over()
  })
  const post = (task: ViewTask): void => thread.postMessage(task)

  /** Others work between its parts: the whole of a large vault would stop every other for tens of milliseconds. */
  async function build(source: ViewSource): Promise<void> {
    if (built === source.version) return
    built = source.version
    post({ kind: 'begin' })
    for (const packed of source.project()) {
      post({ kind: 'rows', packed })
      await others()
    }
    post({ kind: 'end' })
  }

  const view: View = {
    async select(source, { sql, values }) {
      idle.refresh()
      thread.ref()
      const answer = Promise.withResolvers<readonly ViewRow[]>()
      const task = (count += 1)
      waiting.set(task, answer)
      const late = setTimeout(() => void thread.terminate(), VIEW_ANSWER_MS_MAX)
      // One build after the other: two at a time would fill one database twice.
      turn = turn.then(() => build(source)).then(() => post({ kind: 'ask', task, sql, values }))
      turn.catch((error: unknown) => {
        answer.reject(error)
        over()
      })
      return answer.promise.finally(() => clearTimeout(late))
    },
    async end() {
      fail()
      await thread.terminate()
    },
  }
  return view
}
