import { afterAll, beforeAll, expect, test } from 'vitest'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type NatsServer, startNatsServer } from '../../scripts/nats-server.ts'
import { trellis } from './run.fixture.ts'

const INSTALL_MS_MAX = 20 * 60_000
const PLAY_MS_MAX = 120_000

let server: NatsServer
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trellis-demo-'))
  server = await startNatsServer()
}, INSTALL_MS_MAX)
afterAll(async () => {
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

const stages: [string, () => string[]][] = [
  ['memory', () => []],
  ['NATS', () => ['--nats', server.url]],
]

test.each(stages)(
  'the demo plays its seven acts on %s, and its trail can be read again',
  async (name, args) => {
    const data = join(folder, name)
    const { code, out, errors } = await trellis('demo', '--data', data, ...args())
    // A host of its own says at each start that its attestor is software.
    expect(errors.filter((line) => !line.startsWith('trellis: attestation: '))).toEqual([])
    expect(code).toBe(0)
    expect(out.match(/^\d (?=[A-Z])/gmu)).toEqual(['1 ', '2 ', '3 ', '4 ', '5 ', '6 ', '7 '])
    for (const refusal of [
      'field-undeclared',
      'field-declined',
      'unsupported-event',
      'rate-limited',
      'replayed',
      'misrouted',
    ]) {
      expect(out).toContain(`✓ ${refusal} `)
    }
    expect(out).toContain('killed without warning')
    expect(out).toContain('chain verified')
    expect(out).toContain('every act came out as it should')
    expect(out).not.toContain('✗')

    const audit = await trellis('audit', join(data, 'alice'), '--vault', 'alice', '--json')
    expect(audit.code).toBe(0)
    const rows = audit.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { sequence: number; hash: string })
    expect(rows.map(({ sequence }) => sequence)).toEqual(rows.map((_, at) => at + 1))
    expect(out).toContain(`${rows.length} rows, head ${rows.at(-1)?.hash.slice(0, 16)}`)
  },
  PLAY_MS_MAX,
)
