import { expect, test } from 'vitest'
import { startWorld } from './world.fixture.ts'
import { connectService } from './service.fixture.ts'
test('x', async () => {
  let t = performance.now()
  const lap = (w: string) => { console.log(w, Math.round(performance.now() - t)); t = performance.now() }
  await using world = await startWorld({ handlers: ['counts', 'data-access'] })
  lap('start')
  const acme = await connectService(world, 'Acme')
  lap('connect')
  expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 1 })
  expect(await acme.ask('data.request', { fields: ['email'] })).toEqual({ status: 'replied', body: { fields: { email: 'alice@example.org' } } })
  lap('asks')
  await world.kill()
  lap('kill')
  await world.start()
  lap('start')
  expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 2 })
  console.log((await world.rows()).length)
  lap('ask')
})
