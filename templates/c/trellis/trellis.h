// The handler's world for C: the canonical ABI over `wit/`, without a C library. What is not called is not imported.
//
// Include it in one .c file. `text.h` has memory and text.
#pragma once
#include "text.h"

#define TR_IMPORT(interface, name) \
  __attribute__((import_module("trellis:handler/" interface "@0.1.0"), import_name(name)))

/// Called by the host to place what it hands over.
TR_EXPORT("cabi_realloc") void *tr_realloc(void *old, uint32_t old_size, uint32_t align, uint32_t size) {
  if (size == 0) return (void *)(uintptr_t)align;
  void *at = tr_take(size);
  if (old_size > 0) tr_copy(at, old, old_size < size ? old_size : size);
  return at;
}

// -- how an event ends ------------------------------------------------------------------------------------------------

/// WIT `result<outcome, refusal>`, where the host reads it.
typedef struct {
  uint8_t is_refused;
  union {
    struct {
      uint8_t kind;
      /// The reply, or the question's text.
      tr_text text;
      const tr_text *choices;
      uint32_t count;
    } done;
    struct {
      tr_text code;
      tr_text message;
      uint8_t retry;
    } refused;
  } as;
} tr_ended;

/// Defines the handler: `TR_HANDLE(body) { … return tr_replied(json); }`. `body` is JSON, checked against the manifest.
#define TR_HANDLE(body)                                                              \
  static const tr_ended *tr_handle(tr_text body);                                    \
  TR_EXPORT("handle") const tr_ended *tr_handle_raw(const char *at, uint32_t size) { \
    return tr_handle((tr_text){at, size});                                           \
  }                                                                                  \
  static const tr_ended *tr_handle(tr_text body)

static tr_ended tr_end;

/// The reply, as JSON. The host checks it against the manifest's schema.
TR_KIT const tr_ended *tr_replied(tr_text json) {
  tr_end.is_refused = 0;
  tr_end.as.done.kind = 0;
  tr_end.as.done.text = json;
  return &tr_end;
}

/// Done, and there is nothing to say beyond that.
TR_KIT const tr_ended *tr_accepted(void) {
  tr_end.is_refused = 0;
  tr_end.as.done.kind = 1;
  return &tr_end;
}

/// The handler's own no: `code` is kebab-case, `message` is for the asker. Writes of the event are dropped.
TR_KIT const tr_ended *tr_refused(tr_text code, tr_text message, bool retry) {
  tr_end.is_refused = 1;
  tr_end.as.refused.code = code;
  tr_end.as.refused.message = message;
  tr_end.as.refused.retry = retry;
  return &tr_end;
}

// -- fields -----------------------------------------------------------------------------------------------------------

/// WIT `result<list<u8> or string, enum>`.
typedef struct {
  uint8_t is_error;
  tr_text value;
} tr_bytes_result;

TR_IMPORT("fields", "get") void tr_fields_get(const char *name, uint32_t size, tr_bytes_result *out);

/// A personal field this event was admitted for; false when it is not to be had.
TR_KIT bool tr_field(tr_text name, tr_text *value) {
  tr_bytes_result got;
  tr_fields_get(name.at, name.size, &got);
  if (got.is_error) return false;
  *value = got.value;
  return true;
}

// -- store ------------------------------------------------------------------------------------------------------------

typedef enum { TR_OK, TR_ABSENT, TR_UNAVAILABLE, TR_CONFLICT, TR_TOO_LARGE, TR_WRONG_CATEGORY, TR_FULL } tr_status;

/// A namespace of the grant. Holding it is the permission.
typedef struct {
  int32_t handle;
} tr_namespace;

typedef struct {
  tr_text key;
  tr_text value;
  uint64_t revision;
  /// The owner sees that it is there, not what it is.
  uint8_t is_opaque;
  struct {
    uint8_t is_there;
    tr_text name;
  } category;
} tr_item;

typedef struct {
  const tr_item *items;
  uint32_t count;
  /// Pass it as `after` to read on.
  bool has_next;
  tr_text next;
} tr_page;

/// Any revision will do: the last write wins.
#define TR_ANY_REVISION UINT64_MAX

