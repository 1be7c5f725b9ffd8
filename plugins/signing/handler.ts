/** `document.sign`: the vault's own key signs the hash of a document, once its owner said yes to its title. */
import { current as answer } from 'trellis:handler/approval@0.1.0'
import { now } from 'trellis:handler/clock@0.1.0'
import { publicKey, sign } from 'trellis:handler/keys@0.1.0'
import { current as session } from 'trellis:handler/session@0.1.0'
import type { Outcome } from 'trellis:handler/types@0.1.0'

import { decodeBase64url, encodeBase64url } from '../sdk/base64url.ts'
import { parseJson, reply } from '../sdk/json.ts'
import { payloadOf, refuse } from '../sdk/refuse.ts'
import { encodeUtf8 } from '../sdk/utf8.ts'
import { type Document, hashBytes, signedStatement } from './statement.ts'

interface SignRequest {
  readonly algorithm: Document['algorithm']
  readonly hash: string
  readonly title: string
}

const KEY = 'identity'
/** With the asker's name and the hash it fits the 512 bytes of a question. */
const TITLE_BYTES_MAX = 160
/** Enough of the hash to tell two documents of one title apart on a screen. */
const SHOWN_HASH_BYTES = 8
/** Controls, and characters that are not seen or turn the order of those that are: nobody reads such a title. */
const UNREADABLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u

export function handle(body: Uint8Array): Outcome {
  const document = documentOf(parseJson(body) as SignRequest)
  if (answer().tag === 'none') return { tag: 'suspended', val: { text: questionFor(document), choices: [] } }
  const signedAt = now()
  const statement = signedStatement(document, signedAt)
  try {
    const signature = sign(KEY, statement)
    return reply({
      algorithm: 'Ed25519',
      publicKey: encodeBase64url(publicKey(KEY)),
      signedAt,
      statement: encodeBase64url(statement),
      signature: encodeBase64url(signature),
    })
  } catch (error) {
    if (payloadOf(error) === undefined) throw error
    return refuse('key-unavailable', 'this vault has no key to sign documents with')
  }
}

function documentOf({ algorithm, hash: encoded, title }: SignRequest): Document {
  const bytes = Object.hasOwn(hashBytes, algorithm) ? hashBytes[algorithm] : undefined
  if (bytes === undefined) return refuse('hash-invalid', `send a hash of ${Object.keys(hashBytes).join(' or ')}`)
  const hash = decodeBase64url(encoded)
  if (hash?.length !== bytes) return refuse('hash-invalid', `send the ${bytes} bytes of ${algorithm} as base64url`)
  if (title.trim() === '' || UNREADABLE.test(title)) {
    return refuse('title-invalid', 'send a title of visible characters, in one line')
  }
  if (encodeUtf8(title).length > TITLE_BYTES_MAX) {
    return refuse('title-invalid', `send a title of at most ${TITLE_BYTES_MAX} bytes`)
  }
  return { algorithm, hash, title }
}

/** The title is last: nothing in it can pass for the words before it. */
function questionFor({ algorithm, hash, title }: Document): string {
  const shown = [...hash.subarray(0, SHOWN_HASH_BYTES)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return `${session().connection} asks you to sign a document (${algorithm} ${shown}…): ${title}`
}
