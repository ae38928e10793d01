/*
 * varint.h - base-128 integers, as protocol buffers and sorted tables write them.
 *
 * 7 bits a byte, least significant first, the high bit says that more follow; at most 5 bytes for
 * 32 bits and 10 for 64.
 */
#ifndef CK_UTIL_VARINT_H
#define CK_UTIL_VARINT_H

#include "util/bytes.h"

bool ck_varint64_long(struct ck_span *s, uint64_t *ret);
bool ck_varint32_long(struct ck_span *s, uint32_t *ret);

/* Takes one varint off the front of *s. False, with *s unchanged, when it is cut short or too
 * long; ck_varint32 also refuses values over 32 bits. Most varints of an index are one byte, and
 * there are a dozen for each variable, so those are read inline. */
static inline bool ck_varint64(struct ck_span *s, uint64_t *ret)
{
	if (!s->n || s->p[0] >= 0x80)
		return ck_varint64_long(s, ret);
	*ret = *s->p++;
	s->n--;
	return true;
}

static inline bool ck_varint32(struct ck_span *s, uint32_t *ret)
{
	if (!s->n || s->p[0] >= 0x80)
		return ck_varint32_long(s, ret);
	*ret = *s->p++;
	s->n--;
	return true;
}

/* Writes v to p (room for 10 bytes) and returns how many bytes that took. */
size_t ck_varint_put(uint8_t *p, uint64_t v);

#endif