typedef struct {
  uint8_t is_error;
  union {
    int32_t handle;
    uint8_t error;
  } as;
  uint32_t too_large;
} tr_store_result;

typedef struct {
  uint8_t is_error;
  union {
    struct {
      uint8_t is_there;
      tr_item item;
    } found;
    uint8_t error;
  } as;
} tr_item_result;

typedef struct {
  uint8_t is_error;
  union {
    struct {
      const tr_item *items;
      uint32_t count;
      uint8_t has_next;
      tr_text next;
    } page;
    uint8_t error;
  } as;
} tr_page_result;

TR_IMPORT("store", "open") void tr_store_open(const char *label, uint32_t size, tr_store_result *out);
TR_IMPORT("store", "[method]namespace.get")
void tr_store_get(int32_t self, const char *key, uint32_t size, tr_item_result *out);
TR_IMPORT("store", "[method]namespace.put")
void tr_store_put(int32_t self, const char *key, uint32_t size, const char *value, uint32_t value_size,
                  int32_t is_expected, uint64_t expected, int32_t is_attributed, int32_t is_opaque,
                  int32_t is_category, const char *category, uint32_t category_size, tr_store_result *out);
TR_IMPORT("store", "[method]namespace.delete")
void tr_store_delete(int32_t self, const char *key, uint32_t size, tr_store_result *out);
TR_IMPORT("store", "[method]namespace.scan")
void tr_store_scan(int32_t self, const char *prefix, uint32_t size, int32_t is_after, const char *after,
                   uint32_t after_size, uint32_t limit, tr_page_result *out);

/// `connection` is the asker's own namespace, `handler` this handler's own for all connections.
TR_KIT bool tr_open(tr_text label, tr_namespace *space) {
  tr_store_result opened;
  tr_store_open(label.at, label.size, &opened);
  if (opened.is_error) return false;
  space->handle = opened.as.handle;
  return true;
}

TR_KIT tr_status tr_get(tr_namespace space, tr_text key, tr_item *item) {
  tr_item_result got;
  tr_store_get(space.handle, key.at, key.size, &got);
  if (got.is_error) return (tr_status)(TR_UNAVAILABLE + got.as.error);
  if (!got.as.found.is_there) return TR_ABSENT;
  *item = got.as.found.item;
  return TR_OK;
}

/// Only when the key is at this revision; 0: only when it is absent.
TR_KIT tr_status tr_put_at(tr_namespace space, tr_text key, tr_text value, uint64_t expected) {
  tr_store_result put;
  bool is_expected = expected != TR_ANY_REVISION;
  tr_store_put(space.handle, key.at, key.size, value.at, value.size, is_expected, expected, 0, 0, 0, NULL, 0, &put);
  return put.is_error ? (tr_status)(TR_UNAVAILABLE + put.as.error) : TR_OK;
}

/// With attributes; `category` may be NULL. At any revision with TR_ANY_REVISION.
TR_KIT tr_status tr_put_as(tr_namespace space, tr_text key, tr_text value, uint64_t expected, bool is_opaque,
                           const tr_text *category) {
  tr_store_result put;
  tr_text name = category == NULL ? TR_TEXT("") : *category;
  tr_store_put(space.handle, key.at, key.size, value.at, value.size, expected != TR_ANY_REVISION, expected, 1,
               is_opaque, category != NULL, name.at, name.size, &put);
  return put.is_error ? (tr_status)(TR_UNAVAILABLE + put.as.error) : TR_OK;
}

TR_KIT tr_status tr_put(tr_namespace space, tr_text key, tr_text value) {
  return tr_put_at(space, key, value, TR_ANY_REVISION);
}

TR_KIT tr_status tr_delete(tr_namespace space, tr_text key) {
  tr_store_result deleted;
  tr_store_delete(space.handle, key.at, key.size, &deleted);
  return deleted.is_error ? (tr_status)(TR_UNAVAILABLE + deleted.as.error) : TR_OK;
}

