// The handler's world for C: the host functions of a Trellis host over the kernel of Extism, without a C library or a
// PDK. What is not called is not imported, and a host lets in no import that the manifest does not need. The functions
// are those of the kit for components: a handler is built for either.
//
// Include it in one .c file. `text.h` has memory and text, `json.h` reads JSON.
#pragma once
#include "json.h"
#include "text.h"

// -- the kernel: blocks of bytes that plug-in and host share, by their offset -----------------------------------------

#define TR_ENV(name) __attribute__((import_module("extism:host/env"), import_name(name)))
#define TR_USER(name) __attribute__((import_module("extism:host/user"), import_name(name)))

TR_ENV("alloc") uint64_t tr_kernel_alloc(uint64_t size);
TR_ENV("free") void tr_kernel_free(uint64_t at);
TR_ENV("length") uint64_t tr_kernel_length(uint64_t at);
TR_ENV("load_u8") uint32_t tr_kernel_load_u8(uint64_t at);
TR_ENV("load_u64") uint64_t tr_kernel_load_u64(uint64_t at);
TR_ENV("store_u8") void tr_kernel_store_u8(uint64_t at, uint32_t value);
TR_ENV("store_u64") void tr_kernel_store_u64(uint64_t at, uint64_t value);
TR_ENV("input_length") uint64_t tr_kernel_input_length(void);
TR_ENV("input_load_u8") uint32_t tr_kernel_input_u8(uint64_t at);
TR_ENV("input_load_u64") uint64_t tr_kernel_input_u64(uint64_t at);
TR_ENV("output_set") void tr_kernel_output(uint64_t at, uint64_t size);

TR_KIT tr_text tr_input(void) {
  uint32_t size = (uint32_t)tr_kernel_input_length(), at = 0;
  char *bytes = tr_take(size);
  for (; at + 8 <= size; at += 8) {
    uint64_t word = tr_kernel_input_u64(at);
    __builtin_memcpy(bytes + at, &word, 8);
  }
  for (; at < size; at++) bytes[at] = (char)tr_kernel_input_u8(at);
  return (tr_text){bytes, size};
}

/// Bytes as a new block.
TR_KIT uint64_t tr_block(tr_text text) {
  uint64_t block = tr_kernel_alloc(text.size);
  uint32_t at = 0;
  for (; at + 8 <= text.size; at += 8) {
    uint64_t word;
    __builtin_memcpy(&word, text.at + at, 8);
    tr_kernel_store_u64(block + at, word);
  }
  for (; at < text.size; at++) tr_kernel_store_u8(block + at, (unsigned char)text.at[at]);
  return block;
}

/// The bytes of a block, which is given back.
TR_KIT tr_text tr_taken(uint64_t block) {
  uint32_t size = (uint32_t)tr_kernel_length(block), at = 0;
  char *bytes = tr_take(size);
  for (; at + 8 <= size; at += 8) {
    uint64_t word = tr_kernel_load_u64(block + at);
    __builtin_memcpy(bytes + at, &word, 8);
  }
  for (; at < size; at++) bytes[at] = (char)tr_kernel_load_u8(block + at);
  tr_kernel_free(block);
  return (tr_text){bytes, size};
}

// -- requests and answers ---------------------------------------------------------------------------------------------

typedef uint64_t (*tr_host_function)(uint64_t request);

/// What a host function said: the JSON of `ok`, or that of `err`.
typedef struct {
  bool is_ok;
  tr_text json;
} tr_said;

/// A request of no members is no block. Anything but `ok` or `err` is a mistake that the event ends with.
TR_KIT tr_said tr_ask(tr_host_function function, const tr_buffer *request) {
  uint64_t block = request == NULL ? 0 : tr_block(request->text);
  tr_text answer = tr_taken(function(block));
  if (block != 0) tr_kernel_free(block);
  tr_said said = {true, {0}};
  if (tr_json_member(answer, TR_TEXT("ok"), &said.json)) return said;
  said.is_ok = false;
  if (!tr_json_member(answer, TR_TEXT("err"), &said.json)) __builtin_trap();
  return said;
}

/// `{` or `,`, and the name with its colon. Names need no escape.
TR_KIT void tr_add_name(tr_buffer *json, tr_text name) {
  tr_add(json, json->text.size == 0 ? TR_TEXT("{\"") : TR_TEXT(",\""));
  tr_add(json, name);
  tr_add(json, TR_TEXT("\":"));
}

