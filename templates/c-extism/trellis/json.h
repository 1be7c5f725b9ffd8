// JSON as the host writes it (no spaces, one form per value), read by position; and base64url without padding.
#pragma once
#include "text.h"

/// Where the value that starts at `from` ends.
TR_KIT uint32_t tr_json_end(tr_text json, uint32_t from) {
  uint32_t depth = 0;
  bool in_text = false;
  for (uint32_t at = from; at < json.size; at++) {
    char letter = json.at[at];
    if (in_text) {
      if (letter == '\\') at++;
      else if (letter == '"') {
        in_text = false;
        if (depth == 0) return at + 1;
      }
    } else if (letter == '"') in_text = true;
    else if (letter == '{' || letter == '[') depth++;
    else if (letter == '}' || letter == ']') {
      if (depth == 0) return at;
      if (--depth == 0) return at + 1;
    } else if ((letter == ',' || letter == ':') && depth == 0) return at;
  }
  return json.size;
}

TR_KIT tr_text tr_json_part(tr_text json, uint32_t from, uint32_t end) {
  return (tr_text){json.at + from, end - from};
}

/// The JSON of a member of an object; false when there is none of this name. The name needs no escape.
TR_KIT bool tr_json_member(tr_text json, tr_text name, tr_text *value) {
  uint32_t at = 1;
  while (at < json.size && json.at[at] == '"') {
    uint32_t key_end = tr_json_end(json, at);
    uint32_t end = tr_json_end(json, key_end + 1);
    if (tr_equal(tr_json_part(json, at + 1, key_end - 1), name)) {
      *value = tr_json_part(json, key_end + 1, end);
      return true;
    }
    at = end + 1;
  }
  return false;
}

/// How many elements an array has.
TR_KIT uint32_t tr_json_count(tr_text json) {
  uint32_t count = 0;
  for (uint32_t at = 1; at + 1 < json.size; at = tr_json_end(json, at) + 1) count++;
  return count;
}

/// The JSON of the element at `*at`, which starts as 1 and moves on.
TR_KIT tr_text tr_json_next(tr_text json, uint32_t *at) {
  uint32_t end = tr_json_end(json, *at);
  tr_text element = tr_json_part(json, *at, end);
  *at = end + 1;
  return element;
}

TR_KIT uint32_t tr_hex_digit(char digit) {
  return (uint32_t)(digit <= '9' ? digit - '0' : (digit | 32) - 'a' + 10);
}

/// A UTF-16 unit as UTF-8; half a surrogate pair, which the host never hands over, is U+FFFD.
TR_KIT uint32_t tr_put_unit(char *into, uint32_t unit) {
  if (unit >= 0xd800 && unit < 0xe000) unit = 0xfffd;
  if (unit < 0x80) {
    into[0] = (char)unit;
    return 1;
  }
  uint32_t size = unit < 0x800 ? 2 : 3;
  into[0] = (char)(size == 2 ? 0xc0 | unit >> 6 : 0xe0 | unit >> 12);
  if (size == 3) into[1] = (char)(0x80 | (unit >> 6 & 63));
  into[size - 1] = (char)(0x80 | (unit & 63));
  return size;
}

/// The text of a JSON string.
TR_KIT tr_text tr_json_text(tr_text json) {
  char *text = tr_take(json.size);
  uint32_t size = 0;
  for (uint32_t at = 1; at + 1 < json.size; at++) {
    char letter = json.at[at];
    if (letter != '\\') {
      text[size++] = letter;
      continue;
    }
    letter = json.at[++at];
    if (letter == 'u') {
      uint32_t unit = 0;
      for (int digit = 1; digit <= 4; digit++) unit = unit << 4 | tr_hex_digit(json.at[at + (uint32_t)digit]);
      at += 4;
      size += tr_put_unit(text + size, unit);
    } else {
      text[size++] = letter == 'b' ? '\b' : letter == 'f' ? '\f' : letter == 'n' ? '\n'
                   : letter == 'r' ? '\r' : letter == 't' ? '\t' : letter;
    }
  }
  return (tr_text){text, size};
}

/// The text of a member; empty when it is not there, or null.
TR_KIT tr_text tr_json_member_text(tr_text json, tr_text name) {
  tr_text value;
  if (!tr_json_member(json, name, &value) || value.at[0] != '"') return TR_TEXT("");
  return tr_json_text(value);
}

/// A member that is a whole number; 0 when it is not there, or null.
TR_KIT uint64_t tr_json_member_u64(tr_text json, tr_text name) {
  tr_text value;
  return tr_json_member(json, name, &value) ? tr_to_u64(value) : 0;
}

/// Whether there is such a member, and it is not null.
TR_KIT bool tr_json_has(tr_text json, tr_text name) {
  tr_text value;
  return tr_json_member(json, name, &value) && value.at[0] != 'n';
}

// -- base64url --------------------------------------------------------------------------------------------------------

static const char tr_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Bytes as a JSON string.
TR_KIT void tr_add_base64url(tr_buffer *buffer, tr_text bytes) {
  const unsigned char *from = (const unsigned char *)bytes.at;
  tr_add(buffer, TR_TEXT("\""));
  for (uint32_t at = 0; at < bytes.size; at += 3) {
    uint32_t left = bytes.size - at;
    uint32_t word = (uint32_t)from[at] << 16;
    if (left > 1) word |= (uint32_t)from[at + 1] << 8;
    if (left > 2) word |= from[at + 2];
    char letters[4];
    for (uint32_t index = 0; index < 4; index++) letters[index] = tr_alphabet[word >> (18 - 6 * index) & 63];
    tr_add(buffer, (tr_text){letters, (left < 3 ? left : 3) + 1});
  }
  tr_add(buffer, TR_TEXT("\""));
}

TR_KIT uint32_t tr_letter(char letter) {
  if (letter >= 'a') return (uint32_t)(letter - 'a' + 26);
  if (letter == '_') return 63;
  if (letter >= 'A') return (uint32_t)(letter - 'A');
  return letter == '-' ? 62 : (uint32_t)(letter - '0' + 52);
}

/// The bytes of a JSON string that the host wrote.
TR_KIT tr_text tr_json_bytes(tr_text json) {
  uint32_t letters = json.size - 2;
  char *bytes = tr_take(letters / 4 * 3 + 3);
  uint32_t word = 0, bits = 0, size = 0;
  for (uint32_t at = 0; at < letters; at++) {
    word = word << 6 | tr_letter(json.at[at + 1]);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[size++] = (char)(word >> bits);
    }
  }
  return (tr_text){bytes, size};
}
