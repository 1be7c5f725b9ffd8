/** `trellis image eif …`: Enclave Image Files. */
import { type Command, Option } from 'commander'

import { parseWhole } from '../usage.ts'
import type { EifOptions } from './eif.ts'

/** What AWS's own tools boot a kernel with. */
const CMDLINE = 'reboot=k panic=30 pci=off nomodules console=ttyS0 random.trust_cpu=on root=/dev/ram0'
const RUNTIME = new Option('--runtime <file>', 'the program that the image lists as its runtime').default(
  process.execPath,
  'the one that runs this',
)
const JSON_OPTION = ['--json', 'for programs'] as const

interface Json {
  readonly json?: boolean
}

/** Adds the commands below `trellis image`. */
export function addEifCommands(image: Command): void {
  const eif = image.command('eif').description('Enclave Image Files: what a Nitro enclave boots, and measures to.')
  eif
    .command('measure')
    .description('Print PCR0, 1 and 2, and 8 where it is signed; exit 1 says what is wrong with the file.')
    .argument('<file>', 'an .eif')
    .option(...JSON_OPTION)
    .action(async (file: string, { json = false }: Json) => {
      const { measureEifFile } = await import('./eif.ts')
      process.exitCode = (await measureEifFile(file, { json })) ? 0 : 1
    })
  eif
    .command('build')
    .description('Pack an image for an enclave. The same inputs give the same file; untested on hardware.')
    .argument('[words...]', 'what the host is started with, after --')
    .requiredOption('--image <dir>', 'an image that brings its host')
    .requiredOption('--kernel <file>', 'the kernel, as AWS ships it')
    .requiredOption('--init <file>', 'the first ramdisk, as AWS ships it: init and the security module’s driver')
    .requiredOption('--out <file>', 'the .eif to write')
    .addOption(RUNTIME)
    .option('--cmdline <text>', 'the kernel’s command line', CMDLINE)
    .option('--memory <MiB>', 'of an enclave whose parent says nothing else', parseWhole, 2_048)
    .option('--cpus <number>', 'of an enclave whose parent says nothing else', parseWhole, 2)
    .option(...JSON_OPTION)
    .action(async (run: readonly string[], { json = false, ...options }: Json & Omit<EifOptions, 'run'>) => {
      const { buildEif } = await import('./eif.ts')
      process.exitCode = (await buildEif({ ...options, run }, { json })) ? 0 : 1
    })
}
