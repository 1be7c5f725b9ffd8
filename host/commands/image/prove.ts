/** `trellis image prove`: that one handler, by manifest and component, is in an image. */
import { proveHandler } from '#enclave/measure.ts'
import { readMeasured } from './read.ts'

/** Prints JSON: a proof is for programs. @throws Refusal `image-…` */
export async function prove(folder: string, id: string): Promise<void> {
  const { measure } = await readMeasured(folder)
  const { index, size, path } = proveHandler(measure, id)
  const handler = measure.handlers[index]
  const shown = {
    handlerRoot: measure.handlerRoot.toHex(),
    handler: { id, manifest: handler?.manifest.toHex(), component: handler?.component.toHex() },
    index,
    size,
    path: path.map((hash) => hash.toHex()),
  }
  console.log(JSON.stringify(shown, undefined, 2))
}
