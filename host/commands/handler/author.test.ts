/** The author's path as a person types it, from nothing to green, in every language whose tools are here. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

import { missingRuntime, missingToolchain } from '../../../scripts/build-handler.ts'
import { GO_PDK } from '../../../scripts/toolchain-go.ts'
import { missingPackages } from '../../../scripts/toolchain-npm.ts'
import { startTrellis, trellis } from '../run.fixture.ts'
import { buildFolder } from './build.ts'
import { findHandler, readManifest } from './folder.ts'
import { kits } from './languages.ts'

const NEW_TO_GREEN_MS_MAX = 60_000

/** Compilers run here, and other tests beside them. */
const patient = { timeout: 60_000, interval: 50 }
vi.setConfig({ testTimeout: 2 * NEW_TO_GREEN_MS_MAX })

let base: string
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'trellis-author-'))
})
afterAll(() => rm(base, { recursive: true }))

/** Runs one that must succeed. */
async function green(...args: string[]): Promise<string> {
  const { code, out, errors } = await trellis('handler', ...args)
  expect({ code, errors, out }).toMatchObject({ code: 0, errors: [] })
  return out
}

const seconds: [string, string][] = []
afterAll(() => console.log(`new to green\n${seconds.map(([what, took]) => `  ${what.padEnd(28)}${took}`).join('\n')}`))

const templates = kits.map(({ language, runtime }) => ({
  language,
  runtime,
  title: `${language.title}, ${runtime}`,
}))

describe.each(templates)('$title', ({ language: { id, title: name }, runtime, title }) => {
  test(
    'from nothing to green',
    async ({ skip }) => {
      const missing = await missingToolchain(id, base)
      if (missing !== undefined) {
        seconds.push([title, `not run: ${missing}`])
        return skip(missing)
      }
      const folder = join(base, `greets-${id}-${runtime}`)
      const start = performance.now()
      expect(await green('new', folder, '--lang', id, '--runtime', runtime)).toContain('handler.cases.json')
      expect(await green('build', folder)).toMatch(/^built in .*greets-[\w-]+\.wasm/u)
      expect(await green('check', folder)).toMatch(/imports +fields, store; all of its needs[^]*\nno mistakes\n$/u)
      expect(await green('test', folder)).toMatch(/\n5 passed /u)
      const took = performance.now() - start
      seconds.push([title, `${(took / 1_000).toFixed(1)} s`])
      expect(took).toBeLessThan(NEW_TO_GREEN_MS_MAX)

      expect(await green('build', folder)).toMatch(/^up to date/u)
      const component = join(folder, 'dist', `greets-${id}-${runtime}.wasm`)
      const [digest = ''] = /^[0-9a-f]{96}/u.exec(await green('digest', folder)) ?? []
      const told = await green('inspect', component)
      expect(told).toContain(digest.slice(0, 48))
      const kind = runtime === 'extism' ? 'Extism plug-in' : 'component, of the world trellis:handler@0.1.0'
      expect(told).toMatch(new RegExp(`\nkind +${kind}\n`, 'u'))
      expect(told).toMatch(/imports +fields +\w+\n +store +\w+/u)
      expect(told).toContain(`language ${name}`)
      expect(told).toMatch(/verdict +a host takes it/u)
    },
    2 * NEW_TO_GREEN_MS_MAX,
  )
})

