/** `trellis instance …`: what is the same for all vaults of a host. No host may be running on the folder. */
import { type Command, Option } from 'commander'

const DATA = ['--data <dir>', 'the data folder; no host may be running on it'] as const

/** Adds the commands of whoever runs the host. */
export function addInstanceCommands(program: Command): void {
  const instance = program
    .command('instance')
    .description('What is the same for all vaults of a host: sign-ups, the operator’s backup key, session tokens.')
  instance
    .command('show')
    .description('Say whether sign-ups are open, and which backup key there is.')
    .requiredOption(...DATA)
    .action(async ({ data }: { data: string }) => {
      const { showInstance } = await import('./instance/row.ts')
      await showInstance(data)
    })
  instance
    .command('set')
    .description('Change the row; what is not named stays.')
    .requiredOption(...DATA)
    .addOption(new Option('--sign-ups <state>', 'whether new accounts may be made').choices(['open', 'closed']))
    .option('--backup-key <file>', 'its public half, 1,216 bytes')
    .option('--no-backup-key', 'offer no backup any more')
    .option('--new-token-key', 'end every session there is')
    .action(async (options: InstanceTyped, command: Command) => {
      const { changeInstance, isChange } = await import('./instance/row.ts')
      if (!isChange(options))
        return command.error('error: say what to change: --sign-ups, --backup-key, --no-backup-key, --new-token-key')
      await changeInstance(options)
    })
  instance
    .command('backup-key')
    .description('Make the key pair of the operator’s backup. Do it on a machine that is no host, and keep it offline.')
    .argument('<private>', 'file for the private half; must be new')
    .argument('<public>', 'file for the public half; must be new')
    .action(async (secret: string, open: string) => {
      const { makeBackupKey } = await import('./instance/row.ts')
      await makeBackupKey({ secret, open })
    })
}

interface InstanceTyped {
  readonly data: string
  readonly signUps?: 'open' | 'closed'
  /** `true` when nothing is said, `false` when none is wanted. */
  readonly backupKey?: string | boolean
  readonly newTokenKey?: boolean
}
