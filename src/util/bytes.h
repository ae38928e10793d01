/*
 * bytes.h - bounded views of memory and checked arithmetic.
 *
 * Every parser works on a struct ck_span and consumes it from the front; nothing is read past its
 * end, and no multi-byte number is read by overlaying a struct on the bytes. All on-disk integers
 * that these helpers read are little endian.
 */
#ifndef CK_UTIL_BYTES_H
#define CK_UTIL_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* n bytes at p; the memory belongs to somebody else and outlives the span. */
struct ck_span {
	const uint8_t *p;
	size_t n;
};

static inline struct ck_span ck_span(const void *p, size_t n)
{
	return (struct ck_span){ .p = p, .n = n };
}

static inline uint32_t ck_le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t ck_le64(const uint8_t *p)
{
	return (uint64_t)ck_le32(p) | (uint64_t)ck_le32(p + 4) << 32;
}

static inline void ck_put_le32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

static inline void ck_put_le64(uint8_t *p, uint64_t v)
{
	ck_put_le32(p, (uint32_t)v);
	ck_put_le32(p + 4, (uint32_t)(v >> 32));
}

/* Takes the first n bytes off *s into *ret; false, with *s unchanged, where there are fewer. */
static inline bool ck_span_take(struct ck_span *s, size_t n, struct ck_span *ret)
{
	if (n > s->n)
		return false;
	*ret = ck_span(s->p, n);
	s->p += n;
	s->n -= n;
	return true;
}

/* memcmp order, then the shorter first: the order of keys in a sorted table. */
static inline int ck_span_cmp(struct ck_span a, struct ck_span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	if (c)
		return c;
	return (a.n > b.n) - (a.n < b.n);
}

/* *ret = a + b, a * b; true when the result fits (the reverse of the builtins' answer). */
static inline bool ck_add_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
	return !__builtin_add_overflow(a, b, ret);
}

static inline bool ck_mul_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
	return !__builtin_mul_overflow(a, b, ret);
}

#endif
