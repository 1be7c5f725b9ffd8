import { expect, test, vi } from 'vitest'

import { granting, jobFor, memoryNamespace } from './fixtures/stage.ts'
import { ACCEPTED, handlerText, textRegistry } from './fixtures/text.ts'
import { createPool } from './pool.ts'
import { isExtism } from './program.ts'

test('a handler is compiled once, however many cells run it', async () => {
  const compile = vi.spyOn(WebAssembly, 'Module')
  const registry = await textRegistry([{ name: 'one', text: handlerText({ handle: ACCEPTED }) }])
  const modules = registry.handlers.flatMap(({ component }) => (isExtism(component) ? [] : component.modules))
  expect(modules.length).toBeGreaterThan(0)
  expect(compile).toHaveBeenCalledTimes(modules.length)
  await using pool = await createPool({ registry, cells: 3, spares: 1 })
  const sources = granting(memoryNamespace())
  await Promise.all(Array.from({ length: 12 }, () => pool.run(jobFor(registry, 'one', { sources }))))
  expect(pool.stats).toMatchObject({ created: 4, instances: 12 })
  expect(compile).toHaveBeenCalledTimes(modules.length)
})
