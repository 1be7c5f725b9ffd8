import { err, granted } from './world.ts'

export function notifyOwner(type: string, body: Uint8Array): void {
  put('owner', type, body)
}

export function emit(type: string, body: Uint8Array): void {
  put('connection', type, body)
}

function put(to: 'owner' | 'connection', type: string, body: Uint8Array): void {
  const { outbox } = granted()
  if (outbox === null) throw err('unavailable')
  outbox.push({ to, type, body })
}
