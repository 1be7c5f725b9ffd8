import { describe, expect, it } from 'vitest'

import { describeFunctions } from './component/describe.ts'
import { fixtureBytes } from './component/fixtures/build.ts'
import { bytesOfWat } from './component/fixtures/wat.ts'
import { loadComponent } from './component/load.ts'
import { typeMistakes, worldImports } from './world.ts'

const limits = { memoryBytesMax: 2 ** 25, tableElementsMax: 65_536 }

describe('the handler world', () => {
  it('is the one in wit/', async () => {
    const { plan } = loadComponent(await fixtureBytes('every-ts'), limits)
    const imports = Object.keys(describeFunctions(plan).imports).filter((name) => !name.startsWith('wasi:'))
    expect(typeMistakes(plan)).toEqual([])
    expect(imports.sort()).toEqual(worldImports.toSorted())
  })

  it('is not what a component makes of it', async () => {
    const wat = `(component
      (import "trellis:handler/random@0.1.0" (instance (export "bytes" (func (param "length" f64) (result string)))))
      (core module $m (func (export "handle")))
      (core instance $i (instantiate $m))
      (func $handle (canon lift (core func $i "handle")))
      (export "handle" (func $handle)))`
    expect(typeMistakes(loadComponent(await bytesOfWat(wat), limits).plan)).toEqual([
      'imports "trellis:handler/random@0.1.0#bytes" as (length: f64) -> string',
      'exports handle as ()',
    ])
  })
})