TR_KIT void tr_add_member(tr_buffer *json, tr_text name, tr_text text) {
  tr_add_name(json, name);
  tr_add_json(json, text);
}

TR_KIT void tr_add_bytes_member(tr_buffer *json, tr_text name, tr_text bytes) {
  tr_add_name(json, name);
  tr_add_base64url(json, bytes);
}

TR_KIT void tr_add_texts(tr_buffer *json, const tr_text *texts, uint32_t count) {
  tr_add(json, TR_TEXT("["));
  for (uint32_t at = 0; at < count; at++) {
    if (at > 0) tr_add(json, TR_TEXT(","));
    tr_add_json(json, texts[at]);
  }
  tr_add(json, TR_TEXT("]"));
}

// -- how an event ends ------------------------------------------------------------------------------------------------

/// One JSON object.
typedef struct {
  tr_buffer json;
} tr_ended;

/// Defines the handler: `TR_HANDLE(body) { … return tr_replied(json); }`. `body` is JSON, checked against the manifest.
#define TR_HANDLE(body)                                                     \
  static const tr_ended *tr_handle(tr_text body);                           \
  TR_EXPORT("handle") int32_t tr_handle_raw(void) {                         \
    const tr_ended *ended = tr_handle(tr_input());                          \
    tr_kernel_output(tr_block(ended->json.text), ended->json.text.size);    \
    return 0;                                                               \
  }                                                                         \
  static const tr_ended *tr_handle(tr_text body)

static tr_ended tr_end;

/// The reply, as JSON. The host checks it against the manifest's schema.
TR_KIT const tr_ended *tr_replied(tr_text json) {
  tr_add(&tr_end.json, TR_TEXT("{\"reply\":"));
  tr_add(&tr_end.json, json);
  tr_add(&tr_end.json, TR_TEXT("}"));
  return &tr_end;
}

/// Done, and there is nothing to say beyond that.
TR_KIT const tr_ended *tr_accepted(void) {
  tr_add(&tr_end.json, TR_TEXT("{\"accepted\":true}"));
  return &tr_end;
}

/// The handler's own no: `code` is kebab-case, `message` is for the asker. Writes of the event are dropped.
TR_KIT const tr_ended *tr_refused(tr_text code, tr_text message, bool retry) {
  tr_add(&tr_end.json, TR_TEXT("{\"refusal\":{\"code\":"));
  tr_add_json(&tr_end.json, code);
  tr_add(&tr_end.json, TR_TEXT(",\"message\":"));
  tr_add_json(&tr_end.json, message);
  tr_add(&tr_end.json, retry ? TR_TEXT(",\"retry\":true}}") : TR_TEXT(",\"retry\":false}}"));
  return &tr_end;
}

/// Asks the owner first: writes of this call are dropped, and the request is handled anew with the answer in
/// `tr_approval`. Without choices (NULL, 0) it is a plain yes or no.
TR_KIT const tr_ended *tr_suspended(tr_text question, const tr_text *choices, uint32_t count) {
  tr_add(&tr_end.json, TR_TEXT("{\"suspended\":{\"text\":"));
  tr_add_json(&tr_end.json, question);
  tr_add(&tr_end.json, TR_TEXT(",\"choices\":"));
  tr_add_texts(&tr_end.json, choices, count);
  tr_add(&tr_end.json, TR_TEXT("}}"));
  return &tr_end;
}

// -- fields -----------------------------------------------------------------------------------------------------------

TR_USER("trellis_fields_get") uint64_t tr_host_field(uint64_t request);

/// A personal field this event was admitted for; false when it is not to be had.
TR_KIT bool tr_field(tr_text name, tr_text *value) {
  tr_buffer request = {0};
  tr_add_member(&request, TR_TEXT("name"), name);
  tr_add(&request, TR_TEXT("}"));
  tr_said said = tr_ask(tr_host_field, &request);
  if (said.is_ok) *value = tr_json_text(said.json);
  return said.is_ok;
}

// -- store ------------------------------------------------------------------------------------------------------------

TR_USER("trellis_store_get") uint64_t tr_host_get(uint64_t request);
TR_USER("trellis_store_put") uint64_t tr_host_put(uint64_t request);
TR_USER("trellis_store_delete") uint64_t tr_host_delete(uint64_t request);
TR_USER("trellis_store_scan") uint64_t tr_host_scan(uint64_t request);

