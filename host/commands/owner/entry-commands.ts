/** The commands of entries: written, read, listed, kept in versions, shared. */
import { type Command, Option } from 'commander'

import type { Said } from './entries.ts'
import { content, parseCount } from './input.ts'
import { type At, placed } from './options.ts'
import { type Screen, terminal } from './screen.ts'

const ENTRY = ['<entry>', 'its id'] as const
const JSON_LINES = ['--json', 'as JSON, one object per line'] as const

export function addEntryCommands(owner: Command, columns: number): void {
  const screen = terminal(columns)
  addWriting(owner, screen)
  addReading(owner, screen)
  addVersions(owner, screen)
  addSharing(owner, screen)
}

interface SaidTyped {
  readonly title?: string
  readonly kind?: string
  readonly url?: readonly string[]
  readonly contentFile?: string
  readonly handlers?: boolean
}

function saying(command: Command): Command {
  return command
    .option('--kind <kind>', 'note, login, card, identity, credential, profile-field, or one of your own')
    .option('--url <url…>', 'where it is offered; may be said again', collect)
    .option('--content-file <file>', 'what is in it; - is standard input')
}

function collect(url: string, before: readonly string[] = []): readonly string[] {
  return [...before, url]
}

async function saidOf({ title, kind, url, contentFile, handlers }: SaidTyped): Promise<Said> {
  return {
    ...(title !== undefined && { title }),
    ...(kind !== undefined && { kind }),
    ...(url !== undefined && { url }),
    ...(contentFile !== undefined && { content: await content(contentFile) }),
    ...(handlers !== undefined && { handlers }),
  }
}

function addWriting(owner: Command, screen: Screen): void {
  saying(placed(owner.command('add')))
    .description('Write an entry, and print its id. Content is of a file or standard input: never of the command line.')
    .requiredOption('--title <title>', 'what a list shows')
    .option('--handlers', 'handlers of the vault may use it')
    .action(async ({ title, ...typed }: At & SaidTyped & { title: string }) => {
      const { contentFile = '-' } = typed
      const said = await saidOf({ ...typed, contentFile })
      await (await import('./entries.ts')).add({ ...placeOf(typed), ...said, title }, screen)
    })
  saying(placed(owner.command('edit')))
    .description('Write the next version. What is not said stays; who was first is followed, unless --from is said.')
    .argument(...ENTRY)
    .option('--title <title>', 'what a list shows')
    .addOption(new Option('--from <version>', 'only if this version is current').argParser(parseCount))
    .option('--handlers', 'handlers of the vault may use it')
    .option('--no-handlers', 'and no more')
    .action(async (entry: string, typed: At & SaidTyped & { from?: number }, command: Command) => {
      // Commander takes `--no-handlers` as true by default: what was not typed is not said.
      const { handlers, ...rest } = typed
      const isSaid = command.getOptionValueSource('handlers') === 'cli'
      const said = await saidOf({ ...rest, ...(isSaid && handlers !== undefined && { handlers }) })
      const from = typed.from === undefined ? {} : { from: typed.from }
      await (await import('./entries.ts')).edit(entry, { ...placeOf(typed), ...said, ...from }, screen)
    })
  placed(owner.command('delete'))
    .description('End an entry with a tombstone: its history stays until it is pruned.')
    .argument(...ENTRY)
    .action(async (entry: string, typed: At) => (await import('./entries.ts')).remove(entry, typed, screen))
}

function placeOf({ device, nats, space, data, image, wait }: At): At {
  return {
    device,
    ...(nats !== undefined && { nats }),
    ...(space !== undefined && { space }),
    ...(data !== undefined && { data }),
    ...(image !== undefined && { image }),
    ...(wait !== undefined && { wait }),
  }
}

function addReading(owner: Command, screen: Screen): void {
  placed(owner.command('list'))
    .description('List the entries, from their outlines alone: no content is opened.')
    .option('--kind <kind>', 'of this kind only')
    .option(...JSON_LINES)
    .action(async (typed: At & { kind?: string; json?: boolean }) => (await import('./entries.ts')).list(typed, screen))
  placed(owner.command('search'))
    .description('List the entries with all of these words in title, kind or addresses.')
    .argument('<words...>', 'in any case')
    .option('--kind <kind>', 'of this kind only')
    .option(...JSON_LINES)
    .action(async (words: string[], typed: At & { kind?: string; json?: boolean }) =>
      (await import('./entries.ts')).list({ ...typed, words: words.join(' ') }, screen),
    )
  placed(owner.command('show'))
    .description('Open an entry, the current version if none is named.')
    .argument(...ENTRY)
    .addOption(new Option('--version-number <version>', 'an older one').argParser(parseCount))
    .option(...JSON_LINES)
    .action(async (entry: string, typed: At & { versionNumber?: number; json?: boolean }) => {
      const version = typed.versionNumber === undefined ? {} : { version: typed.versionNumber }
      await (await import('./entries.ts')).show(entry, { ...typed, ...version }, screen)
    })
}

function addVersions(owner: Command, screen: Screen): void {
  placed(owner.command('history'))
    .description('List the versions of an entry that are kept.')
    .argument(...ENTRY)
    .option(...JSON_LINES)
    .action(async (entry: string, typed: At & { json?: boolean }) =>
      (await import('./entries.ts')).history(entry, typed, screen),
    )
  placed(owner.command('restore'))
    .description('Write the content of an older version as a new one.')
    .argument(...ENTRY)
    .argument('<version>', 'the older one', parseCount)
    .action(async (entry: string, version: number, typed: At) =>
      (await import('./entries.ts')).restore(entry, version, typed, screen),
    )
  placed(owner.command('prune'))
    .description('Have the vault forget the versions before one. What is left is verified all the same.')
    .argument(...ENTRY)
    .argument('<version>', 'the first to keep', parseCount)
    .action(async (entry: string, version: number, typed: At) =>
      (await import('./entries.ts')).prune(entry, version, typed, screen),
    )
}

function addSharing(owner: Command, screen: Screen): void {
  placed(owner.command('meet'))
    .description(
      'Walk the devices of the user behind a connection, and say their user id: compare it with what they say.',
    )
    .argument('<connection>', 'its id')
    .action(async (connection: string, typed: At) => (await import('./entries.ts')).meet(connection, typed, screen))
  placed(owner.command('share'))
    .description('Share an entry with another user, to the devices that they vouch for.')
    .argument(...ENTRY)
    .requiredOption('--with <user>', 'their user id')
    .option('--over <connection>', 'where they are; not needed when they were met before')
    .action(async (entry: string, typed: At & { with: string; over?: string }) =>
      (await import('./entries.ts')).share(entry, typed, screen),
    )
  placed(owner.command('unshare'))
    .description('Share an entry with a user no more, and say what cannot be taken back.')
    .argument(...ENTRY)
    .requiredOption('--with <user>', 'their user id')
    .action(async (entry: string, typed: At & { with: string }) =>
      (await import('./entries.ts')).unshare(entry, typed, screen),
    )
  placed(owner.command('shared'))
    .description('List what the user behind a connection shares; open one of them.')
    .argument('<connection>', 'its id')
    .argument('[entry]', 'one of them')
    .option(...JSON_LINES)
    .action(async (connection: string, entry: string | undefined, typed: At & { json?: boolean }) =>
      (await import('./entries.ts')).shared(connection, entry, typed, screen),
    )
}
