/**
 * Two processes of one machine, by a unix socket. A message either way is its length (32 bits, big endian) and its
 * bytes; a connection is one request and one response.
 */
import { connect, createServer, type Socket } from 'node:net'

const LENGTH_BYTES = 4

export interface SocketLimits {
  /** Of what comes from the other side. */
  readonly bytesMax: number
  /** How long it may be silent. */
  readonly silentMsMax: number
}

/** @throws Error with the system's `code` when nobody listens; one without for an answer that is none */
export async function askSocket(path: string, request: Uint8Array, limits: SocketLimits): Promise<Uint8Array> {
  const socket = connect(path)
  socket.write(framed(request))
  try {
    return await readFramed(socket, limits)
  } finally {
    socket.destroy()
  }
}

/**
 * Answers whoever connects; `answer` does not fail.
 *
 * @throws Error with the system's `code` when nothing can listen there
 */
export async function answerSocket(
  path: string,
  answer: (request: Uint8Array) => Promise<Uint8Array>,
  limits: SocketLimits,
): Promise<AsyncDisposable> {
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket.once('close', () => open.delete(socket)))
    // Whoever leaves before the answer is not told.
    socket.on('error', () => socket.destroy())
    void readFramed(socket, limits).then(
      async (request) => void socket.end(framed(await answer(request))),
      () => socket.destroy(),
    )
  })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject).listen(path, resolve)
  await promise
  return {
    [Symbol.asyncDispose]: () =>
      new Promise((closed) => {
        server.close(() => closed())
        for (const socket of open) socket.destroy()
      }),
  }
}

function framed(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(LENGTH_BYTES + message.length)
  new DataView(bytes.buffer).setUint32(0, message.length)
  bytes.set(message, LENGTH_BYTES)
  return bytes
}

/** One whole message, and nothing behind it. */
function readFramed(socket: Socket, { bytesMax, silentMsMax }: SocketLimits): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
  const chunks: Uint8Array[] = []
  let received = 0
  socket.setTimeout(silentMsMax, () => socket.destroy(new Error(`socket: nothing came in ${silentMsMax} ms`)))
  socket.once('error', reject)
  socket.once('close', () => reject(new Error('socket: a message that is not whole')))
  socket.on('data', (chunk: Uint8Array) => {
    chunks.push(chunk)
    received += chunk.length
    if (received < LENGTH_BYTES) return
    const bytes = Uint8Array.from(Buffer.concat(chunks))
    chunks.splice(0, chunks.length, bytes)
    const due = LENGTH_BYTES + new DataView(bytes.buffer).getUint32(0)
    if (due > LENGTH_BYTES + bytesMax) socket.destroy(new Error('socket: a message that is too large'))
    else if (received > due) socket.destroy(new Error('socket: a message that is longer than it says'))
    else if (received === due) resolve(bytes.slice(LENGTH_BYTES))
  })
  return promise
}
