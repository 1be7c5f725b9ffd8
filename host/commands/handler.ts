/** `trellis handler …`: from nothing to a tested handler. Each subcommand is a file of its own, loaded when typed. */
import { type Command, Option } from 'commander'

import type { HandlerLanguage, HandlerRuntime } from '../../scripts/build-handler.ts'

const FOLDER = ['[folder]', 'the handler’s folder', '.'] as const

/** Adds the commands of a handler's author. `columns` is the width to print for. */
export function addHandlerCommands(program: Command, columns: number): void {
  const handler = program
    .command('handler')
    .description('Write a handler: make it, build it, check it, test it, look inside.')

  addNew(handler)
  handler
    .command('build')
    .description('Build the component into dist/, and the types of its events. Nothing is done twice.')
    .argument(...FOLDER)
    .action(async (folder: string) => {
      const { build } = await import('./handler/build.ts')
      await build(folder)
    })
  handler
    .command('check')
    .description('Find every mistake at once, each with file and line: manifest, cases, types, imports, sizes.')
    .argument(...FOLDER)
    .action(async (folder: string) => {
      const { check } = await import('./handler/check.ts')
      process.exitCode = (await check(folder)) ? 0 : 1
    })
  handler
    .command('test')
    .description('Run handler.cases.json in a real cell; say what each case called, left and took.')
    .argument(...FOLDER)
    .action(async (folder: string) => {
      const { test } = await import('./handler/test.ts')
      process.exitCode = (await test(folder, columns)) ? 0 : 1
    })
  handler
    .command('dev')
    .description('Build, check, test and run it in a local vault, again whenever a file changes, until Ctrl-C.')
    .argument(...FOLDER)
    .option('--once', 'one round, then end: 0 when it was green')
    .action(async (folder: string, { once = false }: { once?: boolean }) => {
      const { dev } = await import('./handler/dev.ts')
      const isGreen = await dev(folder, { columns, once })
      if (once) process.exitCode = isGreen ? 0 : 1
    })
  addShipping(handler)
  handler
    .command('inspect')
    .description('Say what a component is: its world, imports, memories, and whether a host takes it.')
    .argument('<file>', 'a .wasm file')
    .action(async (file: string) => {
      const { inspect } = await import('./handler/inspect.ts')
      process.exitCode = (await inspect(file, columns)) ? 0 : 1
    })
}

function addShipping(handler: Command): void {
  handler
    .command('digest')
    .description('Print the SHA-384 of component and manifest, as an image lists them.')
    .argument(...FOLDER)
    .action(async (folder: string) => {
      const { digest } = await import('./handler/digest.ts')
      await digest(folder)
    })
  handler
    .command('sign')
    .description('Put your name under component and manifest: dist/<name>.sig, which an image takes along.')
    .argument(...FOLDER)
    .requiredOption('--key <file>', 'your key: trellis release key makes one')
    .action(async (folder: string, { key }: { key: string }) => {
      const { sign } = await import('./handler/sign.ts')
      await sign(folder, key)
    })
  handler
    .command('publish')
    .description('Put it into an image, if it has no mistakes: trellis up runs it from there.')
    .argument(...FOLDER)
    .requiredOption('--image <dir>', 'the image; made when it is not there')
    .action(async (folder: string, { image }: { image: string }) => {
      const { publish } = await import('./handler/publish.ts')
      process.exitCode = (await publish(folder, image)) ? 0 : 1
    })
}

function addNew(handler: Command): void {
  handler
    .command('new')
    .description('Make a folder with a handler that builds and passes its cases.')
    .argument('<name>', 'the folder to make; its last part names the handler')
    .addOption(
      new Option('--lang <language>', 'what to write it in').choices(['ts', 'as', 'rust', 'c', 'go']).default('ts'),
    )
    .addOption(
      new Option('--runtime <runtime>', 'what runs it: component, but for go extism').choices(['component', 'extism']),
    )
    .action(
      async (
        name: string,
        { lang, runtime }: { lang: HandlerLanguage; runtime?: HandlerRuntime },
        command: Command,
      ) => {
        const { missingRuntime } = await import('../../scripts/build-handler.ts')
        const unable = runtime && missingRuntime(lang, runtime)
        if (unable !== undefined) return command.error(`error: ${unable}`)
        const { newHandler } = await import('./handler/new.ts')
        await newHandler(name, lang, runtime)
      },
    )
}
