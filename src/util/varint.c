/* varint.c - see varint.h. */
#include "util/varint.h"

bool ck_varint64_long(struct ck_span *s, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s->n && i < 10; i++) {
		uint8_t b = s->p[i];

		if (i == 9 && b > 1)
			return false; /* bits past the 64th */
		v |= (uint64_t)(b & 0x7f) << (7 * i);
		if (!(b & 0x80)) {
			s->p += i + 1;
			s->n -= i + 1;
			*ret = v;
			return true;
		}
	}
	return false;
}

bool ck_varint32_long(struct ck_span *s, uint32_t *ret)
{
	struct ck_span t = *s;
	uint64_t v;

	if (!ck_varint64_long(&t, &v) || v > UINT32_MAX || (size_t)(t.p - s->p) > 5)
		return false;
	*s = t;
	*ret = (uint32_t)v;
	return true;
}

size_t ck_varint_put(uint8_t *p, uint64_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		p[n++] = (uint8_t)(v | 0x80);
	p[n++] = (uint8_t)v;
	return n;
}
