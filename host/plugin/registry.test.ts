import { expect, test } from 'vitest'

import { manifestOf, registryOf } from './fixtures/stage.ts'
import type { Component } from './component/load.ts'
import { isExtism } from './program.ts'
import { buildRegistry, type Handler, neededInterfaces, readRequest, requestFields } from './registry.ts'

const component = {
  modules: [],
  exports: ['handle'] as string[],
  imports: [] as string[],
  plan: componentOf(registryOf('traps').handlers[0]!).plan,
}
const data = manifestOf('data-access')

test('finds the handler of an event type, and none for another', () => {
  const registry = registryOf('data-access', 'auth-challenge')
  expect(registry.lookup('data.request')).toMatchObject({
    name: 'data-access',
    index: 0,
    event: { type: 'data.request' },
  })
  expect(registry.lookup('auth.challenge')).toMatchObject({ name: 'auth-challenge', index: 1 })
  for (const type of ['data.other', 'toString', '__proto__']) expect(registry.lookup(type)).toBeUndefined()
})

test('a handler that was withdrawn is as if it were not there, and only it', () => {
  const registry = registryOf('data-access', 'auth-challenge')
  registry.withdraw(['data-access'])
  expect(registry.lookup('data.request')).toBeUndefined()
  expect(registry.lookup('auth.challenge')).toMatchObject({ name: 'auth-challenge', index: 1 })
  expect(registry.published().map(({ handler }) => handler)).toEqual(['auth-challenge'])
})

test('tells event types by delivery class, and what is published', () => {
  const registry = registryOf('data-access', 'auth-challenge', 'notes')
  expect(registry.lanes()).toEqual({ critical: ['auth.challenge', 'data.request'], bestEffort: ['notes.run'] })
  expect(registry.published().map(({ handler }) => handler)).toEqual(['data-access', 'auth-challenge', 'notes'])
})

test('the components we ship import what their manifests need, and no more', () => {
  for (const handler of registryOf('data-access', 'auth-challenge').handlers) {
    const needed = [...neededInterfaces(handler.manifest.needs)].map((name) => `trellis:handler/${name}@0.1.0`)
    expect(componentOf(handler).imports).toEqual(needed.sort())
  }
})

test('refuses all at once: a type answered twice, an import nobody declared, no handle', () => {
  const greedy = ['trellis:handler/fields@0.1.0', 'trellis:handler/keys@0.1.0', 'trellis:handler/fields@0.2.0', 'env']
  const build = (): unknown =>
    buildRegistry([
      { manifest: data, component: { ...component, imports: greedy } },
      { manifest: { ...data, handler: 'other' }, component: { ...component, exports: ['init'] } },
    ])
  expect(build).toThrow(expect.objectContaining({ code: 'component-invalid' }))
  for (const part of [
    'data-access: imports "trellis:handler/keys@0.1.0"',
    'imports "trellis:handler/fields@0.2.0"',
    'imports "env"',
    'other: data.request is answered by data-access already',
    'other: exports no handle',
  ]) {
    expect(build).toThrow(part)
  }
  expect(build).not.toThrow('imports "trellis:handler/fields@0.1.0"')
})

test('refuses one handler twice', () => {
  const entry = { manifest: data, component }
  expect(() => buildRegistry([entry, entry])).toThrow('data-access: is there twice')
})

const registered = registryOf('data-access').lookup('data.request')!
const read = (text: string) => readRequest(registered, new TextEncoder().encode(text))

test('a request is read by its schema, and its fields by the pointer, each once', () => {
  const request = read(' {"fields" : ["email", "name"]} ')
  expect(request).toEqual({
    kind: 'request',
    fields: ['email', 'name'],
    body: new TextEncoder().encode('{"fields":["email","name"]}'),
  })
  expect(requestFields(registered.event, { fields: ['a', 'b', 'a'] })).toEqual(['a', 'b'])
})

test('for all fields the host puts in the names, where the schema lets a request say so', () => {
  const bytes = new TextEncoder().encode('{"fields":"all"}')
  expect(readRequest(registered, bytes, () => ['email', 'name'])).toEqual({
    kind: 'request',
    fields: ['email', 'name'],
    body: new TextEncoder().encode('{"fields":["email","name"]}'),
  })
  expect(readRequest(registered, bytes)).toMatchObject({ kind: 'request', fields: [] })
  const strict = { ...registered, checkRequest: () => 'fields: must be an array' }
  expect(readRequest(strict, bytes, () => ['email'])).toMatchObject({ kind: 'malformed' })
})

test('the handler is given what the host read: of two equal keys, the same one', () => {
  const request = read('{"fields":["email"],"fields":["name"]}')
  expect(request).toMatchObject({ fields: ['name'], body: new TextEncoder().encode('{"fields":["name"]}') })
})

test.each([
  '',
  'null',
  '{}',
  '{"fields":[]}',
  '{"fields":"email"}',
  '{"fields":[1]}',
  '{"fields":["a"],"x":1}',
  '{"fields":["a","a"]}',
])('refuses the request %j', (text) => {
  expect(read(text)).toMatchObject({ kind: 'malformed', why: expect.any(String) as unknown })
})

test('without a pointer there are no fields; what is no list of names is not read as one', () => {
  expect(requestFields({ ...registered.event, fields: null }, { fields: ['a'] })).toEqual([])
  expect(requestFields(registered.event, {})).toEqual([])
  for (const fields of ['a', ['a', 1], { 0: 'a' }, Array.from({ length: 65 }, String)]) {
    expect(requestFields(registered.event, { fields })).toBeUndefined()
  }
})

function componentOf({ component }: Handler): Component {
  if (isExtism(component)) throw new Error('it is a plug-in')
  return component
}
