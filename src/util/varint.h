/*
 * varint.h - base-128 integers, as protocol buffers and sorted tables write them.
 *
 * 7 bits a byte, least significant first, the high bit says that more follow; at most 5 bytes for
 * 32 bits and 10 for 64.
 */
#ifndef CK_UTIL_VARINT_H
#define CK_UTIL_VARINT_H

#include "util/bytes.h"

/* Takes one varint off the front of *s. False, with *s unchanged, when it is cut short or too
 * long; ck_varint32 also refuses values over 32 bits. */
bool ck_varint64(struct ck_span *s, uint64_t *ret);
bool ck_varint32(struct ck_span *s, uint32_t *ret);

/* Writes v to p (room for 10 bytes) and returns how many bytes that took. */
size_t ck_varint_put(uint8_t *p, uint64_t v);

#endif
