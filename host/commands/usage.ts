/** What commands take, and what is said on wrong usage: one line, with what to type next. */
import { type Command, InvalidArgumentError, Option } from 'commander'

import type { Refusal } from '#host/errors.ts'
import { IMAGE_FOLDER } from './image.ts'

/** The exit code of what was typed wrongly, and of a file that was named and cannot be used. */
export const WRONG_USAGE = 2

/** 1 is a no: something was judged, and refused. */
export function exitCodeOf({ code }: Refusal): number {
  return code === 'input-invalid' ? WRONG_USAGE : 1
}

/** For commander's `configureOutput`. `next` is a command that helps. */
export function usageLine(next: string): { outputError(text: string, write: (line: string) => void): void } {
  return { outputError: (text, write) => write(`${oneLine(text)}; ${next}\n`) }
}

/** Wrong usage of a command, or of any below it, names the help that says more. */
export function tellUsage(command: Command, path = command.name()): void {
  command.configureOutput(usageLine(`trellis ${path} --help says more`))
  for (const each of command.commands) tellUsage(each, `${path} ${each.name()}`)
}

/** An option that is given once for each. */
export function eachOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(add).default([], 'none')
}

/** The same, given once at least. */
export function someOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(add).makeOptionMandatory()
}

/** Which image; without it, the one that this repository's build makes. */
export function imageOption(description: string): Option {
  return new Option('--image <dir>', description).default(IMAGE_FOLDER, 'what npm run build:plugins made')
}

/** Parses a whole number, of an option or an argument. */
export function parseWhole(text: string): number {
  if (/^\d{1,15}$/u.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a whole number.')
}

function add(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

/** Commander's words, and its suggestion if it has one. */
function oneLine(text: string): string {
  return text
    .trim()
    .replace(/^error:/, 'trellis:')
    .replace(/\.$/, '')
    .replaceAll('\n', ' ')
}
