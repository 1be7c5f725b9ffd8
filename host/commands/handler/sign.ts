/** `trellis handler sign`: an author's name under component and manifest, in a file beside the component. */
import { readFile, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'

import { signHandler } from '#enclave/author.ts'
import { Refusal } from '#host/errors.ts'
import { readKeyFile } from '../release/key-files.ts'
import { findHandler, shown } from './folder.ts'

/** @throws Refusal `source-invalid` when it is not built, `key-missing` */
export async function sign(path: string, keyFile: string): Promise<void> {
  const handler = findHandler(path)
  const key = await readKeyFile(keyFile)
  const [component, manifest] = await Promise.all(
    [handler.component, handler.manifest].map((file) =>
      readFile(file).catch((cause: unknown) => {
        throw new Refusal('source-invalid', `${shown(file)} is not there: trellis handler build`, { cause })
      }),
    ),
  )
  if (!component || !manifest) throw new Error('two files were read')
  const file = signatureOf(handler.component)
  await writeFile(file, signHandler({ id: basename(handler.component, '.wasm'), manifest, component }, key))
  console.log(`${shown(file)}  by ${key.publicKey.toHex()}`)
}

/** Where the signature over a component lies. */
export function signatureOf(component: string): string {
  return component.replace(/\.wasm$/u, '.sig')
}