describe('a handler with mistakes', () => {
  let folder: string
  beforeAll(async () => {
    folder = join(base, 'wrong')
    await green('new', folder, '--lang', 'as')
  })

  /** Runs with one file changed, and puts it back. */
  async function withChange(
    file: string,
    change: (text: string) => string,
    run: () => Promise<{ code: number | null; out: string }>,
  ): Promise<string[]> {
    const path = join(folder, file)
    const text = await readFile(path, 'utf8')
    const changed = change(text)
    expect(changed).not.toBe(text)
    await writeFile(path, changed)
    const { code, out } = await run().finally(() => writeFile(path, text))
    expect(code).toBe(1)
    return out.split('\n').filter((line) => line.startsWith('NO') || line.startsWith('    '))
  }
  const check = (): Promise<{ code: number | null; out: string }> => trellis('handler', 'check', folder)

  test('hears of every one in the manifest, by line', async () => {
    const found = await withChange('manifest.json', misdeclare, check)
    expect(found.map((line) => /manifest\.json:(\d+): (\S+):/u.exec(line)?.slice(1))).toEqual([
      ['11', 'events.0.delivery'],
      ['22', 'events.0.request.properties.fields.maxItem'],
      ['41', 'limits.deadline_ms'],
    ])
  })

  test('hears of those in the source beside those in the manifest', async () => {
    const path = join(folder, 'handler.as.ts')
    const source = await readFile(path, 'utf8')
    await writeFile(path, source.replace('own.get(', 'own.gt('))
    const found = await withChange('manifest.json', misdeclare, check).finally(() => writeFile(path, source))
    const places = found.map((line) => /(\S+?:\d+):/u.exec(line)?.[1])
    expect(places.slice(0, 4)).toEqual(['manifest.json:11', 'manifest.json:22', 'manifest.json:41', 'handler.as.ts:11'])
  })

  test('hears where a manifest is no JSON', async () => {
    const found = await withChange('manifest.json', (text) => text.replace('"handler"', 'handler'), check)
    expect(found).toEqual([expect.stringMatching(/^NO {2}manifest\.json:3: is not JSON/u)])
  })

  test('hears what it calls without needing it', async () => {
    const found = await withChange(
      'manifest.json',
      (text) => text.replace(', "namespaces": { "connection": "rw" }', ''),
      check,
    )
    expect(found).toEqual([
      "NO  manifest.json:40: calls trellis:handler/store, which the manifest's needs do not ask for",
    ])
  })

  test('hears what its compiler says, by line', async () => {
    const found = await withChange('handler.as.ts', (text) => text.replace('own.get(', 'own.gt('), check)
    expect(found[0]).toMatch(/^NO {2}handler\.as\.ts:11:\d+: .*'gt'/u)
  })

  test('hears of a case for an event that the manifest does not declare', async () => {
    const found = await withChange('handler.cases.json', (text) => text.replace('wrong.greet', 'wrong.bow'), check)
    expect(found).toEqual(['NO  handler.cases.json:6: cases.0.event: the manifest declares no wrong.bow'])
  })

  test('hears which case failed, and how', async () => {
    const found = await withChange('handler.cases.json', misexpect, () => trellis('handler', 'test', folder))
    expect(found.filter((line) => line.startsWith('NO') || line.includes('expected'))).toEqual([
      expect.stringMatching(/^NO {2}counts who comes back +reply +\d+ +\d+ +\d+$/u),
      '    expected {"greeting":"Hello, Alice!","visits":43}, got {"greeting":"Hello, Alice!","visits":42}',
      expect.stringMatching(/^NO {2}refuses without a name/u),
      expect.stringMatching(/expected refusal .*no-name.*, got .*name-unavailable/u),
    ])
  })
})

function misdeclare(manifest: string): string {
  return manifest.replace('"critical"', '"sometimes"').replace('1000', '100000').replace('"maxItems"', '"maxItem"')
}

function misexpect(cases: string): string {
  return cases.replace('"visits": 42', '"visits": 43').replace('"name-unavailable"', '"no-name"')
}

test('no handler is told by its code', () => {
  expect(() => findHandler(join(base, 'nowhere'))).toThrow(expect.objectContaining({ code: 'source-invalid' }))
})

/** Runs with no program on PATH. */
async function withoutPath<T>(run: () => Promise<T>): Promise<T> {
  const path = process.env['PATH']
  process.env['PATH'] = base
  try {
    return await run()
  } finally {
    process.env['PATH'] = path
  }
}