/// Keys that start with `prefix`, in byte order, after `*after`, or from the first when `after` is NULL.
TR_KIT tr_status tr_scan(tr_namespace space, tr_text prefix, const tr_text *after, uint32_t limit, tr_page *page) {
  tr_page_result got;
  tr_text from = after == NULL ? TR_TEXT("") : *after;
  tr_store_scan(space.handle, prefix.at, prefix.size, after != NULL, from.at, from.size, limit, &got);
  if (got.is_error) return (tr_status)(TR_UNAVAILABLE + got.as.error);
  *page = (tr_page){got.as.page.items, got.as.page.count, got.as.page.has_next, got.as.page.next};
  return TR_OK;
}

// -- session ----------------------------------------------------------------------------------------------------------

/// Who asks, told by the host.
typedef struct {
  tr_text connection;
  /// 0 a service, 1 a peer, 2 the vault's own owner: then `connection` is the label of the device.
  uint8_t kind;
  uint32_t contract_version;
  tr_text event_id;
  tr_text event_type;
  uint32_t deadline_ms;
  /// The owner approved this very request.
  uint8_t is_approved;
  /// Stays the same when the owner renames the connection.
  tr_text connection_id;
} tr_session;

TR_IMPORT("session", "current") void tr_session_current(tr_session *out);

TR_KIT tr_session tr_current_session(void) {
  tr_session session;
  tr_session_current(&session);
  return session;
}

// -- keys -------------------------------------------------------------------------------------------------------------

TR_IMPORT("keys", "algorithm-of") void tr_keys_algorithm(const char *alias, uint32_t size, uint8_t out[2]);
TR_IMPORT("keys", "public-key") void tr_keys_public_key(const char *alias, uint32_t size, tr_bytes_result *out);
TR_IMPORT("keys", "sign")
void tr_keys_sign(const char *alias, uint32_t size, const char *message, uint32_t message_size, tr_bytes_result *out);

typedef enum { TR_ED25519, TR_ECDSA_SECP256K1, TR_BIP340 } tr_algorithm;

/// False when the grant has no such key.
TR_KIT bool tr_algorithm_of(tr_text alias, tr_algorithm *algorithm) {
  uint8_t got[2];
  tr_keys_algorithm(alias.at, alias.size, got);
  if (got[0]) return false;
  *algorithm = (tr_algorithm)got[1];
  return true;
}

/// 33 bytes of ECDSA, else 32; false when the grant has no such key.
TR_KIT bool tr_public_key(tr_text alias, tr_text *key) {
  tr_bytes_result got;
  tr_keys_public_key(alias.at, alias.size, &got);
  if (got.is_error) return false;
  *key = got.value;
  return true;
}

/// 64 bytes; false when the grant has no such key, or it does not sign messages of this size (32 but for Ed25519).
TR_KIT bool tr_sign(tr_text alias, tr_text message, tr_text *signature) {
  tr_bytes_result got;
  tr_keys_sign(alias.at, alias.size, message.at, message.size, &got);
  if (got.is_error) return false;
  *signature = got.value;
  return true;
}

// -- credentials ------------------------------------------------------------------------------------------------------

/// What may be known of a credential: never the value of a claim.
typedef struct {
  tr_text alias;
  tr_text kind;
  tr_text issuer;
  tr_text label;
  /// Those this event was admitted for.
  const tr_text *claims;
  uint32_t claim_count;
  bool has_expires;
  /// Milliseconds since the epoch.
  uint64_t expires;
} tr_credential;

typedef struct {
  const tr_credential *items;
  uint32_t count;
} tr_credentials;

TR_IMPORT("credentials", "list") void tr_credentials_list(tr_credentials *out);
TR_IMPORT("credentials", "prove")
void tr_credentials_prove(const char *alias, uint32_t size, const tr_text *disclose, uint32_t count, const char *nonce,
                          uint32_t nonce_size, tr_bytes_result *out);

/// The credentials that have a claim this event was admitted for.
TR_KIT tr_credentials tr_list_credentials(void) {
  tr_credentials credentials;
  tr_credentials_list(&credentials);
  return credentials;
}

