import { err, granted } from './world.ts'

export function notifyOwner(type: string, body: Uint8Array): void {
  post('owner', type, body)
}

export function emit(type: string, body: Uint8Array): void {
  post('connection', type, body)
}

export function send(to: string, type: string, body: Uint8Array): void {
  const { reaches } = granted()
  if (!Object.hasOwn(reaches, to) || reaches[to]?.includes(type) !== true) throw err('unavailable')
  post(to, type, body)
}

function post(to: string, type: string, body: Uint8Array): void {
  granted().sent.push({ to, type, body: JSON.parse(new TextDecoder().decode(body)) as unknown })
}
