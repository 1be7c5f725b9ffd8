/** An Extism plug-in as an instance like a component's: called, reset, replaced by the same cell. */
import type { HostImports, Instance } from '../component/instantiate.ts'
import { takeSnapshot } from '../component/snapshot.ts'
import { openTank, type Tank } from '../component/fuel.ts'
import { openToll } from '../component/toll.ts'
import { outOfFuel, toTrap, Trap } from '../component/trap.ts'
import type { WasiOptions } from '../component/wasi.ts'
import { RANDOM_BYTES_MAX } from '#host/limits.ts'

import { handledOf } from './answer.ts'
import { openBlocks } from './blocks.ts'
import { type CoreTable, openKernel } from './kernel.ts'
import type { ExtismModule } from './load.ts'
import { openUser, userTable } from './user.ts'
import { openPreview, wasiModule } from './wasi.ts'

export interface ExtismOptions {
  /** The world's host functions, the same a component gets. */
  readonly imports: HostImports
  readonly outputBytesMax: number
  readonly wasi: WasiOptions
  /** As for a component. */
  readonly isLate?: () => boolean
}

/** @throws Trap when the plug-in's own start-up fails */
export function instantiateExtism(plugin: ExtismModule, options: ExtismOptions): Instance {
  const blocks = openBlocks(plugin.blockBytesMax)
  const user = openUser(options.imports)
  const kernel = openKernel(blocks, (level, line) => world(options.imports, 'log', 'write')(level, line))
  let memory: WebAssembly.Memory | undefined
  let isCalled = false
  // What runs when it is made is of no event.
  const toll = openToll(() => isCalled && options.isLate?.() === true)
  const paced = (table: CoreTable): CoreTable =>
    Object.fromEntries(Object.entries(table).map(([name, call]) => [name, toll(call)]))
  let tank: Tank | undefined
  const wasi = openPreview({
    ...options.wasi,
    memory: () => memory,
    random: (length) => (plugin.random && isCalled ? randomBytes(options.imports, length) : undefined),
  })
  const guarded = <T>(run: () => T): T => {
    try {
      return run()
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError && tank?.isSpent() === true) throw outOfFuel(plugin.fuel, error)
      throw toTrap(error, () => (memory?.buffer.byteLength ?? 0) > plugin.memoryPagesMax * 32_768)
    }
  }
  const instance = guarded(
    () =>
      new WebAssembly.Instance(plugin.module, {
        'extism:host/env': paced(kernel.functions),
        'extism:host/user': paced(userTable(user, blocks)),
        [wasiModule]: paced(wasi.functions),
      }),
  )
  const exported = instance.exports['memory']
  if (exported instanceof WebAssembly.Memory) memory = exported
  const { handle, _initialize: initialize } = instance.exports
  if (typeof handle !== 'function') throw new Error('the plug-in has no handle')
  if (typeof initialize === 'function') guarded(() => initialize())
  // What it did with the kernel while it started belongs to no event.
  kernel.reset()
  const snapshot = takeSnapshot([instance], [], plugin.copiesTables)
  tank = plugin.fuel === undefined ? undefined : openTank([instance], { fuel: plugin.fuel, isLate: options.isLate })
  let isSpent = false
  return {
    call(name, [body]) {
      if (name !== 'handle' || !(body instanceof Uint8Array)) throw new Error(`a plug-in has no function "${name}"`)
      if (isSpent) throw new Trap('trap', 'the instance is spent: replace it')
      isSpent = true
      isCalled = true
      kernel.begin(body)
      tank?.fill()
      const code = guarded(() => handle())
      const handled = handledOf(code, kernel.left(), options.outputBytesMax)
      isCalled = false
      isSpent = false
      return handled
    },
    reset() {
      if (isSpent || !plugin.isResettable) return false
      kernel.reset()
      user.reset()
      wasi.reset()
      return snapshot.restore()
    },
    get memoryBytes() {
      return snapshot.memoryBytes
    },
  }
}

/** Through the same function a component asks, so that it counts and is bounded alike. */
function randomBytes(imports: HostImports, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += RANDOM_BYTES_MAX) {
    const part: unknown = world(imports, 'random', 'bytes')(Math.min(RANDOM_BYTES_MAX, length - at))
    if (part instanceof Uint8Array) bytes.set(part, at)
  }
  return bytes
}

function world(imports: HostImports, owner: string, name: string): (...args: unknown[]) => unknown {
  const target = imports[`trellis:handler/${owner}@0.1.0`]?.[name]
  if (target === undefined) throw new Error(`the world has no ${owner} ${name}`)
  return (...args) => target(...(args as never[]))
}
