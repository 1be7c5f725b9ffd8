/** What a page is given to check: published vectors, documents made here and AWS's own, a proof bundle, a log. */
import { warn } from 'node:console'
import { existsSync, readFileSync } from 'node:fs'

import { generateEd25519 } from '#host/crypto/ed25519.ts'
import { sha384 } from '#host/crypto/p384.ts'
import { joinBytes } from '#host/wire/bytes.ts'
import { openSoftwareAttestor } from '#enclave/attestor.ts'
import { acceptedDocuments, chainedDocuments, tamperedDocuments } from '#enclave/documents.fixture.ts'
import { listedFile, listingOf } from '#enclave/listing.fixture.ts'
import { extensionsOf, measureImage, softwareMeasurement } from '#enclave/measure.ts'
import { AWS_NITRO_ROOT } from '#enclave/nitro.ts'
import { AT_MS } from '#enclave/pki.fixture.ts'
import { encodeProof } from '#enclave/prove.ts'
import type { ReleaseEntry } from '#enclave/release-entry.ts'
import { signEntry } from '#enclave/release-sign.ts'

import type { PageDocument, PageInput } from '../../scripts/browser-page.ts'
import { vectorFolder } from '../../scripts/entry-vectors.ts'
import type { Vectors } from '../entries/vectors.case.ts'

const shared = new URL('../../../shared/vectors/nitro/', import.meta.url)

export async function pageInput(): Promise<PageInput> {
  const documents = [...acceptedDocuments, ...tamperedDocuments, ...chainedDocuments, ...realDocuments()]
  return { vectors: publishedVectors(), documents, proof: await proofBundle(), ...releaseLogs() }
}

function publishedVectors(): Vectors {
  const names = ['ids', 'directory', 'entries', 'recovery']
  const files = names.map((name) => [name, JSON.parse(readFileSync(`${vectorFolder}${name}.json`, 'utf8'))])
  return Object.fromEntries(files) as Vectors
}

interface RealDocument {
  readonly file: string
  readonly expect: string
  readonly timestampMs: number
  readonly pcrs: Readonly<Record<string, string>>
}

function realDocuments(): readonly PageDocument[] {
  if (!existsSync(shared)) {
    warn('not run in the browser: documents of AWS (no ../shared/vectors/nitro beside the repository)')
    return []
  }
  const index: readonly RealDocument[] = JSON.parse(readFileSync(new URL('index.json', shared), 'utf8'))
  return index.map(({ file, expect, timestampMs, pcrs }) => {
    const isDebug = expect === 'reject:debug'
    const pinned = Object.entries(pcrs).filter(([register]) => Number(register) < 5)
    return {
      verdict: isDebug ? 'debug-mode' : 'accepted',
      what: file,
      document: new Uint8Array(readFileSync(new URL(file, shared))),
      roots: { nitro: [AWS_NITRO_ROOT], software: [], revoked: new Set<string>() },
      policy: {
        kind: 'nitro',
        measurements: isDebug ? ['0'.repeat(96)] : [],
        registers: new Map(isDebug ? [] : pinned.map(([register, value]) => [Number(register), [value]])),
        maxAgeMs: 60_000,
      },
      question: { nowMs: timestampMs },
    }
  })
}

async function proofBundle(): Promise<PageDocument> {
  const ids = ['payment', 'signing']
  const files = ids.flatMap((id) => [listedFile(`components/${id}.wasm`), listedFile(`manifests/${id}.json`)])
  const measure = measureImage(listingOf(files))
  const key = generateEd25519(new Uint8Array(32).fill(1))
  const attestor = openSoftwareAttestor({ key, now: () => AT_MS, warn: () => undefined })
  for (const [index, data] of extensionsOf(measure)) await attestor.extend(index, data)
  await attestor.lockBelow(32)
  return {
    verdict: 'accepted',
    what: 'a proof bundle',
    document: encodeProof(await attestor.attest({}), measure, 'payment'),
    roots: { nitro: [], software: [key.publicKey.toHex()], revoked: new Set() },
    policy: {
      kind: 'software',
      measurements: [softwareMeasurement(measure).toHex()],
      registers: new Map(),
      maxAgeMs: 60_000,
    },
    question: { nowMs: AT_MS },
  }
}

function releaseLogs(): Pick<PageInput, 'logs' | 'releaseKeys'> {
  const keys = [1, 2].map((seed) => generateEd25519(new Uint8Array(32).fill(seed)))
  const lines: Uint8Array[] = []
  for (const release of [1, 2, 3]) {
    const before = lines.at(-1)
    const entry: ReleaseEntry = {
      kind: 'release',
      serial: release,
      previous: before ? sha384(before).toHex() : '00'.repeat(48),
      at: AT_MS,
      release,
      version: `1.${release}.0`,
      root: 'ab'.repeat(48),
      handlerRoot: 'cd'.repeat(48),
      measurements: ['ef'.repeat(48)],
      notes: '',
    }
    lines.push(signEntry(entry, keys))
  }
  const logOf = (count: number) => joinBytes(lines.slice(0, count).flatMap((line) => [line, [10]]))
  return { logs: [logOf(1), logOf(3)], releaseKeys: keys.map(({ publicKey }) => publicKey.toHex()) }
}
