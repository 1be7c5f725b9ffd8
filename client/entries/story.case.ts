/** Two devices and one entry, over any provider: written on one, read on the other, each change on the way named. */
import type { Suite } from '#host/crypto/port.ts'
import type { DeviceId } from '#host/entries/ids.ts'
import type { ServedEntry, ServedVersion, VersionWrite } from '#host/entries/model.ts'
import { decodeVersion } from '#host/entries/version.ts'

import { type Book, openBook } from './book.ts'
import { foundUser } from './directories.ts'
import { same } from './vectors.case.ts'

const START = 1_800_000_000_000
const OUTLINE = { title: 'Example', kind: 'login', urls: ['https://example.org/'] }
const utf8 = new TextEncoder()
const flipped = (bytes: Uint8Array | null) => bytes && bytes.with(bytes.length - 1, (bytes.at(-1) ?? 0) ^ 1)

type Change = (version: ServedVersion) => Partial<Record<keyof ServedVersion, unknown>>

/** What a host may do to a version, and what the device says to it. */
const changes: readonly (readonly [finding: string, change: Change])[] = [
  ['content-altered', ({ content }) => ({ content: flipped(content) })],
  ['outline-altered', ({ outline }) => ({ outline: flipped(outline) })],
  ['outline-missing', () => ({ outline: null })],
  ['version-forged', ({ signature }) => ({ signature: flipped(signature) })],
  ['share-withheld', () => ({ share: null })],
  ['recipients-altered', ({ recipients }) => ({ recipients: recipients.slice(1) })],
]

/** @throws Error that says what went another way */
export function tellStory(crypto: Suite, random: (count: number) => Uint8Array): void {
  const { phone, tablet } = twoDevices(crypto, random)
  const content = utf8.encode('{"password":"correct horse"}')
  const write = phone.create({ outline: OUTLINE, content, audience: { handlers: false, users: [] } })
  phone.confirm(write)
  const served = serve(crypto, write, tablet.device)
  const [version] = served.versions
  if (!version) throw new Error('a served entry has a version')
  for (const [finding, change] of changes) {
    const twisted = { ...served, versions: [{ ...version, ...change(version) } as ServedVersion] }
    const { versions, findings } = tablet.read(tablet.user, twisted)
    same(
      finding,
      findings.map(({ code }) => code),
      [finding],
    )
    same(`shown of ${finding}`, versions.length, 0)
  }
  const { versions, findings } = tablet.read(tablet.user, served)
  same('findings', findings, [])
  same('outline', versions[0]?.outline, OUTLINE)
  same('content', versions[0]?.content(), content)
}

function twoDevices(
  crypto: Suite,
  random: (count: number) => Uint8Array,
): { readonly phone: Book; readonly tablet: Book } {
  let clock = START
  const now = () => (clock += 1_000)
  const [first, second] = [1, 2].map(() => ({
    signer: crypto.signingKey(random(64)),
    opener: crypto.openingKey(random(32)),
  }))
  if (!first || !second) throw new Error('there are two devices')
  const { user, statement } = foundUser({ crypto, now, ...first }, 'phone')
  const phone = openBook({ crypto, user, now, random, ...first })
  phone.learn(user, { statements: [statement], heads: [] })
  const keys = { signing: second.signer.publicKey, sealing: second.opener.publicKey }
  const vouched = phone.attach({ keys, label: 'tablet', role: 'device', expires: null })
  const directory = { statements: [statement, vouched], heads: [] }
  phone.learn(user, directory)
  const tablet = openBook({ crypto, user, now, random, ...second })
  tablet.learn(user, directory)
  return { phone, tablet }
}

/** As a host serves it. */
function serve(crypto: Suite, { channels, shares, ...write }: VersionWrite, device: DeviceId): ServedEntry {
  const isMine = ({ recipient }: { readonly recipient: DeviceId }) => recipient.toHex() === device.toHex()
  const version: ServedVersion = {
    header: write.header,
    signature: write.signature,
    outline: write.outline,
    content: write.content,
    recipients: shares.map(({ recipient }) => recipient),
    share: shares.find(isMine) ?? null,
    channel: channels.find(isMine) ?? null,
  }
  return { entry: decodeVersion(crypto, write).header.entry, versions: [version], prune: null }
}
