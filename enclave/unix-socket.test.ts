import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { answerSocket, askSocket } from './unix-socket.ts'

const LIMITS = { bytesMax: 200_000, silentMsMax: 10_000 }
const question = Uint8Array.of(1, 2, 3)
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trellis-socket-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function listening(server: Server, name: string): Promise<string> {
  const path = join(folder, name)
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return path
}

test('one question has one answer, of any size, and several are asked at once', async () => {
  const path = join(folder, 'echo')
  await using server = await answerSocket(path, (asked) => Promise.resolve(asked.toReversed()), LIMITS)
  const large = new Uint8Array(200_000).fill(7)
  expect(server).toBeDefined()
  expect(await Promise.all([question, large, new Uint8Array()].map((each) => askSocket(path, each, LIMITS)))).toEqual([
    Uint8Array.of(3, 2, 1),
    large,
    new Uint8Array(),
  ])
})

test('whoever leaves, says too much or nothing costs only their own connection', async () => {
  const path = join(folder, 'patient')
  const asked: number[] = []
  const answer = (message: Uint8Array) => Promise.resolve(message).finally(() => asked.push(message.length))
  await using server = await answerSocket(path, answer, { ...LIMITS, bytesMax: 3 })
  expect(server).toBeDefined()
  connect(path).end(Uint8Array.of(0, 0, 0, 3, 1))
  await expect(askSocket(path, new Uint8Array(4), LIMITS)).rejects.toThrow()
  expect(await askSocket(path, question, LIMITS)).toEqual(question)
  expect(asked).toEqual([3])
})

test('nobody there is an error with the system’s code; so is a place that is taken', async () => {
  const path = join(folder, 'taken')
  await expect(askSocket(path, question, LIMITS)).rejects.toMatchObject({ code: 'ENOENT' })
  await using server = await answerSocket(path, (asked) => Promise.resolve(asked), LIMITS)
  expect(server).toBeDefined()
  await expect(answerSocket(path, (asked) => Promise.resolve(asked), LIMITS)).rejects.toMatchObject({
    code: 'EADDRINUSE',
  })
})

test('an answer that does not come is not waited for', async () => {
  const server = createServer(() => undefined)
  const path = await listening(server, 'silent')
  await expect(askSocket(path, question, { ...LIMITS, silentMsMax: 20 })).rejects.toThrow('nothing came in 20 ms')
  server.close()
})

test.each<[string, number[], string]>([
  ['nothing', [], 'not whole'],
  ['a length alone', [0, 0, 0, 1], 'not whole'],
  ['less than it says', [0, 0, 0, 3, 1], 'not whole'],
  ['more than it says', [0, 0, 0, 1, 1, 2], 'longer than it says'],
  ['a length that is too large', [0, 3, 13, 65], 'too large'],
])('an answer of %s is none', async (what, bytes, why) => {
  const server = createServer((socket) => socket.end(Uint8Array.from(bytes)))
  const path = await listening(server, what.replaceAll(' ', '-'))
  await expect(askSocket(path, question, LIMITS)).rejects.toThrow(why)
  server.close()
})
