import { beforeAll, expect, test } from 'vitest'

import { startNatsServer } from '../../scripts/nats-server.ts'
import { trellis } from './run.fixture.ts'

const PLAY_MS_MAX = 60_000
const INSTALL_MS_MAX = 20 * 60_000

// One story wants a server: where there was none it is installed here, which says so.
beforeAll(async () => (await startNatsServer())[Symbol.asyncDispose](), INSTALL_MS_MAX)

test.each([
  ['doctor-patient', 'no way back in'],
  ['employer-employee', 'a signed copy of the table and of her own side'],
  ['buyer-seller', 'her limit is still sealed'],
  ['devices', 'the thief’s phone opens nothing that comes'],
  ['upgrade', 'no way back, only forward'],
])(
  'the story %s comes out as it should',
  async (name, end) => {
    const { code, out, errors } = await trellis('demo', '--story', name)
    expect(errors).toEqual([])
    expect(code).toBe(0)
    expect(out).toContain(end)
  },
  PLAY_MS_MAX,
)

test('a story that there is not is refused, with those that there are', async () => {
  const { code, errors } = await trellis('demo', '--story', 'king-fool')
  expect(code).toBe(2)
  expect(errors).toHaveLength(1)
  expect(errors.join('\n')).toContain('doctor-patient, employer-employee, buyer-seller, devices, upgrade')
})
