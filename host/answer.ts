/**
 * What the host answers itself, without a handler: a device's commands, the host's own types of a connection, and a
 * device that knocks at a vault that is locked.
 */
import { EVIDENCE } from '#host/contracts/evidence.ts'
import { Refusal } from '#host/errors.ts'
import type { Message } from '#host/messaging/port.ts'
import { hearShared, isSharedEvent, relayShared, takeShared } from '#host/vault/account/shared.ts'
import { CATALOGUE, catalogue } from '#host/vault/catalogue.ts'
import { evidence } from '#host/vault/evidence.ts'
import type { Opened } from '#host/vault/open.ts'
import type { Letter } from '#host/vault/outbox.ts'
import { obey } from '#host/vault/owner.ts'
import { UNLOCK } from '#host/vault/owner-factor.ts'
import type { Connection, Device } from '#host/vault/party.ts'
import { hearPeer, isPeerEvent } from '#host/vault/peer-event.ts'
import { present, PUBLISH } from '#host/vault/present.ts'
import { publish } from '#host/vault/publish.ts'
import { takeRemembered } from '#host/vault/remembered.ts'
import { hearSandbox, isSandboxEvent } from '#host/vault/sandbox/hear.ts'
import { relay, relayed, takeRelayed } from '#host/vault/sandbox/relay.ts'
import { knockOf } from '#host/vault/sealing/knock.ts'
import { resumeUnlocked } from '#host/vault/unlocked.ts'
import { parseSubject } from '#host/wire/subject.ts'
import { type Deliverer, moment } from './deliverer.ts'
import type { Watch } from './watch.ts'

interface Answering {
  readonly host: Deliverer
  readonly watch: Watch
}

/** A command, or what another vault hosts: first of all whether this is the vault that the device knows. */
export async function hearDevice(
  heard: Opened,
  device: Device,
  { host, watch }: Answering,
): Promise<readonly Letter[]> {
  const opened = await takeRemembered(heard, device, moment(host))
  const elsewhere = relayed(opened)
  if (elsewhere) return watch.timed('relay', relay(opened, device, { ...elsewhere, ...moment(host) }))
  if (isSharedEvent(opened)) return watch.timed('relay', relayShared(opened, device, moment(host)))
  return watch.timed('obey', command(opened, device, host))
}

/** A device's command; after the PIN, what waited for it: the device has its answer by then. */
async function command(opened: Opened, device: Device, host: Deliverer): Promise<readonly Letter[]> {
  const options = { registry: host.registry, pool: host.pool, ...moment(host) }
  const letters = await obey(opened, device, options)
  if (opened.event.type !== UNLOCK) return letters
  await publish(letters, { bus: host.bus, outbox: opened.vault.outbox })
  return resumeUnlocked(opened.vault, options)
}

/**
 * What the host answers a connection itself, under its own types; undefined for an event that is a handler's.
 */
export async function hearOwn(
  opened: Opened,
  party: Connection,
  { host, watch }: Answering,
): Promise<readonly Letter[] | undefined> {
  const { type } = opened.event
  if (type === PUBLISH) return watch.timed('present', present(opened, party, moment(host)))
  const answered = takeRelayed(opened, party, moment(host)) ?? takeShared(opened, party, moment(host))
  if (answered) return answered
  if (isSandboxEvent(opened)) return watch.timed('sandbox', hearSandbox(opened, party, moment(host)))
  if (isSharedEvent(opened)) return watch.timed('shared', hearShared(opened, party, moment(host)))
  if (type === CATALOGUE) {
    return watch.timed('catalogue', catalogue(opened, party, { registry: host.registry, ...moment(host) }))
  }
  if (type === EVIDENCE) {
    return watch.timed('evidence', evidence(opened, party, { showing: host.showing, ...moment(host) }))
  }
  return isPeerEvent(opened) ? watch.timed('settle', hearPeer(opened, party, moment(host))) : undefined
}

/** A device at the outer shell: answered there, whether the vault is open or not. */
export async function knocked({ subject: text, data }: Message, { sealing, bus }: Deliverer): Promise<boolean> {
  const subject = parseSubject(text)
  const knock = knockOf(subject)
  if (!knock) return false
  if (!sealing) throw new Refusal('provision-invalid', 'no enclave runs here: nothing is sealed')
  const answer = await (knock.asks === 'evidence'
    ? sealing.challenged(subject.vault, data)
    : sealing.ordered(subject.vault, data))
  await bus.publish(knock.answerTo, answer)
  return true
}
