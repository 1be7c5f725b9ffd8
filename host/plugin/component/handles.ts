/** Handle tables. Source: component-model, CanonicalABI.md, "Resource State" and "canon resource.*". */
import { HANDLES_MAX } from '#host/plugin/limits.ts'

import { lied, Trap } from './trap.ts'

/** A resource the guest defines itself: the host sees this in its place. */
export class GuestResource {
  readonly rep: number
  readonly resource: number

  constructor(rep: number, resource: number) {
    this.rep = rep
    this.resource = resource
  }
}

export interface Handle {
  readonly resource: number
  /** The host's object, or a `GuestResource`. */
  readonly value: object
  readonly isOwn: boolean
  /** Calls in progress that borrow through it. */
  lends: number
}

/** The state of one component instance. No call enters it twice at a time, so that one count of borrows is enough. */
export interface ComponentState {
  readonly index: number
  /** Index 0 is never a handle. */
  readonly handles: (Handle | undefined)[]
  readonly free: number[]
  /** Borrowed handles the current call has yet to drop. */
  borrows: number
  mayEnter: boolean
  mayLeave: boolean
  /** `context.get` and `context.set`: two words per call. */
  readonly words: [number, number]
}

export function openComponent(index: number): ComponentState {
  return { index, handles: [undefined], free: [], borrows: 0, mayEnter: true, mayLeave: true, words: [0, 0] }
}

function addHandle(state: ComponentState, handle: Handle): number {
  const index = state.free.pop() ?? state.handles.length
  if (index > HANDLES_MAX) throw new Trap('memory', `more than ${HANDLES_MAX} handles`)
  state.handles[index] = handle
  return index
}

function removeHandle(state: ComponentState, index: number): void {
  state.handles[index] = undefined
  state.free.push(index)
}

function handleAt(state: ComponentState, index: number, resource: number): Handle {
  const handle = state.handles[index >>> 0]
  if (handle === undefined) throw lied(`handle ${index >>> 0} is not held`)
  if (handle.resource !== resource) throw lied(`handle ${index >>> 0} is of another resource`)
  return handle
}

export function addOwn(state: ComponentState, resource: number, value: object): number {
  return addHandle(state, { resource, value, isOwn: true, lends: 0 })
}

/** The guest must drop it before the call ends. */
export function addBorrow(state: ComponentState, resource: number, value: object): number {
  state.borrows += 1
  return addHandle(state, { resource, value, isOwn: false, lends: 0 })
}

/** Takes an owned handle away from the guest. */
export function takeOwn(state: ComponentState, index: number, resource: number): object {
  const handle = handleAt(state, index, resource)
  if (!handle.isOwn) throw lied(`handle ${index} is borrowed and cannot be given away`)
  if (handle.lends > 0) throw lied(`handle ${index} is lent and cannot be given away`)
  removeHandle(state, index >>> 0)
  return handle.value
}

/** Handles lent to calls in progress, innermost last. */
export interface Loans {
  readonly lent: { lends: number }[]
}

/** Lends a handle for the call in progress; `returnLent` ends it. */
export function lend(state: ComponentState, loans: Loans, index: number, resource: number): object {
  const handle = handleAt(state, index, resource)
  handle.lends += 1
  loans.lent.push(handle)
  return handle.value
}

export function returnLent({ lent }: Loans, from: number): void {
  while (lent.length > from) {
    const handle = lent.pop()
    if (handle !== undefined) handle.lends -= 1
  }
}

/** @returns the value when an owned handle ended, so that it can be disposed of */
export function dropHandle(state: ComponentState, index: number, resource: number): object | undefined {
  const handle = handleAt(state, index, resource)
  if (handle.lends > 0) throw lied(`handle ${index} is lent and cannot be dropped`)
  removeHandle(state, index >>> 0)
  if (handle.isOwn) return handle.value
  state.borrows -= 1
  return undefined
}

/** The representation behind a handle of the guest's own resource. */
export function repOf(state: ComponentState, index: number, resource: number): number {
  const { value } = handleAt(state, index, resource)
  if (!(value instanceof GuestResource)) throw lied(`handle ${index} has no representation`)
  return value.rep
}

/** Tells a host object that nobody holds it any more. */
export function disposeOf(value: Partial<Disposable>): void {
  value[Symbol.dispose]?.()
}
