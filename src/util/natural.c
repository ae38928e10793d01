/* natural.c - see natural.h. */
#include "util/natural.h"

static bool digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* Takes a run of digits off *s and leaves its leading zeros out of *num. */
static void number(struct ck_span *s, struct ck_span *num)
{
	size_t n = 0, zeros = 0;

	while (n < s->n && digit(s->p[n]))
		n++;
	while (zeros + 1 < n && s->p[zeros] == '0')
		zeros++;
	*num = ck_span(s->p + zeros, n - zeros);
	s->p += n;
	s->n -= n;
}

int ck_natural_cmp(struct ck_span a, struct ck_span b)
{
	struct ck_span x = a, y = b;

	while (x.n && y.n) {
		if (digit(*x.p) && digit(*y.p)) {
			struct ck_span u, v;
			int c;

			number(&x, &u);
			number(&y, &v);
			if (u.n != v.n)
				return u.n < v.n ? -1 : 1;
			c = memcmp(u.p, v.p, u.n);
			if (c)
				return c;
		} else {
			if (*x.p != *y.p)
				return *x.p < *y.p ? -1 : 1;
			x.p++, x.n--;
			y.p++, y.n--;
		}
	}
	if (x.n || y.n)
		return x.n ? 1 : -1;
	return ck_span_cmp(a, b);
}