typedef enum { TR_OK, TR_ABSENT, TR_UNAVAILABLE, TR_CONFLICT, TR_TOO_LARGE, TR_WRONG_CATEGORY, TR_FULL } tr_status;

/// What it takes to see or use a value: what is critical needs the owner's second factor.
typedef enum { TR_DATA, TR_SECRET, TR_CRITICAL } tr_sensitivity;

/// A namespace of the grant, by its label.
typedef struct {
  tr_text label;
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

/// `connection` is the asker's own namespace, `handler` this handler's own for all connections. Whether it is to be had
/// is told by its first use.
TR_KIT bool tr_open(tr_text label, tr_namespace *space) {
  space->label = label;
  return true;
}

/// An error is its name, or an object with the name as its one key.
TR_KIT tr_status tr_status_of(tr_said said) {
  if (said.is_ok) return TR_OK;
  tr_text left;
  if (tr_equal(said.json, TR_TEXT("\"unavailable\""))) return TR_UNAVAILABLE;
  if (tr_equal(said.json, TR_TEXT("\"conflict\""))) return TR_CONFLICT;
  if (tr_equal(said.json, TR_TEXT("\"wrong-category\""))) return TR_WRONG_CATEGORY;
  return tr_json_member(said.json, TR_TEXT("full"), &left) ? TR_FULL : TR_TOO_LARGE;
}

TR_KIT tr_buffer tr_keyed(tr_namespace space, tr_text key) {
  tr_buffer request = {0};
  tr_add_member(&request, TR_TEXT("label"), space.label);
  tr_add_member(&request, TR_TEXT("key"), key);
  return request;
}

TR_KIT tr_item tr_item_of(tr_text json) {
  tr_item item = {0};
  tr_text value = TR_TEXT("\"\"");
  tr_json_member(json, TR_TEXT("value"), &value);
  item.key = tr_json_member_text(json, TR_TEXT("key"));
  item.value = tr_json_bytes(value);
  item.revision = tr_json_member_u64(json, TR_TEXT("revision"));
  item.is_opaque = tr_equal(tr_json_member_text(json, TR_TEXT("visibility")), TR_TEXT("opaque"));
  item.category.is_there = tr_json_has(json, TR_TEXT("category"));
  item.category.name = tr_json_member_text(json, TR_TEXT("category"));
  return item;
}

TR_KIT tr_status tr_get(tr_namespace space, tr_text key, tr_item *item) {
  tr_buffer request = tr_keyed(space, key);
  tr_add(&request, TR_TEXT("}"));
  tr_said said = tr_ask(tr_host_get, &request);
  if (!said.is_ok) return tr_status_of(said);
  if (said.json.at[0] == 'n') return TR_ABSENT;
  *item = tr_item_of(said.json);
  return TR_OK;
}

TR_KIT tr_buffer tr_putting(tr_namespace space, tr_text key, tr_text value, uint64_t expected) {
  tr_buffer request = tr_keyed(space, key);
  tr_add_bytes_member(&request, TR_TEXT("value"), value);
  if (expected == TR_ANY_REVISION) return request;
  tr_add_name(&request, TR_TEXT("expected"));
  tr_add_u64(&request, expected);
  return request;
}

/// Only when the key is at this revision; 0: only when it is absent.
TR_KIT tr_status tr_put_at(tr_namespace space, tr_text key, tr_text value, uint64_t expected) {
  tr_buffer request = tr_putting(space, key, value, expected);
  tr_add(&request, TR_TEXT("}"));
  return tr_status_of(tr_ask(tr_host_put, &request));
}

/// With attributes; `category` may be NULL. What is more sensitive already stays so. At any revision with TR_ANY_REVISION.
TR_KIT tr_status tr_put_marked(tr_namespace space, tr_text key, tr_text value, uint64_t expected, bool is_opaque,
                               const tr_text *category, tr_sensitivity sensitivity) {
  tr_buffer request = tr_putting(space, key, value, expected), attributes = {0};
  tr_add_member(&attributes, TR_TEXT("visibility"), is_opaque ? TR_TEXT("opaque") : TR_TEXT("transparent"));
  if (category != NULL) tr_add_member(&attributes, TR_TEXT("category"), *category);
  if (sensitivity == TR_SECRET) tr_add_member(&attributes, TR_TEXT("sensitivity"), TR_TEXT("secret"));
  if (sensitivity == TR_CRITICAL) tr_add_member(&attributes, TR_TEXT("sensitivity"), TR_TEXT("critical"));
  tr_add_name(&request, TR_TEXT("attributes"));
  tr_add(&request, attributes.text);
  tr_add(&request, TR_TEXT("}}"));
  return tr_status_of(tr_ask(tr_host_put, &request));
}

/// The same, as sensitive as it was: data, when it is new and its category demands no more.
TR_KIT tr_status tr_put_as(tr_namespace space, tr_text key, tr_text value, uint64_t expected, bool is_opaque,
                           const tr_text *category) {
  return tr_put_marked(space, key, value, expected, is_opaque, category, TR_DATA);
}

TR_KIT tr_status tr_put(tr_namespace space, tr_text key, tr_text value) {
  return tr_put_at(space, key, value, TR_ANY_REVISION);
}

TR_KIT tr_status tr_delete(tr_namespace space, tr_text key) {
  tr_buffer request = tr_keyed(space, key);
  tr_add(&request, TR_TEXT("}"));
  return tr_status_of(tr_ask(tr_host_delete, &request));
}

/// Keys that start with `prefix`, in byte order, after `*after`, or from the first when `after` is NULL.
TR_KIT tr_status tr_scan(tr_namespace space, tr_text prefix, const tr_text *after, uint32_t limit, tr_page *page) {
  tr_buffer request = {0};
  tr_add_member(&request, TR_TEXT("label"), space.label);
  tr_add_member(&request, TR_TEXT("prefix"), prefix);
  if (after != NULL) tr_add_member(&request, TR_TEXT("after"), *after);
  tr_add_name(&request, TR_TEXT("limit"));
  tr_add_u64(&request, limit);
  tr_add(&request, TR_TEXT("}"));
  tr_said said = tr_ask(tr_host_scan, &request);
  if (!said.is_ok) return tr_status_of(said);
  tr_text found = TR_TEXT("[]");
  tr_json_member(said.json, TR_TEXT("items"), &found);
  uint32_t count = tr_json_count(found), from = 1;
  tr_item *items = tr_take(count * (uint32_t)sizeof(tr_item));
  for (uint32_t at = 0; at < count; at++) items[at] = tr_item_of(tr_json_next(found, &from));
  bool has_next = tr_json_has(said.json, TR_TEXT("next"));
  *page = (tr_page){items, count, has_next, tr_json_member_text(said.json, TR_TEXT("next"))};
  return TR_OK;
}

// -- session ----------------------------------------------------------------------------------------------------------

TR_USER("trellis_session") uint64_t tr_host_session(uint64_t request);

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

TR_KIT tr_session tr_current_session(void) {
  tr_text json = tr_ask(tr_host_session, NULL).json, approved = {0};
  tr_text kind = tr_json_member_text(json, TR_TEXT("kind"));
  tr_session session = {0};
  session.connection = tr_json_member_text(json, TR_TEXT("connection"));
  session.kind = tr_equal(kind, TR_TEXT("owner")) ? 2 : tr_equal(kind, TR_TEXT("peer"));
  session.contract_version = (uint32_t)tr_json_member_u64(json, TR_TEXT("contract_version"));
  session.event_id = tr_json_member_text(json, TR_TEXT("event_id"));
  session.event_type = tr_json_member_text(json, TR_TEXT("event_type"));
  session.deadline_ms = (uint32_t)tr_json_member_u64(json, TR_TEXT("deadline_ms"));
  session.is_approved = tr_json_member(json, TR_TEXT("approved"), &approved) && approved.at[0] == 't';
  session.connection_id = tr_json_member_text(json, TR_TEXT("connection_id"));
  return session;
}

// -- keys -------------------------------------------------------------------------------------------------------------

TR_USER("trellis_keys_algorithm") uint64_t tr_host_algorithm(uint64_t request);
TR_USER("trellis_keys_public") uint64_t tr_host_public_key(uint64_t request);
TR_USER("trellis_keys_sign") uint64_t tr_host_sign(uint64_t request);

typedef enum { TR_ED25519, TR_ECDSA_SECP256K1, TR_BIP340 } tr_algorithm;

TR_KIT tr_said tr_ask_key(tr_host_function function, tr_text alias, const tr_text *message) {
  tr_buffer request = {0};
  tr_add_member(&request, TR_TEXT("alias"), alias);
  if (message != NULL) tr_add_bytes_member(&request, TR_TEXT("message"), *message);
  tr_add(&request, TR_TEXT("}"));
  return tr_ask(function, &request);
}

/// False when the grant has no such key.
TR_KIT bool tr_algorithm_of(tr_text alias, tr_algorithm *algorithm) {
  tr_said said = tr_ask_key(tr_host_algorithm, alias, NULL);
  bool is_ecdsa = tr_equal(said.json, TR_TEXT("\"ecdsa-secp256k1\""));
  if (said.is_ok) *algorithm = is_ecdsa ? TR_ECDSA_SECP256K1 : said.json.at[1] == 'b' ? TR_BIP340 : TR_ED25519;
  return said.is_ok;
}

/// 33 bytes of ECDSA, else 32; false when the grant has no such key.
TR_KIT bool tr_public_key(tr_text alias, tr_text *key) {
  tr_said said = tr_ask_key(tr_host_public_key, alias, NULL);
  if (said.is_ok) *key = tr_json_bytes(said.json);
  return said.is_ok;
}

/// 64 bytes; false when the grant has no such key, or it does not sign messages of this size (32 but for Ed25519).
TR_KIT bool tr_sign(tr_text alias, tr_text message, tr_text *signature) {
  tr_said said = tr_ask_key(tr_host_sign, alias, &message);
  if (said.is_ok) *signature = tr_json_bytes(said.json);
  return said.is_ok;
}

// -- credentials ------------------------------------------------------------------------------------------------------

TR_USER("trellis_credentials_list") uint64_t tr_host_credentials(uint64_t request);
TR_USER("trellis_credentials_prove") uint64_t tr_host_prove(uint64_t request);

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

TR_KIT tr_credential tr_credential_of(tr_text json) {
  tr_text names = TR_TEXT("[]");
  tr_json_member(json, TR_TEXT("claims"), &names);
  tr_credential credential = {0};
  credential.alias = tr_json_member_text(json, TR_TEXT("alias"));
  credential.kind = tr_json_member_text(json, TR_TEXT("kind"));
  credential.issuer = tr_json_member_text(json, TR_TEXT("issuer"));
  credential.label = tr_json_member_text(json, TR_TEXT("label"));
  credential.claim_count = tr_json_count(names);
  tr_text *claims = tr_take(credential.claim_count * (uint32_t)sizeof(tr_text));
  uint32_t from = 1;
  for (uint32_t at = 0; at < credential.claim_count; at++) claims[at] = tr_json_text(tr_json_next(names, &from));
  credential.claims = claims;
  credential.has_expires = tr_json_has(json, TR_TEXT("expires"));
  credential.expires = tr_json_member_u64(json, TR_TEXT("expires"));
  return credential;
}

/// The credentials that have a claim this event was admitted for.
TR_KIT tr_credentials tr_list_credentials(void) {
  tr_text json = tr_ask(tr_host_credentials, NULL).json;
  uint32_t count = tr_json_count(json), from = 1;
  tr_credential *items = tr_take(count * (uint32_t)sizeof(tr_credential));
  for (uint32_t at = 0; at < count; at++) items[at] = tr_credential_of(tr_json_next(json, &from));
  return (tr_credentials){items, count};
}

/// A proof of exactly these claims for a nonce of 16 to 64 bytes; false when it is not to be had.
TR_KIT bool tr_prove(tr_text alias, const tr_text *disclose, uint32_t count, tr_text nonce, tr_text *proof) {
  tr_buffer request = {0};
  tr_add_member(&request, TR_TEXT("alias"), alias);
  tr_add_name(&request, TR_TEXT("disclose"));
  tr_add_texts(&request, disclose, count);
  tr_add_bytes_member(&request, TR_TEXT("nonce"), nonce);
  tr_add(&request, TR_TEXT("}"));
  tr_said said = tr_ask(tr_host_prove, &request);
  if (said.is_ok) *proof = tr_json_bytes(said.json);
  return said.is_ok;
}

// -- outbox, clock, random, log, audit --------------------------------------------------------------------------------

TR_USER("trellis_outbox_notify_owner") uint64_t tr_host_notify_owner(uint64_t request);
TR_USER("trellis_outbox_emit") uint64_t tr_host_emit(uint64_t request);
TR_USER("trellis_outbox_send") uint64_t tr_host_send(uint64_t request);
TR_USER("trellis_clock_now") uint64_t tr_host_now(uint64_t request);
TR_USER("trellis_random_bytes") uint64_t tr_host_random(uint64_t request);
TR_USER("trellis_audit_note") uint64_t tr_host_note(uint64_t request);

TR_KIT bool tr_post(tr_host_function function, const tr_text *to, tr_text type, tr_text body) {
  tr_buffer request = {0};
  if (to != NULL) tr_add_member(&request, TR_TEXT("to"), *to);
  tr_add_member(&request, TR_TEXT("type"), type);
  tr_add_bytes_member(&request, TR_TEXT("body"), body);
  tr_add(&request, TR_TEXT("}"));
  return tr_ask(function, &request).is_ok;
}

/// A notice to the owner's devices; false when there is no such right, or too many.
TR_KIT bool tr_notify_owner(tr_text type, tr_text json) { return tr_post(tr_host_notify_owner, NULL, type, json); }

/// An event to the connection that asked; false when there is no such right, or too many.
TR_KIT bool tr_emit(tr_text type, tr_text json) { return tr_post(tr_host_emit, NULL, type, json); }

/// An event to another connection by the owner's alias; false when it cannot be sent there, or is too many.
TR_KIT bool tr_send(tr_text to, tr_text type, tr_text json) { return tr_post(tr_host_send, &to, type, json); }

/// Milliseconds since the epoch; it stands still during the event.
TR_KIT uint64_t tr_now(void) { return tr_to_u64(tr_ask(tr_host_now, NULL).json); }

/// At most 1,024 bytes.
TR_KIT tr_text tr_random(uint32_t size) {
  tr_buffer request = {0};
  tr_add_name(&request, TR_TEXT("length"));
  tr_add_u64(&request, size);
  tr_add(&request, TR_TEXT("}"));
  return tr_json_bytes(tr_ask(tr_host_random, &request).json);
}

TR_ENV("log_debug") void tr_kernel_debug(uint64_t at);
TR_ENV("log_info") void tr_kernel_info(uint64_t at);
TR_ENV("log_warn") void tr_kernel_warn(uint64_t at);
TR_ENV("log_error") void tr_kernel_error(uint64_t at);

typedef enum { TR_DEBUG, TR_INFO, TR_WARN, TR_ERROR } tr_level;

/// A line for the operator, without personal data.
TR_KIT void tr_log(tr_level level, tr_text line) {
  uint64_t block = tr_block(line);
  if (level == TR_DEBUG) tr_kernel_debug(block);
  else if (level == TR_INFO) tr_kernel_info(block);
  else if (level == TR_WARN) tr_kernel_warn(block);
  else tr_kernel_error(block);
  tr_kernel_free(block);
}

/// A fact for the owner's audit trail, 1 to 256 bytes; false for a longer one, or a ninth of this event.
TR_KIT bool tr_note(tr_text fact) {
  tr_buffer request = {0};
  tr_add_member(&request, TR_TEXT("fact"), fact);
  tr_add(&request, TR_TEXT("}"));
  return tr_ask(tr_host_note, &request).is_ok;
}

// -- approval ---------------------------------------------------------------------------------------------------------

TR_USER("trellis_approval") uint64_t tr_host_approval(uint64_t request);

typedef enum { TR_NOT_ASKED, TR_YES, TR_CHOSEN } tr_answer_kind;

/// The owner's answer to a question that this handler asked with `tr_suspended`. A no never gets here.
typedef struct {
  uint8_t kind;
  /// One of the choices, to the letter, when the kind is TR_CHOSEN.
  tr_text choice;
} tr_answer;

TR_KIT tr_answer tr_approval(void) {
  tr_text json = tr_ask(tr_host_approval, NULL).json;
  if (json.at[0] == '{') return (tr_answer){TR_CHOSEN, tr_json_member_text(json, TR_TEXT("chosen"))};
  return (tr_answer){tr_equal(json, TR_TEXT("\"yes\"")) ? TR_YES : TR_NOT_ASKED, {0}};
}
