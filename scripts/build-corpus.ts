/** Builds the corpus of hostile modules and keeps the bytes beside the sources, compressed. */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { brotliCompress } from 'node:zlib'

import { builtBytes, corpusFolder, kept, keptFile } from '../host/plugin/fixtures/corpus.ts'
import { buildFixtures } from './build-plugins.ts'

await buildFixtures()
await rm(corpusFolder, { recursive: true, force: true })
await mkdir(corpusFolder)
let bytes = 0
for (const source of kept) {
  const packed = await promisify(brotliCompress)(await builtBytes(source))
  await writeFile(keptFile(source.name), packed)
  bytes += packed.length
}
console.log(`${kept.length} modules, ${bytes} bytes kept`)
