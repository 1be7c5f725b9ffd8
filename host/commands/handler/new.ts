/** `trellis handler new`: a folder with a handler that builds and passes its cases. */
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import { type HandlerRuntime, missingRuntime, missingToolchain } from '../../../scripts/build-handler.ts'
import { Refusal } from '#host/errors.ts'
import { manifestSchema } from '#host/plugin/manifest.ts'
import { z } from '#host/schema.ts'
import { paint } from '../paint.ts'
import { refreshTypes } from './build.ts'
import { casesSchema } from './cases.ts'
import { findHandler, readManifest, shown } from './folder.ts'
import { type Language, languages } from './languages.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
/** Stands for the handler's name in every template. */
const NAME = '__name__'
/** As the template's manifest has it. Go starts with 2.6 MiB and collects late, and half of the limit is for blocks. */
const [MEMORY_OF_COMPONENT, MEMORY_OF_GO] = ['16777216', '33554432'] as const
/** Short enough for an event type's noun, too. */
const NAME_FORM = /^[a-z][a-z0-9-]{0,62}$/u

/**
 * @throws Refusal `source-invalid` when the name is none, its folder is there and not empty, or nothing builds the
 *   language for this runtime
 */
export async function createHandler(path: string, language: Language, runtime: HandlerRuntime): Promise<void> {
  const unable = missingRuntime(language.id, runtime)
  if (unable !== undefined) throw new Refusal('source-invalid', unable)
  const folder = resolve(path)
  const name = basename(folder)
  if (!NAME_FORM.test(name)) {
    throw new Refusal(
      'source-invalid',
      `${name} is no handler's name: lower-case letters, digits and dashes, like my-handler`,
    )
  }
  if (existsSync(folder) && (await readdir(folder)).length > 0) {
    throw new Refusal('source-invalid', `${shown(folder)} is there already: choose another name`)
  }
  const own = join(root, 'templates', language.id)
  const special = `${own}-${runtime}`
  await lay(join(root, 'templates', 'common'), folder, name)
  const shared = `${own}-common`
  if (existsSync(shared)) await lay(shared, folder, name)
  await lay(existsSync(special) ? special : own, folder, name)
  if (runtime === 'extism') await declareExtism(join(folder, 'manifest.json'), language)
  const kit = join(folder, 'trellis')
  await mkdir(kit, { recursive: true })
  await writeFile(join(kit, 'manifest.schema.json'), schemaText(manifestSchema, 'Manifest of a handler'))
  await writeFile(join(kit, 'cases.schema.json'), schemaText(casesSchema, 'Cases of a handler'))
  const sdk = join(root, 'plugins', 'sdk')
  if (language.id === 'as' && runtime === 'extism') await cp(join(sdk, 'extism'), kit, { recursive: true })
  if (language.id !== 'ts') return
  await cp(sdk, kit, { recursive: true, filter: (from) => !/\.test\.ts$|\/(memory|extism)$/u.test(from) })
  const handler = findHandler(folder)
  await refreshTypes(handler, await readManifest(handler))
}

/** The template's manifest is a component's. */
async function declareExtism(manifest: string, { id }: Language): Promise<void> {
  const text = (await readFile(manifest, 'utf8')).replace('"runtime": "component"', '"runtime": "extism"')
  await writeFile(manifest, id === 'go' ? text.replace(MEMORY_OF_COMPONENT, MEMORY_OF_GO) : text)
}

/** Copies a template's files, with the name put in. */
async function lay(template: string, folder: string, name: string): Promise<void> {
  for (const entry of await readdir(template, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const below = entry.parentPath.slice(template.length)
    const target = join(folder, below, entry.name === 'gitignore' ? '.gitignore' : entry.name)
    await mkdir(join(folder, below), { recursive: true })
    const text = await readFile(join(entry.parentPath, entry.name), 'utf8')
    await writeFile(target, text.replaceAll(NAME, name))
  }
}

/** zod marks what its types cannot change; to a reader of the schema that says nothing. */
function withoutReadOnly(key: string, value: unknown): unknown {
  return key === 'readOnly' ? undefined : value
}

function schemaText(schema: z.ZodType, title: string): string {
  const { $schema, ...rules } = z.toJSONSchema(schema, { io: 'input' })
  return `${JSON.stringify({ $schema, title, ...rules }, withoutReadOnly, 2)}\n`
}

/** Without a runtime it is the one the language has: of both, the component's. */
export async function newHandler(path: string, lang: Language['id'], runtime?: HandlerRuntime): Promise<void> {
  const language = languages.find(({ id }) => id === lang)
  if (language === undefined) throw new Error(`no language ${lang}`)
  const usual = missingRuntime(lang, 'component') === undefined ? 'component' : 'extism'
  await createHandler(path, language, runtime ?? usual)
  const here = shown(resolve(path))
  const files = [
    [language.source, `the handler, in ${language.title}`],
    ['manifest.json', 'what it answers, what it needs, how much it may use'],
    ['handler.cases.json', 'what it must do'],
    ['trellis/', 'the kit it is built with'],
  ]
  console.log(`${paint.good('made')} ${paint.title(`${here}/`)}`)
  for (const [file = '', what = ''] of files) console.log(`  ${paint.name(file.padEnd(20))}${what}`)
  const missing = await missingToolchain(language.id, resolve(path))
  if (missing !== undefined) console.log(`${paint.bad('missing')}  ${missing}`)
  console.log(`next  cd ${here} && trellis handler test`)
}
