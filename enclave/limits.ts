/** Every number of the enclave, with its unit and its reason; `host/limits.ts` has those of an image's files. */
const KiB = 1_024

// evidence -----------------------------------------------------------------------------------------------------------

/** An attestation document: real ones have 4.5 to 7.5 KiB, three full optional fields included. */
export const EVIDENCE_BYTES_MAX = 32 * KiB
/** Containers around a value of a document: payload, registers or chain, value. */
export const EVIDENCE_DEPTH_MAX = 4
/** Values of a document, keys included: 32 registers, 8 certificates and 9 fields are some 100. */
export const EVIDENCE_ITEMS_MAX = 256
/** A certificate (NSM API, attestation_process.md §2.2). */
export const CERTIFICATE_BYTES_MAX = 1_024
/** Certificates above the leaf: AWS has root, region, zone and instance. */
export const CHAIN_CERTIFICATES_MAX = 8
/** `public_key`, `user_data` and `nonce` each: real documents fill 1,024 (nsm-api issue 52), whatever the text says. */
export const EVIDENCE_FIELD_BYTES_MAX = 1_024
/** `module_id`: instance and enclave id. */
export const MODULE_ID_CHARS_MAX = 256
/** How far ahead of ours the clock of a document may be. */
export const EVIDENCE_SKEW_MS_MAX = 60_000
/** Age of evidence when a policy names none: the answer to a nonce of a moment ago. */
export const EVIDENCE_AGE_MS = 5 * 60_000
/** The most a policy may allow: a descriptor is served for a day, and two hours for its renewal. */
export const EVIDENCE_AGE_MS_MAX = 26 * 3_600_000

/** Age of a successor's evidence: it was asked for by the image that hands over, within the same move. */
export const SUCCESSOR_AGE_MS = 5 * 60_000

// registers ----------------------------------------------------------------------------------------------------------

/** A SHA-384, and so a register. */
export const REGISTER_BYTES = 48
/** PCR0 to PCR31. */
export const REGISTERS = 32

// security module ----------------------------------------------------------------------------------------------------

/** The driver's buffer for a request (nsm-api, src/driver/mod.rs): three full fields fit. */
export const NSM_REQUEST_BYTES_MAX = 4 * KiB
/** Its buffer for a response. */
export const NSM_RESPONSE_BYTES_MAX = 12 * KiB
/** What the process that owns the device has for one answer: the module needs some milliseconds. */
export const NSM_ANSWER_MS_MAX = 5_000

// proofs -------------------------------------------------------------------------------------------------------------

/** A proof bundle besides its evidence: it travels in one event. */
export const PROOF_BYTES_MAX = 8 * KiB
/** Hashes from a handler to the root: a set of 65,536. */
export const PROOF_PATH_MAX = 16
