import { granted } from './world.ts'

export function current(): { tag: 'none' } | { tag: 'yes' } | { tag: 'chosen'; val: string } {
  return granted().answer
}
