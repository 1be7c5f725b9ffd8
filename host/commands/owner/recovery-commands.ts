/** The commands of recovery: a file under a passphrase, and the operator's backup key. */
import { type Command, InvalidArgumentError } from 'commander'

import { type At, DEVICE, placed } from './options.ts'
import { terminal } from './screen.ts'

const PASSPHRASE = ['--passphrase-file <file>', 'its first line is the passphrase'] as const

export function addRecoveryCommands(owner: Command, columns: number): void {
  const screen = terminal(columns)
  owner
    .command('recovery-file')
    .description('Write this device’s keys into a file under a passphrase: whoever opens it is this device.')
    .argument('<file>', 'the file to write; must be new')
    .requiredOption(...DEVICE)
    .requiredOption(...PASSPHRASE)
    .action(async (file: string, typed: { device: string; passphraseFile: string }) =>
      (await import('./recovery.ts')).makeRecoveryFile(file, typed, screen),
    )
  owner
    .command('recovery-show')
    .description('Say what anybody can read of a recovery file: whose it is, and where its account is.')
    .argument('<file>', 'the file')
    .action(async (file: string) => (await import('./recovery.ts')).showRecoveryFile(file, screen))
  placed(owner.command('recover'))
    .description('Be the device of a recovery file again, in a new folder.')
    .argument('<file>', 'the file')
    .requiredOption(...PASSPHRASE)
    .action(async (file: string, typed: At & { passphraseFile: string }) =>
      (await import('./recovery.ts')).recover(file, typed, screen),
    )
  placed(owner.command('backup'))
    .description('Opt into the operator’s backup key, or out: it is a reader of every version from then on.')
    .argument('<in|out>', 'which', parseSide)
    .action(async (isIn: boolean, typed: At) => (await import('./recovery.ts')).backup(isIn, typed, screen))
  addOperator(owner, columns)
}

function addOperator(owner: Command, columns: number): void {
  const screen = terminal(columns)
  owner
    .command('backup-fetch')
    .description('For the operator: copy what a vault keeps for the backup key, sealed, to carry it to the key.')
    .argument('<vault>', 'whose user opted in')
    .requiredOption('--data <dir>', 'the data folder; no host may be running on it')
    .requiredOption('--out <file>', 'the file to write; must be new')
    .action(async (vault: string, typed: { data: string; out: string }) =>
      (await import('./recovery.ts')).fetchBackup(vault, typed, screen),
    )
  owner
    .command('backup-open')
    .description('For the operator: open such a copy with the offline key, away from the host, for its user.')
    .argument('<file>', 'what backup-fetch wrote')
    .requiredOption('--key <file>', 'the private half: trellis instance backup-key made it')
    .requiredOption('--out <file>', 'entries in the clear, one JSON object per line; must be new')
    .action(async (file: string, typed: { key: string; out: string }) =>
      (await import('./recovery.ts')).openBackupCopy(file, typed, screen),
    )
  placed(owner.command('import'))
    .description('Write the entries of a backup that was opened into this account.')
    .argument('<file>', 'what backup-open wrote')
    .action(async (file: string, typed: At) => {
      const { readSecret } = await import('../vault/files.ts')
      const { importLines } = await import('./entries.ts')
      await importLines(new TextDecoder().decode(await readSecret(file)).split('\n'), typed, screen)
    })
}

function parseSide(text: string): boolean {
  if (text === 'in' || text === 'out') return text === 'in'
  throw new InvalidArgumentError('it is in or out.')
}
