/** Handles: the guest holds a number, the host its object. */
import type { Codec } from './codec.ts'
import { type Context, numberAt } from './context.ts'
import { addBorrow, addOwn, GuestResource, lend, takeOwn } from './handles.ts'
import type { ResourcePlan } from './plan.ts'
import { lied } from './trap.ts'

export function handleCodec(kind: 'own' | 'borrow', resource: number, owner: ResourcePlan['owner'] | undefined): Codec {
  const home = owner?.kind === 'guest' ? owner.component : undefined
  const lift = ({ component, run }: Context, handle: number): object =>
    kind === 'own' ? takeOwn(component, handle, resource) : lend(component, run, handle, resource)
  const lower = ({ component }: Context, value: unknown): number => {
    const held = checkValue(value, resource, home !== undefined)
    if (kind === 'own') return addOwn(component, resource, held)
    // A component gets a borrow of its own resource as the representation.
    if (component.index === home && held instanceof GuestResource) return held.rep
    return addBorrow(component, resource, held)
  }
  return {
    load: (context, at) => lift(context, context.view.getUint32(at, true)),
    store: (context, value, at) => context.view.setUint32(at, lower(context, value), true),
    lift: (context, flat, at) => lift(context, numberAt(flat, at)),
    lower: (context, value, flat, at) => {
      flat[at] = lower(context, value)
    },
  }
}

function checkValue(value: unknown, resource: number, isGuests: boolean): object {
  const isRight = isGuests ? value instanceof GuestResource && value.resource === resource : true
  if (typeof value !== 'object' || value === null || !isRight) throw lied('a resource is expected')
  return value
}
