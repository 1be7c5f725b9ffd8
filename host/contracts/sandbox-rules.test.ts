import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { SANDBOX_HISTORY_TIMES, SANDBOX_ITEM_BYTES, SANDBOX_PROPOSALS_MAX, SANDBOX_VALUE_BYTES_MAX } from './limits.ts'
import { act, laid, sight, type Table } from './sandbox-oracle.fixture.ts'
import { clausesArbitrary, deedOf, linesOf, type Step, stepArbitrary } from './sandbox-steps.fixture.ts'
import type { Area, Deed, HistoryEntry, Proposal, SandboxItem, SandboxState, SandboxVerdict } from './sandbox-deed.ts'
import { areaOf, decide, maySee, seen, shownName } from './sandbox-rules.ts'
import type { SandboxClauses, Side } from './sandbox.ts'

const SEQUENCES = 10_000
const STEPS_MAX = 40
const MODEL_MS_MAX = 300_000

/** The rules with a state in memory: what the vault does, in maps. */
interface Held {
  state: SandboxState
  readonly items: Record<Area, Map<string, SandboxItem>>
  readonly open: Map<number, Proposal>
  readonly history: HistoryEntry[]
  act(deed: Deed, by: Side): SandboxVerdict
}

function held(clauses: SandboxClauses): Held {
  const items = { creator: new Map(), guest: new Map(), mutual: new Map() } as Held['items']
  const open = new Map<number, Proposal>()
  const history: HistoryEntry[] = []
  const id = new Uint8Array(32)
  const terms = { ...clauses, id: 's-0', connection: 'c', creator: id, guest: id, createdAt: 0 }
  const made: Held = {
    items,
    open,
    history,
    state: {
      terms,
      ended: false,
      change: 0,
      bytes: 0,
      historyBytes: 0,
      get proposals() {
        return open.size
      },
      item: (area, key) => items[area].get(key),
      shown: (name) => [...items.guest].find(([key, item]) => shownName(key, item) === name)?.[0],
      proposal: (number) => open.get(number),
    },
    act(deed, by) {
      const verdict = decide(made.state, deed, { by, now: 7 })
      if (verdict.kind === 'refused') return verdict
      if (verdict.kind === 'asks') open.set(verdict.change, verdict.proposal)
      else {
        for (const { area, key, item } of verdict.writes) {
          if (item) items[area].set(key, item)
          else items[area].delete(key)
        }
        if (verdict.history) history.push(verdict.history)
        if (verdict.settled) open.delete(verdict.settled.proposal)
        if (verdict.ended) open.clear()
        if (verdict.ended && terms.purge) items.guest.clear()
      }
      const { bytes, historyBytes, ended } = verdict.kind === 'done' ? verdict : made.state
      const next = { change: verdict.change, bytes, historyBytes, ended: made.state.ended || ended }
      made.state = Object.defineProperties({ ...made.state, ...next }, { proposals: { get: () => open.size } })
      return verdict
    },
  }
  return made
}

const places = ['mine', 'theirs', 'mutual'] as const
const text = (value: Uint8Array): string => new TextDecoder().decode(value)

function seenBy({ state, items, history }: Held, by: Side): string[] {
  const notes = places.flatMap((place) => {
    const area = areaOf(place, by)
    return [...items[area].keys()].flatMap((key) => {
      const item = seen(state, by, { place, key })
      return item ? [{ ...item, area, key, text: text(item.value) }] : []
    })
  })
  const past = maySee(state, by, 'mutual') ? history : []
  return linesOf({ notes, history: past.map((entry) => `${entry.by} ${entry.kind} ${entry.key}`) })
}

const told = (verdict: SandboxVerdict): string =>
  verdict.kind === 'refused' ? verdict.code : verdict.kind === 'asks' ? 'asked' : 'done'

const verdicts = new Map<string, number>()

function commandOf(step: Step): fc.Command<{ table: Table }, Held> {
  return {
    check: () => true,
    run(model, real) {
      const deed = deedOf(step, model.table, [...real.open.keys()])
      const verdict = told(real.act(deed, step.by))
      const kind = `${step.kind} ${verdict}`
      verdicts.set(kind, (verdicts.get(kind) ?? 0) + 1)
      model.table = act(model.table, deed, step.by)
      expect(verdict).toBe(model.table.says)
      expect(seenBy(real, 'creator')).toEqual(linesOf(sight(model.table, 'creator')))
      expect(seenBy(real, 'guest')).toEqual(linesOf(sight(model.table, 'guest')))
    },
    toString: () => JSON.stringify(step),
  }
}

