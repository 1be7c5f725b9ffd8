// `__name__.greet`: who asks, and for which fields, is settled before this runs.
#include "trellis/trellis.h"

TR_HANDLE(body) {
  (void)body;
  tr_text name;
  if (!tr_field(TR_TEXT("name"), &name)) {
    return tr_refused(TR_TEXT("name-unavailable"), TR_TEXT("the name is not available"), false);
  }

  tr_namespace own;
  tr_item seen;
  uint64_t visits = 0;
  if (!tr_open(TR_TEXT("connection"), &own)) {
    return tr_refused(TR_TEXT("store-unavailable"), TR_TEXT("the contract does not permit storing"), false);
  }
  if (tr_get(own, TR_TEXT("visits"), &seen) == TR_OK) visits = tr_to_u64(seen.value);
  visits += 1;

  // Kept back until the event ends well; a refusal drops it.
  tr_buffer digits = {0};
  tr_add_u64(&digits, visits);
  if (tr_put(own, TR_TEXT("visits"), digits.text) != TR_OK) {
    return tr_refused(TR_TEXT("store-unavailable"), TR_TEXT("the contract does not permit storing"), false);
  }

  tr_buffer greeting = {0};
  tr_add(&greeting, TR_TEXT("Hello, "));
  tr_add(&greeting, name);
  tr_add(&greeting, TR_TEXT("!"));

  tr_buffer reply = {0};
  tr_add(&reply, TR_TEXT("{\"greeting\":"));
  tr_add_json(&reply, greeting.text);
  tr_add(&reply, TR_TEXT(",\"visits\":"));
  tr_add(&reply, digits.text);
  tr_add(&reply, TR_TEXT("}"));
  return tr_replied(reply.text);
}
