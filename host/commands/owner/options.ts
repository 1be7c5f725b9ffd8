/** What every owner's command takes: the device, and the way to its vault. */
import { type Command, Option } from 'commander'

import { parseCount } from './input.ts'
import type { Place } from './reach.ts'

export const DEVICE = ['--device <dir>', 'the device: its keys and what it remembers'] as const

/** What was typed. */
export type At = Place & { readonly device: string }

/** Options of every command that speaks with the vault. */
export function placed(command: Command): Command {
  return command
    .requiredOption(...DEVICE)
    .addOption(new Option('--nats <url>', 'a host that runs, over this NATS server').conflicts('data'))
    .option('--space <name>', 'the prefix that the host was started with')
    .option('--data <dir>', 'a data folder that no host runs on: it is hosted for this command')
    .option('--image <dir>', 'what that host runs; the image of trellis up if it is not said')
    .addOption(new Option('--wait <seconds>', 'how long the vault may take to answer').argParser(parseCount))
}
