/** `trellis image inspect`: what is in an image, and what it measures to. */
import { paint } from '../paint.ts'
import { table } from '../table.ts'
import { identityOf, type MeasuredImage, readMeasured } from './read.ts'

/** @throws Refusal `image-…`, `manifest-invalid` */
export async function inspect(folder: string, { json, columns }: { json: boolean; columns: number }): Promise<void> {
  const measured = await readMeasured(folder)
  console.log(json ? asJson(measured) : asText(measured, columns))
}

/** `trellis image verify`: every file is there, is listed, and is what was listed. @throws Refusal `image-…` */
export async function verify(folder: string, { json }: { json: boolean }): Promise<void> {
  const measured = await readMeasured(folder)
  const { length } = measured.image.files
  if (json) console.log(JSON.stringify({ verified: true, files: length, ...identityOf(measured) }))
  else console.log(`${paint.good('verified')}  ${length} files, root ${measured.measure.root.toHex()}`)
}

/** Prints what `image build --pins` reads. @throws Refusal `image-…`, `manifest-invalid` */
export async function printPins(folder: string): Promise<void> {
  const { measure } = await readMeasured(folder)
  const pins = measure.handlers.map(({ id, component }) => [id, component.toHex()])
  console.log(JSON.stringify(Object.fromEntries(pins), undefined, 2))
}

function asText(measured: MeasuredImage, columns: number): string {
  const { image, measure, manifests, authors } = measured
  const rows = measure.handlers.map(({ id, manifest, component }) => {
    const version = manifests.get(id)?.version ?? ''
    return [id, version, short(component), short(manifest), short(authors.get(id))]
  })
  const identity = Object.entries(identityOf(measured)).map(([name, value]) => `${name.padEnd(12)} ${value}`)
  const bytes = image.files.reduce((sum, { size }) => sum + size, 0)
  return [
    table([['handler', 'version', 'component', 'manifest', 'signed by'], ...rows], columns),
    `${image.files.length} files, ${bytes} bytes`,
    ...identity,
    paint.soft('measurement is that of a host that attests by software'),
  ].join('\n')
}

function asJson(measured: MeasuredImage): string {
  const { image, measure, manifests, authors } = measured
  const handlers = measure.handlers.map(({ id, manifest, component }) => {
    const version = manifests.get(id)?.version
    const author = authors.get(id)?.toHex() ?? null
    return { id, version, manifest: manifest.toHex(), component: component.toHex(), author }
  })
  return JSON.stringify({ ...identityOf(measured), handlers, files: image.files }, undefined, 2)
}

function short(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '' : `${bytes.toHex().slice(0, 16)}…`
}
