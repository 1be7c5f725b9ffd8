/** `trellis vault …`: the vaults of a data folder, without a host. Each subcommand is a file of its own. */
import { type Command, Option } from 'commander'

import { imageOption } from './usage.ts'
import type { CreateOptions } from './vault/create.ts'
import { addOrders } from './vault/orders.ts'

const DATA = ['--data <dir>', 'the data folder; no host may be running on it'] as const
const PASSPHRASE = ['--passphrase-file <file>', 'its first line is the passphrase'] as const

interface ExportTyped {
  readonly data: string
  readonly out: string
  readonly recipient?: string
  readonly passphraseFile?: string
}

/** Adds the commands of whoever runs the host. `columns` is the width to print for. */
export function addVaultCommands(program: Command, columns: number): void {
  const vault = program
    .command('vault')
    .description('Make, list, check, back up and restore vaults, without a host; protect and move them, with one.')
  addCreate(vault)
  vault
    .command('list')
    .description('One line per vault: what it holds, and how far its journal reaches.')
    .requiredOption(...DATA)
    .action(async ({ data }: { data: string }) => {
      const { listVaults } = await import('./vault/list.ts')
      await listVaults(data, columns)
    })
  vault
    .command('verify')
    .description('Check every frame, the chain, the attributes and the audit trail; one line per vault.')
    .argument('[id]', 'one vault; all of them if it is not said')
    .requiredOption(...DATA)
    .action(async (id: string | undefined, { data }: { data: string }) => {
      const { verifyVaults } = await import('./vault/verify.ts')
      process.exitCode = (await verifyVaults(data, id)) ? 0 : 1
    })
  addExport(vault)
  addImport(vault)
  addOrders(vault)
}

function addCreate(vault: Command): void {
  vault
    .command('create')
    .description('Make a vault and say its fingerprint, which its owner’s devices and its invitations need.')
    .argument('<id>', '1 to 64 of a-z 0-9 _ -')
    .requiredOption('--data <dir>', 'the data folder; made when it is not there')
    .option('--device <name>', 'the owner’s first device', 'phone')
    .addOption(new Option('--device-key <file>', 'its verify key, 1,984 bytes').conflicts('newDeviceKey'))
    .option('--new-device-key <file>', 'make a signing key, and keep its seed in this file')
    .option('--protect <file>', 'have it open for the image and this secret alone: drawn if the file is not there')
    .option('--pin', 'with --protect: ask for a PIN besides, or read it from stdin')
    .addOption(imageOption('with --protect: the image that will run'))
    .action(async (id: string, options: CreateOptions, command: Command) => {
      if (options.deviceKey === undefined && options.newDeviceKey === undefined)
        return command.error('error: say whose vault it is: --device-key FILE or --new-device-key FILE')
      if (options.pin === true && options.protect === undefined)
        return command.error('error: a PIN is for a protected vault: --protect FILE')
      const { createVault } = await import('./vault/create.ts')
      await createVault(id, options)
    })
}

function addExport(vault: Command): void {
  vault
    .command('export')
    .description('Write all a vault holds into one encrypted file (age), for its owner to keep.')
    .argument('<id>', 'the vault')
    .requiredOption(...DATA)
    .requiredOption('--out <file>', 'the file to write; must be new')
    .addOption(new Option('--recipient <age1…>', 'who may open it').conflicts('passphraseFile'))
    .option(...PASSPHRASE)
    .action(async (id: string, { data, out, recipient, passphraseFile }: ExportTyped, command: Command) => {
      if (recipient === undefined && passphraseFile === undefined)
        return command.error('error: say who may open it: --recipient or --passphrase-file')
      const { exportVault } = await import('./vault/export.ts')
      await exportVault(id, { data, out, recipient, passphraseFile })
    })
}

function addImport(vault: Command): void {
  vault
    .command('import')
    .description('Put the vault of an export in place, all of it or nothing. Its old host must not run it any more.')
    .argument('<file>', 'what trellis vault export wrote')
    .requiredOption('--data <dir>', 'the data folder; made when it is not there')
    .addOption(new Option('--identity-file <file>', 'an age identity file').conflicts('passphraseFile'))
    .option(...PASSPHRASE)
    .action(
      async (
        file: string,
        { data, identityFile, passphraseFile }: { data: string; identityFile?: string; passphraseFile?: string },
        command: Command,
      ) => {
        if (identityFile === undefined && passphraseFile === undefined)
          return command.error('error: say what opens it: --identity-file or --passphrase-file')
        const { importVault } = await import('./vault/import.ts')
        await importVault(file, { data, identityFile, passphraseFile })
      },
    )
}
