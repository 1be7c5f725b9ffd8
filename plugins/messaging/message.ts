/** What a message may be: checked where it is sent, and again where it is received. */
import { refuse } from '../sdk/refuse.ts'
import { encodeUtf8 } from '../sdk/utf8.ts'

/** A file that lies elsewhere: whoever fetches it holds it against size and hash. */
interface Attachment {
  readonly name: string
  readonly mediaType: string
  readonly size: number
  /** SHA-256, base64url. */
  readonly sha256: string
  /** Where it is, in words of the two apps: never bytes. */
  readonly locator: string
}

export interface Message {
  readonly id: string
  readonly text: string
  readonly attachments: readonly Attachment[]
  /** Milliseconds since the epoch, by the sender's vault. */
  readonly sentAt: number
}

/** UTF-8 bytes of one text. In JSON it is at most twice as long, since it has no controls but tabs and line ends. */
export const TEXT_BYTES_MAX = 262_144
const ID = /^[A-Za-z0-9_-]{1,64}$/u
// What a terminal or a log would act on, and what JSON writes in six bytes.
// oxlint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/u

export function checkMessage({ id, text, attachments }: Message): void {
  if (!ID.test(id)) refuse('id-invalid', 'a message id is 1 to 64 of A-Z a-z 0-9 _ -')
  if (text === '' && attachments.length === 0) refuse('message-empty', 'send a text or an attachment')
  if (CONTROLS.test(text)) refuse('text-invalid', 'a text has no controls but tabs and line ends')
  if (encodeUtf8(text).length > TEXT_BYTES_MAX) refuse('text-too-long', `a text is at most ${TEXT_BYTES_MAX} bytes`)
}