test.each([
  ['rust', /rustup target add wasm32-unknown-unknown.*apt-get install rustc libstd-rust-dev-wasm32 lld/u],
  ['c', /npm install --save-dev @yowasp\/clang@22\.0\.0-git20542-10,.*apt-get install clang lld/u],
  ['go', /1\.24 or newer \(there is none on PATH\): .*go\.dev\/dl/u],
] as const)('without any program %s says what it needs, in new and in build', async (lang, says) => {
  const folder = join(base, `without-${lang}`)
  expect(await withoutPath(() => green('new', folder, '--lang', lang))).toMatch(
    new RegExp(`missing {2}.*${says.source}`, 'u'),
  )
  const handler = findHandler(folder)
  const manifest = await readManifest(handler)
  await expect(withoutPath(() => buildFolder(handler, manifest))).rejects.toMatchObject({
    code: 'toolchain-missing',
    message: expect.stringMatching(says),
  })
})

test('Go without its modules: new and build say which, how to get them, and what Go said', async ({ skip }) => {
  const missing = await missingToolchain('go', base)
  if (missing !== undefined) {
    console.warn(`not run: Go without its modules. ${missing}`)
    return skip(missing)
  }
  const says = /Extism PDK, github\.com\/extism\/go-pdk v1\.1\.3\).*go mod download.*Go says: go: .*GOPROXY=off/u
  const folder = join(base, 'without-modules')
  vi.stubEnv('GOMODCACHE', join(base, 'no-modules'))
  vi.stubEnv('GOPROXY', 'off')
  try {
    expect(await green('new', folder, '--lang', 'go')).toMatch(new RegExp(`missing {2}.*${says.source}`, 'u'))
    const { code, errors } = await trellis('handler', 'build', folder)
    expect({ code, errors }).toEqual({ code: 1, errors: [expect.stringMatching(says)] })
    expect(await readFile(join(folder, 'go.mod'), 'utf8')).toContain(`\nrequire ${GO_PDK}\n`)
  } finally {
    vi.unstubAllEnvs()
  }
})

test.each([
  ['ts', '@bytecodealliance/jco'],
  ['as', '@extism/as-pdk'],
] as const)('%s needs no program on PATH, but packages of npm', async (lang, gone) => {
  expect(await withoutPath(() => missingToolchain(lang, base))).toBeUndefined()
  const found = (name: string): string | undefined => (name === gone ? undefined : '/package.json')
  expect(missingPackages(lang, found)).toMatch(new RegExp(`npm install --save-dev ${gone}$`, 'u'))
})

test('each language runs as something, and its compiler is not asked for anything else', async () => {
  expect(missingRuntime('as', 'extism')).toBeUndefined()
  const folder = join(base, 'wrong-runtime')
  await green('new', folder, '--lang', 'ts')
  const path = join(folder, 'manifest.json')
  await writeFile(path, (await readFile(path, 'utf8')).replace('"component"', '"extism"'))
  const { code, out } = await trellis('handler', 'check', folder)
  expect(code).toBe(1)
  expect(out).toMatch(/NO {2}manifest\.json:7: --lang ts has no --runtime extism: /u)
})

test('a published handler runs in a host, and no other answers its events', async () => {
  const image = join(base, 'image')
  const folder = join(base, 'published')
  await green('new', folder, '--lang', 'as')
  expect(await green('publish', folder, '--image', image)).toMatch(/^published {2}published 0\.1\.0 into/u)
  // Again, as a new version of itself.
  await green('publish', folder, '--image', image)
  const running = startTrellis('up', '--data', join(base, 'data'), '--image', image, '--trace')
  await expect.poll(running.out, patient).toContain('"ready"')
  running.stop()
  expect((await running.ended).code).toBe(0)

  const other = join(base, 'other')
  await green('new', other, '--lang', 'as')
  const manifest = join(other, 'manifest.json')
  for (const path of [manifest, join(other, 'handler.cases.json')]) {
    await writeFile(path, (await readFile(path, 'utf8')).replaceAll('other.greet', 'published.greet'))
  }
  const twice = await trellis('handler', 'publish', other, '--image', image)
  expect(twice).toMatchObject({
    code: 1,
    errors: [expect.stringMatching(/published\.greet is answered by published/u)],
  })
  await writeFile(manifest, (await readFile(manifest, 'utf8')).replace('"critical"', '"sometimes"'))
  const wrong = await trellis('handler', 'publish', other, '--image', image)
  expect(wrong).toMatchObject({ code: 1, out: expect.stringContaining('manifest.json:11'), errors: [] })
})

