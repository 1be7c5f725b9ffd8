/** The type of values in vine-CBOR: see cbor.ts. */

/** What vine-CBOR holds. A bigint is for integers outside ±(2^53 − 1); inside, it reads back as a number. */
export type Cbor =
  | number
  | bigint
  | string
  | boolean
  | null
  | Uint8Array
  | readonly Cbor[]
  | ReadonlyMap<number | string, Cbor>
  | { readonly [key: string]: Cbor }
