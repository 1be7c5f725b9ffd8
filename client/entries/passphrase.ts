/** What a passphrase must be: long, and not one that is guessed first. */
import { Refusal } from '#host/errors.ts'

import { PASSPHRASE_CHARS_MAX, PASSPHRASE_CHARS_MIN, PASSPHRASE_DIFFERENT_MIN } from './limits.ts'

/** Every mistake, in words for its owner; none when it may be used. Equal text in another Unicode form is the same. */
export function passphraseMistakes(passphrase: string): string[] {
  const characters = Array.from(passphrase.normalize('NFC'))
  const mistakes: string[] = []
  if (characters.length < PASSPHRASE_CHARS_MIN) mistakes.push(`at least ${PASSPHRASE_CHARS_MIN} characters`)
  if (characters.length > PASSPHRASE_CHARS_MAX) mistakes.push(`at most ${PASSPHRASE_CHARS_MAX} characters`)
  if (new Set(characters).size < PASSPHRASE_DIFFERENT_MIN) {
    mistakes.push(`at least ${PASSPHRASE_DIFFERENT_MIN} different characters`)
  }
  if (isRun(characters)) mistakes.push('not a row like 123456789012 or abcdefghijkl')
  if (isRepeated(characters.join(''))) mistakes.push('not one short piece again and again')
  if (/\p{Cc}/u.test(passphrase) || !passphrase.isWellFormed()) mistakes.push('no control characters')
  if (passphrase.trim() !== passphrase) mistakes.push('no spaces at its ends')
  return mistakes
}

/** Its bytes, for the caller to wipe. @throws Refusal `recovery-invalid` naming every mistake */
export function parsePassphrase(passphrase: string): Uint8Array {
  const mistakes = passphraseMistakes(passphrase)
  if (mistakes.length > 0) throw new Refusal('recovery-invalid', `passphrase: ${mistakes.join('; ')}`)
  return new TextEncoder().encode(passphrase.normalize('NFC'))
}

/** Every character one after, or every one before, the last; digits go round. */
function isRun(characters: readonly string[]): boolean {
  const codes = characters.map((character) => character.codePointAt(0) ?? 0)
  return [1, -1].some((step) =>
    codes.every((code, index) => {
      if (index === 0) return true
      const difference = code - (codes[index - 1] as number)
      return difference === step || difference === -9 * step
    }),
  )
}

/** A piece of at most 4 characters, over and over. */
function isRepeated(text: string): boolean {
  return [1, 2, 3, 4].some((length) => {
    const piece = text.slice(0, length)
    return text.length > length && piece.repeat(Math.ceil(text.length / length)).startsWith(text)
  })
}