/// A proof of exactly these claims for a nonce of 16 to 64 bytes; false when it is not to be had.
TR_KIT bool tr_prove(tr_text alias, const tr_text *disclose, uint32_t count, tr_text nonce, tr_text *proof) {
  tr_bytes_result got;
  tr_credentials_prove(alias.at, alias.size, disclose, count, nonce.at, nonce.size, &got);
  if (got.is_error) return false;
  *proof = got.value;
  return true;
}

// -- outbox, clock, random, log, audit --------------------------------------------------------------------------------

TR_IMPORT("outbox", "notify-owner")
void tr_outbox_notify_owner(const char *type, uint32_t size, const char *body, uint32_t body_size, uint8_t out[2]);
TR_IMPORT("outbox", "emit")
void tr_outbox_emit(const char *type, uint32_t size, const char *body, uint32_t body_size, uint8_t out[2]);
TR_IMPORT("outbox", "send")
void tr_outbox_send(const char *to, uint32_t to_size, const char *type, uint32_t size, const char *body,
                    uint32_t body_size, uint8_t out[2]);
TR_IMPORT("clock", "now") uint64_t tr_now(void);
TR_IMPORT("random", "bytes") void tr_random_bytes(uint32_t size, tr_text *out);
TR_IMPORT("log", "write") void tr_log_write(int32_t level, const char *text, uint32_t size);
TR_IMPORT("audit", "note") void tr_audit_note(const char *fact, uint32_t size, uint8_t out[2]);

/// A notice to the owner's devices; false when there is no such right, or too many.
TR_KIT bool tr_notify_owner(tr_text type, tr_text json) {
  uint8_t out[2];
  tr_outbox_notify_owner(type.at, type.size, json.at, json.size, out);
  return out[0] == 0;
}

/// An event to the connection that asked; false when there is no such right, or too many.
TR_KIT bool tr_emit(tr_text type, tr_text json) {
  uint8_t out[2];
  tr_outbox_emit(type.at, type.size, json.at, json.size, out);
  return out[0] == 0;
}

/// An event to another connection by the owner's alias; false when it cannot be sent there, or is too many.
TR_KIT bool tr_send(tr_text to, tr_text type, tr_text json) {
  uint8_t out[2];
  tr_outbox_send(to.at, to.size, type.at, type.size, json.at, json.size, out);
  return out[0] == 0;
}

/// At most 1,024 bytes.
TR_KIT tr_text tr_random(uint32_t size) {
  tr_text bytes;
  tr_random_bytes(size, &bytes);
  return bytes;
}

typedef enum { TR_DEBUG, TR_INFO, TR_WARN, TR_ERROR } tr_level;

/// A line for the operator, without personal data.
TR_KIT void tr_log(tr_level level, tr_text line) { tr_log_write(level, line.at, line.size); }

/// A fact for the owner's audit trail, 1 to 256 bytes; false for a longer one, or a ninth of this event.
TR_KIT bool tr_note(tr_text fact) {
  uint8_t out[2];
  tr_audit_note(fact.at, fact.size, out);
  return out[0] == 0;
}

// -- approval ---------------------------------------------------------------------------------------------------------

typedef enum { TR_NOT_ASKED, TR_YES, TR_CHOSEN } tr_answer_kind;

/// The owner's answer to a question that this handler asked with `tr_suspended`. A no never gets here.
typedef struct {
  uint8_t kind;
  /// One of the choices, to the letter, when the kind is TR_CHOSEN.
  tr_text choice;
} tr_answer;

TR_IMPORT("approval", "current") void tr_approval_current(tr_answer *out);

TR_KIT tr_answer tr_approval(void) {
  tr_answer answer;
  tr_approval_current(&answer);
  return answer;
}

/// Asks the owner first: writes of this call are dropped, and the request is handled anew with the answer in
/// `tr_approval`. Without choices (NULL, 0) it is a plain yes or no. `choices` must outlive the call: make it static.
TR_KIT const tr_ended *tr_suspended(tr_text question, const tr_text *choices, uint32_t count) {
  tr_end.is_refused = 0;
  tr_end.as.done.kind = 2;
  tr_end.as.done.text = question;
  tr_end.as.done.choices = choices;
  tr_end.as.done.count = count;
  return &tr_end;
}
