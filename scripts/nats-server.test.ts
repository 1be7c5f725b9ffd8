import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { startNatsServer } from './nats-server.ts'

const INSTALL_MS_MAX = 20 * 60_000
const SCRIPT = join(import.meta.dirname, 'nats-server.ts')

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test(
  'a stopped server is gone, a server with a bad configuration says why',
  async () => {
    const server = await startNatsServer()
    expect(server.url).toMatch(/^nats:\/\/127\.0\.0\.1:\d+$/)
    expect(isAlive(server.pid)).toBe(true)
    await server.stop()
    expect(isAlive(server.pid)).toBe(false)
    await server.stop()
    await expect(startNatsServer({ config: 'no_such_setting: 1' })).rejects.toThrow('no_such_setting')
  },
  INSTALL_MS_MAX,
)

test('as a command it prints the URL and ends on SIGTERM', async () => {
  const command = spawn(process.execPath, [SCRIPT], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(command.stdout.setEncoding('utf8'), 'data')
  expect(line).toMatch(/^nats:\/\/127\.0\.0\.1:\d+\n$/)
  command.kill('SIGTERM')
  expect(await once(command, 'exit')).toEqual([0, null])
})

test('a server does not outlive who started it, not even a killed one', async () => {
  const source = `const { startNatsServer } = await import(${JSON.stringify(SCRIPT)})
    console.log((await startNatsServer()).pid)`
  const starter = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(starter.stdout.setEncoding('utf8'), 'data')
  const pid = Number(line)
  expect(isAlive(pid)).toBe(true)
  starter.kill('SIGKILL')
  await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false)
})

test('a binary that is named and does not do is an error, not a reason to look elsewhere', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'trellis-nats-bin-'))
  const old = join(folder.path, 'old')
  await writeFile(old, '#!/bin/sh\necho nats-server: v2.14.2\n', { mode: 0o755 })
  try {
    for (const [path, reason] of [
      [join(folder.path, 'missing'), 'is no nats-server that runs'],
      [process.execPath, 'is no nats-server that runs'],
      [old, 'version 2.14.2 is too old'],
    ]) {
      process.env['NATS_SERVER_BIN'] = path
      await expect(startNatsServer(), path).rejects.toThrow(`NATS_SERVER_BIN: ${reason}`)
    }
  } finally {
    delete process.env['NATS_SERVER_BIN']
  }
})
