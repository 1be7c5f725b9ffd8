/** Colours, when standard output is a terminal that shows them. */
import { styleText } from 'node:util'

type Format = Parameters<typeof styleText>[0]

function painter(format: Format): (text: string) => string {
  // Checks NO_COLOR, FORCE_COLOR and whether standard output is a terminal.
  return (text) => styleText(format, text, { stream: process.stdout })
}

export const paint = {
  title: painter('bold'),
  good: painter('green'),
  bad: painter('red'),
  soft: painter('dim'),
  name: painter('cyan'),
} as const
