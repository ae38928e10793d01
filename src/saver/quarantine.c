/*
 * quarantine.c - dead bytes that a reader of an older index may still look up, and the extended
 * attribute that remembers them (space.h has its layout).
 *
 * Groups are sorted by shard, then age. The attribute is hostile, as all bytes of files are: what
 * is taken from it is bounded by its own size and by CK_QUARANTINE_SPANS, and no range of it
 * passes int64.
 */
#include "saver/space.h"

#include "util/varint.h"

#include <errno.h>
#include <stdlib.h>

#define LAYOUT 1

/* Where the group is, or belongs. */
static size_t place_of(const struct ck_quarantine *q, uint32_t shard, uint32_t age)
{
	size_t lo = 0, hi = q->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (q->v[mid].shard < shard || (q->v[mid].shard == shard && q->v[mid].age < age))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int ck_quarantine_add(struct ck_quarantine *q, uint32_t shard, uint32_t age, uint64_t off,
		      uint64_t len)
{
	size_t at = place_of(q, shard, age);

	if (age < 1 || age > 2)
		return -EINVAL;
	if (at == q->n || q->v[at].shard != shard || q->v[at].age != age) {
		void *v = realloc(q->v, (q->n + 1) * sizeof(*q->v));

		if (!v)
			return -ENOMEM;
		q->v = v;
		memmove(q->v + at + 1, q->v + at, (q->n - at) * sizeof(*q->v));
		memset(q->v + at, 0, sizeof(*q->v));
		q->v[at].shard = shard;
		q->v[at].age = age;
		q->n++;
	}
	return ck_ranges_add(&q->v[at].ranges, off, len);
}

void ck_quarantine_age(struct ck_quarantine *q)
{
	size_t n = 0;

	for (size_t i = 0; i < q->n; i++) {
		if (q->v[i].age == 1) {
			q->v[n] = q->v[i];
			q->v[n++].age = 2;
		} else {
			ck_ranges_done(&q->v[i].ranges);
		}
	}
	q->n = n;
}

static int add_all(struct ck_ranges *to, const struct ck_ranges *from)
{
	int r = 0;

	for (size_t i = 0; i < from->n && r == 0; i++)
		r = ck_ranges_add(to, from->v[i].off, from->v[i].len);
	return r;
}

int ck_quarantine_ranges(const struct ck_quarantine *q, uint32_t shard, struct ck_ranges *ret)
{
	int r = 0;

	for (size_t i = place_of(q, shard, 1); i < q->n && q->v[i].shard == shard && r == 0; i++)
		r = add_all(ret, &q->v[i].ranges);
	return r;
}

/* A copy whose ranges are settled, young: with all ages taken for 1, the longer to wait. */
static int copy(const struct ck_quarantine *q, bool young, struct ck_quarantine *ret)
{
	int r = 0;

	for (size_t i = 0; i < q->n && r == 0; i++)
		for (size_t k = 0; k < q->v[i].ranges.n && r == 0; k++)
			r = ck_quarantine_add(ret, q->v[i].shard, young ? 1 : q->v[i].age,
					      q->v[i].ranges.v[k].off, q->v[i].ranges.v[k].len);
	for (size_t i = 0; i < ret->n; i++)
		ck_ranges_settle(&ret->v[i].ranges);
	return r;
}

/* Spans there would be if no group had more than most. */
static size_t spans_at(const struct ck_quarantine *q, size_t most)
{
	size_t n = 0;

	for (size_t i = 0; i < q->n; i++)
		n += q->v[i].ranges.n < most ? q->v[i].ranges.n : most;
	return n;
}

static void put_varint(uint64_t v, struct ck_buf *out)
{
	uint8_t bytes[10];

	ck_buf_add(out, bytes, ck_varint_put(bytes, v));
}

static void put_group(uint32_t shard, uint32_t age, const struct ck_ranges *r, struct ck_buf *out)
{
	for (size_t i = 0; i < r->n; i++) {
		put_varint(shard, out);
		put_varint(age, out);
		put_varint(r->v[i].off, out);
		put_varint(r->v[i].len, out);
	}
}

int ck_quarantine_encode(const struct ck_quarantine *q, struct ck_buf *out)
{
	struct ck_quarantine few = { 0 };
	size_t most = CK_QUARANTINE_SPANS;
	int r = copy(q, false, &few);

	if (r == 0 && few.n > CK_QUARANTINE_SPANS) {
		ck_quarantine_done(&few);
		r = copy(q, true, &few);
	}
	if (r == 0 && few.n > CK_QUARANTINE_SPANS)
		r = -E2BIG;
	if (r == 0) {
		while (spans_at(&few, most) > CK_QUARANTINE_SPANS)
			most--;
		ck_buf_char(out, LAYOUT);
		for (size_t i = 0; i < few.n; i++) {
			ck_ranges_coarsen(&few.v[i].ranges, most);
			put_group(few.v[i].shard, few.v[i].age, &few.v[i].ranges, out);
		}
		r = ck_buf_failed(out) ? -ENOMEM : 0;
	}
	ck_quarantine_done(&few);
	return r;
}

static int decode_span(struct ck_span *s, struct ck_quarantine *q)
{
	uint64_t off, len;
	uint32_t shard, age;
	int r;

	if (!ck_varint32(s, &shard) || !ck_varint32(s, &age) || !ck_varint64(s, &off) ||
	    !ck_varint64(s, &len) || len == 0)
		return -EBADMSG;
	r = ck_quarantine_add(q, shard, age, off, len);
	return r < 0 && r != -ENOMEM ? -EBADMSG : r;
}

int ck_quarantine_decode(struct ck_span s, struct ck_quarantine *ret)
{
	struct ck_quarantine q = { 0 };
	struct ck_span version;
	unsigned spans = 0;
	int r = 0;

	if (!ck_span_take(&s, 1, &version) || version.p[0] != LAYOUT)
		return -EBADMSG;
	while (s.n && r == 0)
		r = ++spans > CK_QUARANTINE_SPANS ? -EBADMSG : decode_span(&s, &q);
	for (size_t i = 0; i < q.n; i++)
		ck_ranges_settle(&q.v[i].ranges);
	if (r < 0)
		ck_quarantine_done(&q);
	else
		*ret = q;
	return r;
}

void ck_quarantine_done(struct ck_quarantine *q)
{
	for (size_t i = 0; i < q->n; i++)
		ck_ranges_done(&q->v[i].ranges);
	free(q->v);
	*q = (struct ck_quarantine){ 0 };
}
