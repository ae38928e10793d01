/*
 * ranges.c - sets of byte ranges: what the free space of a shard is computed from (space.h).
 *
 * Numbers come from an index or an attribute that others may have written: a range that does not
 * fit int64 is refused when it is added, so that nothing behind that overflows.
 */
#include "saver/space.h"

#include <errno.h>
#include <stdlib.h>

static uint64_t end_of(const struct ck_range *r)
{
	return r->off + r->len;
}

void ck_ranges_done(struct ck_ranges *r)
{
	free(r->v);
	*r = (struct ck_ranges){ 0 };
}

int ck_ranges_add(struct ck_ranges *r, uint64_t off, uint64_t len)
{
	uint64_t end;

	if (!ck_add_u64(off, len, &end) || end > INT64_MAX)
		return -EOVERFLOW;
	if (len == 0)
		return 0;
	if (r->n == r->room) {
		size_t room = r->room ? 2 * r->room : 4;
		struct ck_range *v = NULL;

		if (room <= SIZE_MAX / sizeof(*v))
			v = realloc(r->v, room * sizeof(*v));
		if (!v)
			return -ENOMEM;
		r->v = v;
		r->room = room;
	}
	r->v[r->n++] = (struct ck_range){ off, len };
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct ck_range *x = a, *y = b;

	return (x->off > y->off) - (x->off < y->off);
}

void ck_ranges_sort(struct ck_ranges *r)
{
	if (r->n)
		qsort(r->v, r->n, sizeof(*r->v), compare);
}

void ck_ranges_settle(struct ck_ranges *r)
{
	size_t n = 0;

	if (r->n == 0)
		return;
	qsort(r->v, r->n, sizeof(*r->v), compare);
	for (size_t i = 1; i < r->n; i++) {
		struct ck_range *last = &r->v[n];

		if (r->v[i].off > end_of(last))
			r->v[++n] = r->v[i];
		else if (end_of(&r->v[i]) > end_of(last))
			last->len = end_of(&r->v[i]) - last->off;
	}
	r->n = n + 1;
}

bool ck_ranges_meet(const struct ck_ranges *r, uint64_t off, uint64_t len)
{
	size_t lo = 0, hi = r->n;

	while (lo < hi) { /* to the first that ends behind off */
		size_t mid = lo + (hi - lo) / 2;

		if (end_of(&r->v[mid]) <= off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return len && lo < r->n && (r->v[lo].off <= off || r->v[lo].off - off < len);
}

int ck_ranges_minus(const struct ck_ranges *a, const struct ck_ranges *b, struct ck_ranges *ret)
{
	struct ck_ranges left = { 0 };
	size_t k = 0;
	int r = 0;

	for (size_t i = 0; i < a->n && r == 0; i++) {
		uint64_t at = a->v[i].off, end = end_of(&a->v[i]);

		while (k < b->n && end_of(&b->v[k]) <= at)
			k++;
		for (size_t j = k; j < b->n && b->v[j].off < end && r == 0; j++) {
			if (b->v[j].off > at)
				r = ck_ranges_add(&left, at, b->v[j].off - at);
			at = end_of(&b->v[j]);
		}
		if (at < end && r == 0)
			r = ck_ranges_add(&left, at, end - at);
	}
	if (r < 0)
		ck_ranges_done(&left);
	else
		*ret = left;
	return r;
}

uint64_t ck_ranges_total(const struct ck_ranges *r)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < r->n; i++)
		sum += r->v[i].len;
	return sum;
}

static uint64_t gap_before(const struct ck_ranges *r, size_t i)
{
	return r->v[i].off - end_of(&r->v[i - 1]);
}

static size_t gaps_up_to(const struct ck_ranges *r, uint64_t most)
{
	size_t n = 0;

	for (size_t i = 1; i < r->n; i++)
		n += gap_before(r, i) <= most;
	return n;
}

/* Bisects for the widest gap that has to go, as sorting the gaps would take memory. */
void ck_ranges_coarsen(struct ck_ranges *r, size_t n)
{
	size_t close, kept = 0, narrower;
	uint64_t lo = 0, hi = INT64_MAX;

	if (n == 0)
		n = 1;
	if (r->n <= n)
		return;
	close = r->n - n;
	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (gaps_up_to(r, mid) >= close)
			hi = mid;
		else
			lo = mid + 1;
	}
	/* All that are narrower go, and as many of that very width as it takes. */
	narrower = gaps_up_to(r, lo - 1);
	close -= narrower;
	for (size_t i = 1; i < r->n; i++) {
		struct ck_range next = r->v[i];
		uint64_t gap = next.off - end_of(&r->v[kept]);

		if (gap < lo || (gap == lo && close > 0)) {
			close -= gap == lo;
			r->v[kept].len = end_of(&next) - r->v[kept].off;
		} else {
			r->v[++kept] = next;
		}
	}
	r->n = kept + 1;
}