test('dev once ends with its round, green or not', async () => {
  const folder = join(base, 'once')
  await green('new', folder, '--lang', 'as')
  expect(await green('dev', folder, '--once')).toMatch(
    /5 passed[^]*asked {2}greets a newcomer → \{.*"visits":1\}\n +decode/u,
  )
  const path = join(folder, 'handler.as.ts')
  await writeFile(path, (await readFile(path, 'utf8')).replace('own.get(', 'own.gt('))
  expect(await trellis('handler', 'dev', folder, '--once')).toMatchObject({
    code: 1,
    out: expect.stringMatching(/^NO/u),
  })
})

test('dev runs again when a file changes, keeps what was stored, asks what is typed, until it is stopped', async () => {
  const folder = join(base, 'changes')
  await green('new', folder, '--lang', 'as')
  const running = startTrellis('handler', 'dev', folder)
  await expect.poll(running.out, patient).toContain('watching')
  expect(running.out()).toContain('5 passed')
  const path = join(folder, 'handler.as.ts')
  await writeFile(path, (await readFile(path, 'utf8')).replace('Hello', 'Good morning'))
  await expect.poll(running.out, patient).toMatch(/watching[^]*watching/u)
  running.type('2')
  await expect
    .poll(running.out, patient)
    .toContain('asked  counts who comes back → {"greeting":"Good morning, Alice!","visits":7}')
  running.type('changes.greet {"fields":[]}')
  await expect.poll(running.out, patient).toContain('asked  changes.greet → no: name-unavailable')
  running.type('what?')
  await expect.poll(running.out, patient).toContain('NO  what?: type a case')
  running.stop()
  const { code, out, errors } = await running.ended
  expect({ code, errors }).toEqual({ code: 0, errors: [] })
  expect(out).toMatch(/handler\.as\.ts changed[^]*3 failed/u)
})

test.each([
  [[]],
  [['new']],
  [['build']],
  [['check']],
  [['test']],
  [['dev']],
  [['digest']],
  [['publish']],
  [['inspect']],
])('trellis handler %s --help says what there is', async (command) => {
  const { code, out, errors } = await trellis('handler', ...command, '--help')
  expect({ code, errors }).toEqual({ code: 0, errors: [] })
  expect(out).toMatch(new RegExp(`^Usage: trellis handler ${command[0] ?? ''}`))
})

test.each<[string[], RegExp]>([
  [['new'], /name/],
  [['new', 'x', '--lang', 'cobol'], /cobol.*ts, as, rust, c, go/],
  [
    ['new', 'x', '--lang', 'go', '--runtime', 'component'],
    /--lang go has no --runtime component: .*take --runtime extism/,
  ],
  [
    ['new', 'x', '--lang', 'ts', '--runtime', 'extism'],
    /it needs extism-js, .*js-pdk\/releases.*; take --runtime component, or --lang as or rust or c or go/,
  ],
  [['publish'], /--image <dir>/],
  [['inspect'], /file/],
  [['dance'], /dance/],
])('trellis handler %j is wrong usage: one line that says what to type', async (args, says) => {
  const { code, out, errors } = await trellis('handler', ...args)
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(errors).toEqual([expect.stringMatching(says)])
  expect(errors[0]).toMatch(/--help/u)
})

test.each<[string[], RegExp]>([
  [['new', 'Not_A_Name'], /Not_A_Name is no handler's name/],
  [['test', 'nowhere'], /nowhere holds no handler.*trellis handler new/],
  [['inspect', 'nothing.wasm'], /nothing\.wasm is not there/],
])('trellis handler %j cannot be done, and says why', async (args, says) => {
  const { code, out, errors } = await trellis('handler', ...args)
  expect({ code, out }).toEqual({ code: 1, out: '' })
  expect(errors).toEqual([expect.stringMatching(says)])
})
