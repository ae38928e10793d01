/*
 * fuzz_quarantine.c - the attribute that remembers dead bytes, from arbitrary bytes, and the free
 * space of a shard that it is taken from.
 *
 * What is decoded is encoded again to the same spans, however they were cut up; no allocation
 * meets them.
 */
#include "saver/space.h"

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define END 100000 /* of the shard */

static void check_settled(const struct ck_ranges *r)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->v[i].len == 0 || r->v[i].off + r->v[i].len > INT64_MAX ||
		    (i && r->v[i].off <= r->v[i - 1].off + r->v[i - 1].len))
			abort();
	}
}

static void check_space(const struct ck_quarantine *q, uint32_t shard)
{
	struct ck_ranges used = { 0 };
	struct ck_space *s;
	uint64_t at;

	if (ck_quarantine_ranges(q, shard, &used) < 0)
		abort();
	ck_ranges_settle(&used);
	check_settled(&used);
	s = ck_space_new(&used, END);
	for (uint64_t n = 1; n < 2000; n *= 3) {
		uint64_t block = n & 64 ? 512 : 1;

		if (ck_space_alloc(s, n, 7, block, &at) < 0 || at % block != 7 % block)
			abort();
		/* What is used past the end does not count. */
		if (at < END && ck_ranges_meet(&used, at, n < END - at ? n : END - at))
			abort();
		if (n % 2 && ck_space_give_back(s, at, n) < 0)
			abort();
	}
	ck_space_free(s);
	ck_ranges_done(&used);
}

static bool same(const struct ck_quarantine *a, const struct ck_quarantine *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++) {
		const struct ck_ranges *x = &a->v[i].ranges, *y = &b->v[i].ranges;

		if (a->v[i].shard != b->v[i].shard || a->v[i].age != b->v[i].age || x->n != y->n ||
		    memcmp(x->v, y->v, x->n * sizeof(*x->v)) != 0)
			return false;
	}
	return a->n == b->n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ck_quarantine q = { 0 }, back = { 0 };
	struct ck_buf ck_auto_buf bytes = CK_BUF_INIT;
	int r = ck_quarantine_decode(ck_span(data, size), &q);

	if (r < 0) {
		if (r != -EBADMSG || q.n)
			abort();
		return 0;
	}
	for (size_t i = 0; i < q.n; i++) {
		if (q.v[i].age < 1 || q.v[i].age > 2)
			abort();
		check_settled(&q.v[i].ranges);
		check_space(&q, q.v[i].shard);
	}
	if (ck_quarantine_encode(&q, &bytes) < 0 ||
	    ck_quarantine_decode(ck_span(bytes.p, bytes.n), &back) < 0 || !same(&q, &back))
		abort();
	ck_quarantine_age(&q);
	ck_quarantine_age(&q);
	if (q.n)
		abort();
	ck_quarantine_done(&q);
	ck_quarantine_done(&back);
	return 0;
}