test(`${SEQUENCES} sequences come out as the oracle says`, { timeout: MODEL_MS_MAX }, () => {
  const commands = fc.commands([stepArbitrary.map(commandOf)], { maxCommands: STEPS_MAX, size: 'max' })
  fc.assert(
    fc.property(clausesArbitrary, commands, (clauses, sequence) => {
      fc.modelRun(() => ({ model: { table: laid(clauses) }, real: held(clauses) }), sequence)
    }),
    { numRuns: SEQUENCES },
  )
  // Every kind of deed was done and refused, so that agreeing means something.
  const kinds = ['write done', 'write asked', 'write conflict', 'write not-permitted', 'write storage-full'].concat(
    ['remove done', 'remove asked', 'move done', 'move asked', 'move conflict', 'move malformed-request'],
    ['share done', 'decide done', 'decide not-permitted', 'end done', 'write connection-inactive'],
  )
  expect(kinds.filter((kind) => (verdicts.get(kind) ?? 0) < 10)).toEqual([])
})

const plain: SandboxClauses = {
  name: 'plain',
  rights: { creator: 'write', guest: 'write' },
  takeBack: true,
  portability: 'none',
  purge: false,
  bytesMax: 2_000_000,
}
const bytes = (length: number): Uint8Array => new Uint8Array(length)
const put = (key: string, value: Uint8Array, expected = 0): Deed => ({
  kind: 'write',
  place: 'mutual',
  key,
  value,
  expected,
  open: false,
})

test('a value is as large as the limit and no larger', () => {
  const sandbox = held(plain)
  expect(told(sandbox.act(put('a', bytes(SANDBOX_VALUE_BYTES_MAX)), 'guest'))).toBe('done')
  expect(told(sandbox.act(put('b', bytes(SANDBOX_VALUE_BYTES_MAX + 1)), 'guest'))).toBe('too-large')
  const mine = held(plain)
  mine.act({ kind: 'write', place: 'mine', key: 'a', value: bytes(1), expected: 0, open: false }, 'guest')
  const share = { kind: 'share', key: 'a', grant: 'visible', expected: 1 } as const
  expect(told(mine.act({ ...share, value: bytes(SANDBOX_VALUE_BYTES_MAX + 1) }, 'guest'))).toBe('too-large')
  expect(told(mine.act({ ...share, value: bytes(SANDBOX_VALUE_BYTES_MAX) }, 'guest'))).toBe('done')
})

test.each(['', 'k'.repeat(513), 'é'.repeat(257)])('%s is no key', (key) => {
  expect(told(held(plain).act(put(key, bytes(1)), 'creator'))).toBe('malformed-request')
})

test('a full history takes removals alone, and the sandbox stays readable', () => {
  const sandbox = held({ ...plain, bytesMax: 1_000 })
  const value = bytes(1_000 - SANDBOX_ITEM_BYTES - 1)
  let revision = 0
  for (let round = 0; round < SANDBOX_HISTORY_TIMES; round++) {
    expect(told(sandbox.act(put('a', value, revision), 'creator'))).toBe('done')
    revision = sandbox.state.change
  }
  expect(told(sandbox.act(put('a', value, revision), 'guest'))).toBe('storage-full')
  const mine = { kind: 'remove', place: 'mutual', key: 'a', expected: revision } as const
  expect(told(sandbox.act(mine, 'guest'))).toBe('done')
  expect(sandbox.history).toHaveLength(SANDBOX_HISTORY_TIMES + 1)
})

test('so many proposals wait and no more', () => {
  const sandbox = held({ ...plain, rights: { creator: 'write', guest: 'approval' } })
  for (let count = 0; count < SANDBOX_PROPOSALS_MAX; count++) sandbox.act(put(`k${count}`, bytes(1)), 'guest')
  expect(sandbox.open.size).toBe(SANDBOX_PROPOSALS_MAX)
  expect(told(sandbox.act(put('one', bytes(1)), 'guest'))).toBe('rate-limited')
  sandbox.act({ kind: 'decide', proposal: 1, approve: false }, 'guest')
  expect(told(sandbox.act(put('one', bytes(1)), 'guest'))).toBe('asked')
})

test('the loser of a race is told the revision that is there', () => {
  const sandbox = held(plain)
  sandbox.act(put('plan', bytes(1)), 'creator')
  sandbox.act(put('plan', bytes(2), 1), 'guest')
  expect(sandbox.act(put('plan', bytes(3), 1), 'creator')).toMatchObject({
    code: 'conflict',
    why: expect.stringContaining('2'),
  })
})
