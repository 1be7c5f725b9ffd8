/**
 * Files that AWS's own tool made (`eif_build` of the crate aws-nitro-enclaves-image-format 0.2.0, of kernels and ramdisks
 * of some bytes), and the registers that it printed.
 */
import { readFile } from 'node:fs/promises'

import { expect, test } from 'vitest'

import { decodeEif, encodeEif } from './eif.ts'
import { measureEif } from './eif-measure.ts'

const PRINTED: Readonly<Record<string, readonly string[]>> = {
  'signed.eif': [
    'c40cd33fb03429f5dc1ed9cdb4a38f9205ccb8105250d539963e3c99b2d33084cdd0af58378c3574ec9b0f913c5d5380',
    '187e8dd8f480632a94549ffb7cb51214f6e27b7d40bdd13eaf7f84178ac4366612d5a14a3b6d81990a2652b0d140ae53',
    '472c5b99d3677f62e4900ea5810752f6c559cf797722ced8599509c5abd4ba2835efbeb6b66fbd11451b0ee9147f743f',
    '82e0006dd96cd702cf9c66928bf077165b75ba38a43dc1561b7c0efb9befeea8d1ce90fd795bbab96a80faf071f59db2',
  ],
  'one-ramdisk.eif': [
    'a9c23982c6cb0924b7ff68928cac1302a4aceb8937cc9cc830221b34439f31af770c47ba02c5dcad4b00988066dd26e3',
    'a9c23982c6cb0924b7ff68928cac1302a4aceb8937cc9cc830221b34439f31af770c47ba02c5dcad4b00988066dd26e3',
    '21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c10edb30948c90ba67310f7b964fc500a',
  ],
}

const fileOf = async (name: string) => new Uint8Array(await readFile(new URL(`fixtures/${name}`, import.meta.url)))

test.each(Object.entries(PRINTED))('%s measures to what AWS says', async (name, printed) => {
  const registers = measureEif(decodeEif(await fileOf(name)))
  expect([...registers.values()].map((value) => value.toHex())).toEqual(printed)
  expect([...registers.keys()]).toEqual([0, 1, 2, 8].slice(0, printed.length))
})

test.each(Object.keys(PRINTED))('%s is written as AWS writes it, byte for byte', async (name) => {
  const bytes = await fileOf(name)
  expect(encodeEif(decodeEif(bytes))).toEqual(bytes)
})
