/* utf8.c - see utf8.h. */
#include "util/utf8.h"

static bool tail(uint8_t b)
{
	return (b & 0xc0) == 0x80;
}

size_t ck_utf8_len(struct ck_span s)
{
	const uint8_t *p = s.p;

	if (s.n >= 1 && p[0] < 0x80)
		return 1;
	if (s.n >= 2 && p[0] >= 0xc2 && p[0] <= 0xdf && tail(p[1]))
		return 2;
	if (s.n >= 3 && (p[0] & 0xf0) == 0xe0 && tail(p[1]) && tail(p[2])) {
		if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f))
			return 0;
		return 3;
	}
	if (s.n >= 4 && p[0] >= 0xf0 && p[0] <= 0xf4 && tail(p[1]) && tail(p[2]) && tail(p[3])) {
		if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}

bool ck_utf8_valid(struct ck_span s)
{
	while (s.n) {
		size_t n = ck_utf8_len(s);

		if (!n)
			return false;
		s.p += n;
		s.n -= n;
	}
	return true;
}
