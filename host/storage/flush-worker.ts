/** The thread that makes writes durable for a host behind Node's walls, and does nothing else. */
import { fsyncSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'

export interface FlushTask {
  readonly task: number
  readonly descriptor: number
}

export interface FlushAnswer {
  readonly task: number
  readonly failure?: { readonly message: string; readonly code: string | undefined }
}

parentPort?.on('message', ({ task, descriptor }: FlushTask) => {
  let answer: FlushAnswer = { task }
  try {
    fsyncSync(descriptor)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
    answer = { task, failure: { message: String(error), code } }
  }
  parentPort?.postMessage(answer)
})
