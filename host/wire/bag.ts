/** Objects that hold keys chosen by others. */

/** Nothing is inherited from it, so `__proto__` and `constructor` are keys like any other. */
export const bagPrototype: object = Object.freeze(Object.create(null))

// A constructor keeps V8's fast property layout, which `Object.create(null)` gives up.
function Bag(this: object): void {}
Bag.prototype = bagPrototype

/** An empty object on which every key is an own, ordinary property. */
export function emptyBag<T>(): Record<string, T> {
  return Reflect.construct(Bag, []) as Record<string, T>
}
