declare module 'trellis:handler/handler@0.1.0' {
  export type Outcome = import('trellis:handler/types@0.1.0').Outcome
  export type Refusal = import('trellis:handler/types@0.1.0').Refusal
  export type * as TrellisHandlerApproval010 from 'trellis:handler/approval@0.1.0' // import trellis:handler/approval@0.1.0
  export type * as TrellisHandlerAudit010 from 'trellis:handler/audit@0.1.0' // import trellis:handler/audit@0.1.0
  export type * as TrellisHandlerClock010 from 'trellis:handler/clock@0.1.0' // import trellis:handler/clock@0.1.0
  export type * as TrellisHandlerCredentials010 from 'trellis:handler/credentials@0.1.0' // import trellis:handler/credentials@0.1.0
  export type * as TrellisHandlerFields010 from 'trellis:handler/fields@0.1.0' // import trellis:handler/fields@0.1.0
  export type * as TrellisHandlerKeys010 from 'trellis:handler/keys@0.1.0' // import trellis:handler/keys@0.1.0
  export type * as TrellisHandlerLog010 from 'trellis:handler/log@0.1.0' // import trellis:handler/log@0.1.0
  export type * as TrellisHandlerOutbox010 from 'trellis:handler/outbox@0.1.0' // import trellis:handler/outbox@0.1.0
  export type * as TrellisHandlerRandom010 from 'trellis:handler/random@0.1.0' // import trellis:handler/random@0.1.0
  export type * as TrellisHandlerSession010 from 'trellis:handler/session@0.1.0' // import trellis:handler/session@0.1.0
  export type * as TrellisHandlerStore010 from 'trellis:handler/store@0.1.0' // import trellis:handler/store@0.1.0
  export type * as TrellisHandlerTypes010 from 'trellis:handler/types@0.1.0' // import trellis:handler/types@0.1.0
  /**
   * One admitted event. `body` is JSON in UTF-8, already checked against the manifest's request schema.
   */
  export function handle(body: Uint8Array): Outcome
  export type Result<T, E> = { tag: 'ok'; val: T } | { tag: 'err'; val: E }
}
