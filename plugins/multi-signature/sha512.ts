/** SHA-512 (FIPS 180-4), for messages of a few kilobytes: the world of a handler has no hash. */

const WORD = (1n << 64n) - 1n
const BLOCK_BYTES = 128
const ROUNDS = 80

/** The first 64 bits behind the point of the cube roots of the first 80 primes, and of the square roots of 8. */
const primes = firstPrimes(ROUNDS)
const constants = primes.map((prime) => floorRoot(prime << 192n, 3n) & WORD)
const start = primes.slice(0, 8).map((prime) => floorRoot(prime << 128n, 2n) & WORD)

export function sha512(message: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil((message.length + 17) / BLOCK_BYTES) * BLOCK_BYTES)
  padded.set(message)
  padded[message.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setBigUint64(padded.length - 8, BigInt(message.length) * 8n)
  let state = start
  for (let at = 0; at < padded.length; at += BLOCK_BYTES) state = compress(state, view, at)
  const digest = new Uint8Array(64)
  const out = new DataView(digest.buffer)
  state.forEach((word, index) => out.setBigUint64(8 * index, word))
  return digest
}

function compress(state: readonly bigint[], view: DataView, from: number): bigint[] {
  const words: bigint[] = []
  const word = (index: number): bigint => words[index] ?? 0n
  for (let t = 0; t < ROUNDS; t++) {
    if (t < 16) words.push(view.getBigUint64(from + 8 * t))
    else
      words.push(
        (small(word(t - 2), 19n, 61n, 6n) + word(t - 7) + small(word(t - 15), 1n, 8n, 7n) + word(t - 16)) & WORD,
      )
  }
  let [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n, g = 0n, h = 0n] = state
  for (let t = 0; t < ROUNDS; t++) {
    const choice = (e & f) ^ (~e & WORD & g)
    const majority = (a & b) ^ (a & c) ^ (b & c)
    const one = h + big(e, 14n, 18n, 41n) + choice + (constants[t] ?? 0n) + word(t)
    const two = big(a, 28n, 34n, 39n) + majority
    ;[h, g, f, e, d, c, b, a] = [g, f, e, (d + one) & WORD, c, b, a, (one + two) & WORD]
  }
  return [a, b, c, d, e, f, g, h].map((value, index) => (value + (state[index] ?? 0n)) & WORD)
}

function turn(word: bigint, by: bigint): bigint {
  return (word >> by) | ((word << (64n - by)) & WORD)
}

function big(word: bigint, one: bigint, two: bigint, three: bigint): bigint {
  return turn(word, one) ^ turn(word, two) ^ turn(word, three)
}

function small(word: bigint, one: bigint, two: bigint, shift: bigint): bigint {
  return turn(word, one) ^ turn(word, two) ^ (word >> shift)
}

function firstPrimes(count: number): bigint[] {
  const found: bigint[] = []
  for (let candidate = 2n; found.length < count; candidate++) {
    if (found.every((prime) => candidate % prime !== 0n)) found.push(candidate)
  }
  return found
}

/** The largest whole number whose power is not over `value`. */
function floorRoot(value: bigint, degree: bigint): bigint {
  let [low, high] = [0n, 1n << 80n]
  while (high - low > 1n) {
    const middle = (low + high) >> 1n
    if (middle ** degree <= value) low = middle
    else high = middle
  }
  return low
}
