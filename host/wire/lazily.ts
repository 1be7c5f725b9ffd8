/** Made when it is first asked for, once; what it is made from is let go of then. */
export function lazily<T>(make: () => T): () => T {
  let state: { readonly make: () => T } | { readonly value: T } = { make }
  return () => {
    if ('make' in state) state = { value: state.make() }
    return state.value
  }
}
