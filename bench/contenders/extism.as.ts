// The same work as the `rmw` fixture, as an Extism plug-in: one get and one put by host functions, the body back.
import { Host, Memory } from '@extism/as-pdk'

@external('extism:host/user', 'kv_get')
declare function kvGet(key: u64): u64
@external('extism:host/user', 'kv_put')
declare function kvPut(key: u64, value: u64): void

export function handle(): i32 {
  const body = Host.input()
  const key = Memory.allocateString('key')
  const found = kvGet(key.offset)
  const value = Memory.allocateBytes(body)
  kvPut(key.offset, value.offset)
  Host.outputMemory(value)
  key.free()
  if (found != 0) new Memory(found, 0).free()
  return 0
}
