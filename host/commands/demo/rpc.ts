/** Calls across a process border: the same interface on both sides, plain data in between. */
import type { ChildProcess } from 'node:child_process'

interface Call {
  readonly id: number
  readonly method: string
  readonly args: readonly unknown[]
}

type Result = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: string }

type Methods = Readonly<Record<string, (...args: never[]) => Promise<unknown>>>

/** The other process's methods, called here. A method that throws there throws here, with its message. */
export function callIn(child: ChildProcess): object {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  let next = 0
  child.on('message', (message) => {
    const result = message as Result
    const call = waiting.get(result.id)
    waiting.delete(result.id)
    if ('error' in result) call?.reject(new Error(result.error))
    else call?.resolve(result.value)
  })
  child.once('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('the other process ended'))
  })
  const call = (method: string, args: readonly unknown[]): Promise<unknown> => {
    const waiter = Promise.withResolvers<unknown>()
    const id = next++
    waiting.set(id, waiter)
    child.send({ id, method, args } satisfies Call)
    return waiter.promise
  }
  return new Proxy(
    {},
    {
      get:
        (_, method) =>
        (...args: unknown[]) =>
          call(String(method), args),
    },
  )
}

/** Answers the parent's calls with these methods. */
export function answerParent(methods: object): void {
  const table = methods as Methods
  process.on('message', (message) => {
    const { id, method, args } = message as Call
    const run = Object.hasOwn(table, method) ? table[method] : undefined
    const result = run ? run(...(args as never[])) : Promise.reject(new Error(`no method ${method}`))
    result.then(
      (value) => process.send?.({ id, value } satisfies Result),
      (error: unknown) => process.send?.({ id, error: String(error) } satisfies Result),
    )
  })
}
