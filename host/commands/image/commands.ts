/** `trellis image …`: make, read, check and compare images. Each subcommand is loaded when typed. */
import { type Command, Option } from 'commander'

import { eachOption, parseWhole, someOption } from '../usage.ts'
import type { BuildOptions } from './build.ts'
import { addEifCommands } from './eif-commands.ts'
import type { SignOptions } from './sign.ts'

const FOLDER = ['<dir>', 'the image’s folder'] as const
const JSON_OPTION = ['--json', 'for programs'] as const

interface Json {
  readonly json?: boolean
}

/** Adds the commands. `columns` is the width to print for. */
export function addImageCommands(program: Command, columns: number): void {
  const image = program.command('image').description('Images: every file that may run, listed and measured.')
  image
    .command('build')
    .description('Put all that runs into a new image: handlers, manifests, world, the host, what boots it.')
    .requiredOption('--out <dir>', 'an empty folder, or an image to replace')
    .option('--components <dir>', 'take the components of a release from here and build none')
    .option('--pins <file>', 'refuse components that are not these: JSON of SHA-384 by handler')
    .option('--release <number>', 'what it is released as; rises with every release', parseWhole)
    .addOption(eachOption('--release-key <hex>', 'whose releases may follow it; give each'))
    .option('--minimum-release <number>', 'no release below this may follow it', parseWhole)
    .option(...JSON_OPTION)
    .action(async ({ out, json = false, ...from }: Json & Omit<BuildOptions, 'columns' | 'json'> & { out: string }) => {
      const { build } = await import('./build.ts')
      await build(out, { json, columns, ...from })
    })
  image
    .command('sign')
    .description('Make a release of it: an entry of the release log, signed by two keys.')
    .argument(...FOLDER)
    .requiredOption('--log <file>', 'the release log; begun when it is not there')
    .requiredOption('--version <text>', 'what people call it')
    .addOption(someOption('--key <file>', 'a signing key; give two'))
    .addOption(new Option('--notes <text>', 'what is new, for owners to read').default('', 'nothing'))
    .addOption(eachOption('--measurement <hex>', 'what it measures to in an enclave; give each'))
    .action(async (folder: string, options: SignOptions) => {
      const { sign } = await import('./sign.ts')
      await sign(folder, options)
    })
  image
    .command('inspect')
    .description('Say what is in it: handlers, files, both roots, the measurement.')
    .argument(...FOLDER)
    .option('--pins', 'the digest of each component alone, for image build --pins')
    .option(...JSON_OPTION)
    .action(async (folder: string, { json = false, pins = false }: Json & { pins?: boolean }) => {
      const { inspect, printPins } = await import('./inspect.ts')
      await (pins ? printPins(folder) : inspect(folder, { json, columns }))
    })
  image
    .command('verify')
    .description('Check that every file is what was listed and nothing else is there; exit 1 names the file.')
    .argument(...FOLDER)
    .option(...JSON_OPTION)
    .action(async (folder: string, { json = false }: Json) => {
      const { verify } = await import('./inspect.ts')
      await verify(folder, { json })
    })
  image
    .command('diff')
    .description('What changes for an owner: handlers, what each may do, limits; exit 1 when anything did.')
    .argument('<from>', 'the image that runs')
    .argument('<to>', 'the image that would')
    .option(...JSON_OPTION)
    .action(async (from: string, to: string, { json = false }: Json) => {
      const { diff } = await import('./diff.ts')
      process.exitCode = (await diff([from, to], { json })) ? 0 : 1
    })
  image
    .command('prove')
    .description('Print the proof that a handler, by manifest and component, is in it.')
    .argument('<handler>', 'its id')
    .requiredOption('--image <dir>', 'the image’s folder')
    .action(async (handler: string, options: { image: string }) => {
      const { prove } = await import('./prove.ts')
      await prove(options.image, handler)
    })
  addEifCommands(image)
}
