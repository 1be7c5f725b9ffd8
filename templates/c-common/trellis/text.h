// Memory and text, without a C library: what both runtimes' kits stand on.
//
// Memory is taken and never given back: an event starts from a fresh instance, and what it takes goes with it. Stay under
// the manifest's `memory_bytes`.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TR_EXPORT(name) __attribute__((export_name(name)))
#define TR_KIT static inline __attribute__((unused))

/// Bytes, most often text in UTF-8. Not terminated.
typedef struct {
  const char *at;
  uint32_t size;
} tr_text;

/// A string literal as text.
#define TR_TEXT(literal) ((tr_text){("" literal), sizeof(literal) - 1})

// -- memory -----------------------------------------------------------------------------------------------------------

extern unsigned char __heap_base;

/// Aligned to 8 bytes. Traps when the manifest's memory is used up.
TR_KIT void *tr_take(uint32_t size) {
  static uint32_t next;
  if (next == 0) next = ((uint32_t)(uintptr_t)&__heap_base + 7) & ~7u;
  uint32_t at = next;
  if (size > UINT32_MAX - at - 7) __builtin_trap();
  next = (at + size + 7) & ~7u;
  uint32_t pages = (uint32_t)__builtin_wasm_memory_size(0);
  uint32_t needed = (next + 65535) / 65536;
  if (needed > pages && __builtin_wasm_memory_grow(0, needed - pages) == (size_t)-1) __builtin_trap();
  return (void *)(uintptr_t)at;
}

TR_KIT void tr_copy(void *to, const void *from, uint32_t size) {
  unsigned char *into = to;
  const unsigned char *bytes = from;
  for (uint32_t at = 0; at < size; at++) into[at] = bytes[at];
}

// clang writes calls of these for loops and structs.
void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  volatile unsigned char *into = to;
  const unsigned char *bytes = from;
  for (size_t at = 0; at < size; at++) into[at] = bytes[at];
  return to;
}

void *memset(void *to, int value, size_t size) {
  volatile unsigned char *into = to;
  for (size_t at = 0; at < size; at++) into[at] = (unsigned char)value;
  return to;
}

// -- text -------------------------------------------------------------------------------------------------------------

/// Text that grows. Start with `tr_buffer buffer = {0};`
typedef struct {
  tr_text text;
  uint32_t room;
} tr_buffer;

TR_KIT void tr_add(tr_buffer *buffer, tr_text text) {
  uint32_t size = buffer->text.size + text.size;
  if (size < text.size) __builtin_trap();
  if (size > buffer->room) {
    buffer->room = size < 64 ? 64 : size > UINT32_MAX / 2 ? size : size * 2;
    char *at = tr_take(buffer->room);
    tr_copy(at, buffer->text.at, buffer->text.size);
    buffer->text.at = at;
  }
  tr_copy((char *)buffer->text.at + buffer->text.size, text.at, text.size);
  buffer->text.size = size;
}

/// In decimal.
TR_KIT void tr_add_u64(tr_buffer *buffer, uint64_t value) {
  char digits[20];
  uint32_t from = sizeof digits;
  do {
    digits[--from] = (char)('0' + value % 10);
    value /= 10;
  } while (value > 0);
  tr_add(buffer, (tr_text){digits + from, (uint32_t)sizeof digits - from});
}

/// As a JSON string, with its quotes.
TR_KIT void tr_add_json(tr_buffer *buffer, tr_text text) {
  static const char hex[] = "0123456789abcdef";
  tr_add(buffer, TR_TEXT("\""));
  for (uint32_t at = 0; at < text.size; at++) {
    unsigned char byte = (unsigned char)text.at[at];
    char escaped[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
    if (byte == '"' || byte == '\\') escaped[1] = (char)byte;
    bool is_plain = byte >= 32 && byte != '"' && byte != '\\';
    tr_add(buffer, is_plain ? (tr_text){text.at + at, 1} : (tr_text){escaped, byte < 32 ? 6 : 2});
  }
  tr_add(buffer, TR_TEXT("\""));
}

TR_KIT bool tr_equal(tr_text left, tr_text right) {
  if (left.size != right.size) return false;
  for (uint32_t at = 0; at < left.size; at++) {
    if (left.at[at] != right.at[at]) return false;
  }
  return true;
}

/// The decimal digits that the text starts with.
TR_KIT uint64_t tr_to_u64(tr_text text) {
  uint64_t value = 0;
  for (uint32_t at = 0; at < text.size && text.at[at] >= '0' && text.at[at] <= '9'; at++) {
    value = value * 10 + (uint64_t)(text.at[at] - '0');
  }
  return value;
}
