/** Things that arrive before or after somebody waits for them, in order. */
export interface Mailbox<T> {
  readonly put: (item: T) => void
  readonly take: () => Promise<T>
}

export function mailbox<T>(): Mailbox<T> {
  const items: T[] = []
  const waiting: ((item: T) => void)[] = []
  return {
    put(item) {
      const taker = waiting.shift()
      if (taker) taker(item)
      else items.push(item)
    },
    take() {
      const item = items.shift()
      return item === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(item)
    },
  }
}
