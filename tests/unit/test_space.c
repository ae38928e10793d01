/*
 * test_space.c - free space against a bitmap, and what of it outlives the program.
 */
#include "saver/space.h"

#include "util/varint.h"

#include "nomem.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>

#define ROOM 4096 /* bytes of the bitmaps */

static uint64_t random_state = 20260119;

static uint64_t rnd(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

/* --- ranges ----------------------------------------------------------------------------------- */

static void paint(const struct ck_ranges *r, uint8_t *map)
{
	memset(map, 0, ROOM);
	for (size_t i = 0; i < r->n; i++)
		memset(map + r->v[i].off, 1, r->v[i].len);
}

static bool settled(const struct ck_ranges *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].len == 0 ||
		    (i && r->v[i].off <= r->v[i - 1].off + r->v[i - 1].len))
			return false;
	return true;
}

static struct ck_ranges random_ranges(size_t n, uint8_t *map)
{
	struct ck_ranges r = { 0 };

	while (n--) {
		uint64_t len = rnd(40), off = rnd(ROOM - 40);

		ck_ranges_add(&r, off, len);
	}
	paint(&r, map);
	ck_ranges_settle(&r);
	return r;
}

static bool meets(const uint8_t *map, uint64_t off, uint64_t len)
{
	return len && memchr(map + off, 1, len);
}

/* Whether joining is the cheapest way to n ranges: by bytes that become covered. */
static bool coarse(const struct ck_ranges *was, struct ck_ranges *now, size_t n)
{
	uint64_t gaps[ROOM], cheapest = 0;
	size_t k = 0;

	for (size_t i = 1; i < was->n; i++) { /* insertion sort */
		uint64_t gap = was->v[i].off - was->v[i - 1].off - was->v[i - 1].len;
		size_t at = k++;

		for (; at && gaps[at - 1] > gap; at--)
			gaps[at] = gaps[at - 1];
		gaps[at] = gap;
	}
	for (size_t i = 0; was->n > n && i < was->n - n; i++)
		cheapest += gaps[i];
	return now->n == (was->n < n ? was->n : n) && settled(now) &&
	       ck_ranges_total(now) == ck_ranges_total(was) + cheapest;
}

static void test_ranges(void)
{
	static uint8_t a_map[ROOM], b_map[ROOM], got[ROOM];
	unsigned wrong[5] = { 0 };

	for (unsigned round = 0; round < 400; round++) {
		struct ck_ranges a = random_ranges(rnd(60), a_map), b = random_ranges(rnd(60), b_map);
		struct ck_ranges left = { 0 }, copy = { 0 };
		uint64_t total = 0;
		size_t n = 1 + rnd(40);

		paint(&a, got);
		wrong[0] += !settled(&a) || memcmp(got, a_map, ROOM) != 0;
		for (size_t i = 0; i < ROOM; i++)
			total += a_map[i];
		wrong[1] += ck_ranges_total(&a) != total;
		for (unsigned i = 0; i < 50; i++) {
			uint64_t off = rnd(ROOM - 100), len = rnd(100);

			wrong[2] += ck_ranges_meet(&a, off, len) != meets(a_map, off, len);
		}
		wrong[3] += ck_ranges_minus(&a, &b, &left) != 0 || !settled(&left);
		paint(&left, got);
		for (size_t i = 0; i < ROOM; i++)
			wrong[3] += got[i] != (a_map[i] && !b_map[i]);
		for (size_t i = 0; i < a.n; i++)
			ck_ranges_add(&copy, a.v[i].off, a.v[i].len);
		ck_ranges_coarsen(&copy, n);
		wrong[4] += !coarse(&a, &copy, n);
		paint(&copy, got);
		for (size_t i = 0; i < ROOM; i++)
			wrong[4] += a_map[i] && !got[i];
		ck_ranges_done(&a);
		ck_ranges_done(&b);
		ck_ranges_done(&left);
		ck_ranges_done(&copy);
	}
	tap_is_u64(wrong[0], 0, "ranges settle to what was added");
	tap_is_u64(wrong[1], 0, "their total");
	tap_is_u64(wrong[2], 0, "whether they meet");
	tap_is_u64(wrong[3], 0, "one without the other");
	tap_is_u64(wrong[4], 0, "coarsened across the smallest gaps");
}

static void test_range_limits(void)
{
	struct ck_ranges r = { 0 };

	tap_ok(ck_ranges_add(&r, UINT64_MAX, 2) == -EOVERFLOW &&
		       ck_ranges_add(&r, INT64_MAX, 1) == -EOVERFLOW && r.n == 0,
	       "past int64");
	ck_ranges_settle(&r);
	ck_ranges_coarsen(&r, 0);
	tap_ok(r.n == 0 && !ck_ranges_meet(&r, 0, UINT64_MAX), "no range at all");
	tap_ok(ck_ranges_add(&r, INT64_MAX - 1, 1) == 0 && ck_ranges_add(&r, 0, 1) == 0, "the ends");
	ck_ranges_settle(&r);
	tap_ok(ck_ranges_meet(&r, 5, UINT64_MAX) && !ck_ranges_meet(&r, 1, INT64_MAX - 2),
	       "meet what reaches them");
	ck_ranges_coarsen(&r, 0);
	tap_ok(r.n == 1 && r.v[0].off == 0 && r.v[0].len == INT64_MAX, "joined to one");
	ck_ranges_done(&r);
}

/* --- space ------------------------------------------------------------------------------------ */

#define SPACE (1 << 15)

/* The space and which bytes it may not give away. */
struct twin {
	struct ck_space *s;
	uint8_t taken[SPACE];
};

static uint64_t end_of(const struct twin *t)
{
	uint64_t end = SPACE;

	while (end && !t->taken[end - 1])
		end--;
	return end;
}

/* Length of the smallest run of free bytes below the end that holds n at such a place. */
static uint64_t best(const struct twin *t, uint64_t n, uint64_t like, uint64_t block)
{
	uint64_t end = end_of(t), best = UINT64_MAX;

	for (uint64_t i = 0, k; i < end; i = k) {
		for (k = i + 1; k < end && t->taken[k] == t->taken[i]; k++)
			;
		if (!t->taken[i] && k - i < best)
			for (uint64_t at = i; at + n <= k; at++)
				if (at % block == like % block) {
					best = k - i;
					break;
				}
	}
	return best;
}

static uint64_t run_around(const struct twin *t, uint64_t at)
{
	uint64_t from = at, to = at, end = end_of(t);

	while (from && !t->taken[from - 1])
		from--;
	while (to < end && !t->taken[to])
		to++;
	return to - from;
}

static bool alloc(struct twin *t, uint64_t n)
{
	uint64_t block = UINT64_C(1) << rnd(7), like = rnd(1000), end = end_of(t), at;
	uint64_t want = best(t, n, like, block);

	if (ck_space_alloc(t->s, n, like, block, &at) < 0 || at % block != like % block)
		return false;
	if (want == UINT64_MAX ? at < end || at - end >= block : run_around(t, at) != want)
		return false;
	if (at + n > SPACE || memchr(t->taken + at, 1, n))
		return false;
	memset(t->taken + at, 1, n);
	return true;
}

static bool extend(struct twin *t, uint64_t n)
{
	uint64_t at = rnd(end_of(t) + 1);
	bool room;

	/* To where an allocation ends. */
	while (at < SPACE && (t->taken[at] || (at && !t->taken[at - 1])))
		at++;
	if (at + n > SPACE)
		return true;
	room = !memchr(t->taken + at, 1, n);
	if (ck_space_extend(t->s, at, n) != room)
		return false;
	if (room)
		memset(t->taken + at, 1, n);
	return true;
}

static bool give_back(struct twin *t, uint64_t n)
{
	uint64_t at = rnd(end_of(t) + 1);
	bool all = at + n <= end_of(t);
	int r;

	if (at + n > SPACE)
		return true;
	all = all && !memchr(t->taken + at, 0, n);
	r = ck_space_give_back(t->s, at, n);
	if (r != (all ? 0 : -EINVAL))
		return false;
	if (all)
		memset(t->taken + at, 0, n);
	return true;
}

static void start(struct twin *t)
{
	struct ck_ranges used = { 0 };
	uint64_t end = rnd(3000);

	memset(t->taken, 0, sizeof(t->taken));
	for (uint64_t n = rnd(40); n; n--) {
		uint64_t off = rnd(3000), len = 1 + rnd(60);

		ck_ranges_add(&used, off, len);
		for (uint64_t i = off; i < off + len && i < end; i++)
			t->taken[i] = 1;
	}
	ck_ranges_settle(&used);
	t->s = ck_space_new(&used, end);
	ck_ranges_done(&used);
}

static void test_space(void)
{
	static struct twin t;
	unsigned wrong[4] = { 0 }, done[3] = { 0 };

	for (unsigned round = 0; round < 25; round++) {
		start(&t);
		for (unsigned i = 0; i < 250; i++) {
			uint64_t dice = rnd(8), n = 1 + rnd(rnd(5) ? 30 : 200);

			if (dice < 4 && end_of(&t) < SPACE - 1000)
				wrong[0] += !alloc(&t, n), done[0]++;
			else if (dice < 5)
				wrong[1] += !extend(&t, n), done[1]++;
			else
				wrong[2] += !give_back(&t, n), done[2]++;
			wrong[3] += ck_space_end(t.s) != end_of(&t);
		}
		ck_space_free(t.s);
	}
	tap_is_u64(wrong[0], 0, "%u allocations: free, congruent, the best fit", done[0]);
	tap_is_u64(wrong[1], 0, "%u made longer", done[1]);
	tap_is_u64(wrong[2], 0, "%u given back", done[2]);
	tap_is_u64(wrong[3], 0, "the end");
}

static void test_space_limits(void)
{
	struct ck_ranges used = { 0 };
	struct ck_space *s;
	uint64_t at = 0;

	ck_ranges_add(&used, 0, 100);
	ck_ranges_add(&used, 150, INT64_MAX - 150);
	s = ck_space_new(&used, 1000);
	tap_is_u64(ck_space_end(s), 1000, "what is used past the end does not count");
	tap_ok(ck_space_alloc(s, 0, 3, 8, &at) == 0 && at == 1003 && ck_space_end(s) == 1000,
	       "no bytes take none");
	tap_ok(ck_space_alloc(s, 50, 0, 1, &at) == 0 && at == 100, "a hole exactly filled");
	tap_ok(ck_space_alloc(s, 50, 100, 4096, &at) == 0 && at == 4196 && ck_space_end(s) == 4246,
	       "behind the end, at a place like another");
	tap_ok(ck_space_alloc(s, 3196, 0, 1, &at) == 0 && at == 1000, "what was skipped is free");
	tap_ok(ck_space_alloc(s, INT64_MAX, 0, 1, &at) == -EFBIG &&
		       ck_space_alloc(s, UINT64_MAX, 0, 1, &at) == -EFBIG &&
		       ck_space_end(s) == 4246,
	       "more than a file can be");
	tap_ok(ck_space_alloc(s, 1, 0, 3, &at) == -EINVAL &&
		       ck_space_alloc(s, 1, 0, 0, &at) == -EINVAL,
	       "a block that is no power of two");
	tap_ok(!ck_space_extend(s, 4246, INT64_MAX) && ck_space_extend(s, 4246, 4) &&
		       ck_space_end(s) == 4250 && ck_space_extend(s, 77, 0),
	       "extended up to a limit");
	tap_ok(ck_space_give_back(s, 4249, 2) == -EINVAL &&
		       ck_space_give_back(s, UINT64_MAX, 2) == -EINVAL &&
		       ck_space_give_back(s, 100, 50) == 0 &&
		       ck_space_give_back(s, 140, 20) == -EINVAL &&
		       ck_space_give_back(s, 90, 11) == -EINVAL,
	       "what is free cannot be given back");
	ck_space_free(s);
	ck_ranges_done(&used);
	s = ck_space_new(&used, UINT64_MAX);
	tap_ok(ck_space_end(s) == 0 && ck_space_alloc(s, INT64_MAX, 0, 1, &at) == 0 && at == 0 &&
		       ck_space_give_back(s, 0, INT64_MAX) == 0 && ck_space_end(s) == 0,
	       "an empty shard");
	ck_space_free(s);
	tap_ok(ck_space_free(NULL) == NULL, "NULL is no space");
}

/* As many holes as a large checkpoint may have. */
static void test_many_holes(void)
{
	const uint64_t holes = 200000;
	struct ck_ranges used = { 0 };
	struct ck_space *s;
	uint64_t wrong = 0, at;

	for (uint64_t i = 0; i < holes; i++) /* a hole of 1 ... 1000 bytes before each */
		ck_ranges_add(&used, (i + 1) * 2000, 2000 - (1 + (i + 1) * 7 % 1000));
	s = ck_space_new(&used, UINT64_MAX);
	wrong += ck_space_alloc(s, 2000, 0, 1, &at) != 0 || at != 0;
	for (uint64_t i = 0; i + 1 < holes; i++) {
		uint64_t n = 1 + (i + 1) * 7 % 1000;

		/* There are as many of each length as are asked for: all fit exactly. */
		wrong += ck_space_alloc(s, n, 0, 1, &at) != 0 || at + n > holes * 2000 + 2000 ||
			 (at + n) % 2000 != 0;
	}
	tap_is_u64(wrong, 0, "%" PRIu64 " holes filled", holes);
	ck_space_free(s);
	ck_ranges_done(&used);
}

/* Whether both give away the same places from here on. */
static bool same_space(struct ck_space *a, struct ck_space *b)
{
	for (unsigned i = 0; i < 3000; i++) {
		uint64_t x = 0, y = 0, n = 1 + i % 40;

		if (ck_space_end(a) != ck_space_end(b) || ck_space_alloc(a, n, 0, 1, &x) ||
		    ck_space_alloc(b, n, 0, 1, &y) || x != y)
			return false;
	}
	return true;
}

/* The first allocation of each operation fails, then the second ... until there is none left. Two
 * spaces, of which one has memory, have to stay the same. */
static void test_no_memory(void)
{
	struct ck_ranges used = { 0 };
	struct ck_space *a = ck_space_new(&used, 0), *b = ck_space_new(&used, 0);
	unsigned failed = 0, wrong = 0;
	uint64_t x, y;

	ck_space_alloc(a, 100000, 0, 1, &x);
	ck_space_alloc(b, 100000, 0, 1, &y);
	for (unsigned i = 0; i < 3000; i++) {
		uint64_t off = 20 * rnd(5000), n = 1 + rnd(19), like = rnd(64);
		int r = -ENOMEM, want;

		for (unsigned k = 1; r == -ENOMEM; k++) {
			nomem_at = k;
			if (i % 3 == 0)
				r = ck_space_alloc(a, n, like, 64, &x);
			else
				r = ck_space_give_back(a, off, n);
			nomem_at = 0;
			failed += r == -ENOMEM;
		}
		want = i % 3 == 0 ? ck_space_alloc(b, n, like, 64, &y) :
				    ck_space_give_back(b, off, n);
		wrong += r != want;
	}
	wrong += !same_space(a, b);
	tap_ok(!wrong && failed > 20, "%u times without memory, and nothing changed", failed);
	ck_space_free(a);
	ck_space_free(b);
}

/* --- quarantine ------------------------------------------------------------------------------- */

/* The bytes of one shard that q keeps. */
static void dead(const struct ck_quarantine *q, uint32_t shard, uint8_t *map)
{
	struct ck_ranges r = { 0 };

	ck_quarantine_ranges(q, shard, &r);
	paint(&r, map);
	ck_ranges_done(&r);
}

static unsigned differ(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, ROOM) != 0;
}

static void test_quarantine(void)
{
	static uint8_t young[3][ROOM], old[3][ROOM], got[ROOM], want[ROOM];
	static const uint32_t shards[] = { 0, 7, UINT32_MAX };
	unsigned lost = 0, more = 0, aged = 0, large = 0;

	for (unsigned round = 0; round < 200; round++) {
		struct ck_quarantine q = { 0 }, back = { 0 };
		struct ck_buf ck_auto_buf bytes = CK_BUF_INIT;
		unsigned n = (unsigned)rnd(round % 2 ? 10 : 300);
		struct ck_ranges all = { 0 };

		memset(young, 0, sizeof(young));
		memset(old, 0, sizeof(old));
		for (unsigned i = 0; i < n; i++) {
			unsigned s = (unsigned)rnd(3), age = 1 + (unsigned)rnd(2);
			uint64_t off = rnd(ROOM - 30), len = rnd(30);

			lost += ck_quarantine_add(&q, shards[s], age, off, len) != 0;
			memset((age == 1 ? young : old)[s] + off, 1, len);
		}
		lost += ck_quarantine_encode(&q, &bytes) != 0 ||
			ck_quarantine_decode(ck_span(bytes.p, bytes.n), &back) != 0;
		for (int s = 0; s < 3; s++) {
			for (size_t i = 0; i < ROOM; i++)
				want[i] = young[s][i] || old[s][i];
			dead(&q, shards[s], got);
			lost += differ(got, want);
			dead(&back, shards[s], got);
			for (size_t i = 0; i < ROOM; i++)
				lost += want[i] && !got[i];
			more += n < 10 && differ(got, want);
			ck_quarantine_ranges(&back, shards[s], &all);
		}
		large += all.n > CK_QUARANTINE_SPANS;
		ck_ranges_done(&all);
		ck_quarantine_age(&back);
		ck_quarantine_age(&q);
		for (int s = 0; s < 3; s++) {
			dead(&q, shards[s], got);
			aged += differ(got, young[s]);
			dead(&back, shards[s], got);
			for (size_t i = 0; i < ROOM; i++)
				aged += young[s][i] && !got[i];
		}
		ck_quarantine_age(&q);
		aged += q.n != 0;
		ck_quarantine_done(&q);
		ck_quarantine_done(&back);
	}
	tap_is_u64(lost, 0, "every dead byte comes back from the attribute");
	tap_is_u64(more, 0, "and nothing else where there are few");
	tap_is_u64(large, 0, "no more spans than there may be");
	tap_is_u64(aged, 0, "two publishes later they are free");
}

static void test_many_shards(void)
{
	struct ck_quarantine q = { 0 }, back = { 0 };
	struct ck_buf ck_auto_buf bytes = CK_BUF_INIT;
	bool all = true;

	for (uint32_t i = 0; i < 64; i++) {
		ck_quarantine_add(&q, 63 - i, 1, 100, 10);
		ck_quarantine_add(&q, 63 - i, 2, 200, 10);
	}
	tap_ok(ck_quarantine_encode(&q, &bytes) == 0 &&
		       ck_quarantine_decode(ck_span(bytes.p, bytes.n), &back) == 0,
	       "64 shards with dead bytes of both ages");
	ck_quarantine_age(&back);
	for (uint32_t i = 0; i < 64; i++) {
		struct ck_ranges r = { 0 };

		ck_quarantine_ranges(&back, i, &r);
		all &= r.n == 1 && r.v[0].off == 100 && r.v[0].len == 110;
		ck_ranges_done(&r);
	}
	tap_ok(all, "are kept a publish longer rather than shorter");
	ck_quarantine_add(&q, 64, 1, 0, 1);
	ck_buf_clear(&bytes);
	tap_ok(ck_quarantine_encode(&q, &bytes) == -E2BIG && bytes.n == 0, "65 do not fit");
	ck_quarantine_done(&q);
	ck_quarantine_done(&back);
}

static int decode(const void *p, size_t n)
{
	struct ck_quarantine q = { 0 };
	uint8_t *copy = malloc(n ? n : 1); /* exactly as long, so that a sanitizer sees overruns */
	int r;

	memcpy(copy, p, n);
	r = ck_quarantine_decode(ck_span(copy, n), &q);
	ck_quarantine_done(&q);
	free(copy);
	return r;
}

static int decode_one(uint64_t shard, uint64_t age, uint64_t off, uint64_t len)
{
	uint8_t bytes[41] = { 1 };
	size_t n = 1;

	n += ck_varint_put(bytes + n, shard);
	n += ck_varint_put(bytes + n, age);
	n += ck_varint_put(bytes + n, off);
	n += ck_varint_put(bytes + n, len);
	return decode(bytes, n);
}

static void test_hostile(void)
{
	uint8_t bytes[1 + 4 * 65] = { 1 };
	unsigned wrong = 0;

	for (size_t i = 1; i < sizeof(bytes); i += 4)
		memcpy(bytes + i, "\1\1\1\1", 4);
	tap_ok(decode("\1", 1) == 0, "no spans");
	tap_ok(decode("", 0) == -EBADMSG && decode("\2", 1) == -EBADMSG && decode("\0", 1) == -EBADMSG,
	       "no version that is known");
	tap_ok(decode(bytes, 1 + 4 * 64) == 0 && decode(bytes, 1 + 4 * 65) == -EBADMSG,
	       "one span too many");
	for (size_t n = 2; n < 1 + 4 * 64; n++)
		wrong += decode(bytes, n) != ((n - 1) % 4 ? -EBADMSG : 0);
	tap_is_u64(wrong, 0, "cut short");
	tap_ok(decode_one(3, 0, 5, 5) == -EBADMSG && decode_one(3, 3, 5, 5) == -EBADMSG &&
		       decode_one(3, UINT64_MAX, 5, 5) == -EBADMSG && decode_one(3, 2, 5, 5) == 0,
	       "no such age");
	tap_ok(decode_one(UINT32_MAX, 1, 5, 5) == 0 &&
		       decode_one(UINT64_C(1) << 32, 1, 5, 5) == -EBADMSG,
	       "no such shard");
	tap_ok(decode_one(1, 1, 5, 0) == -EBADMSG, "an empty span");
	tap_ok(decode_one(1, 1, UINT64_MAX, 2) == -EBADMSG &&
		       decode_one(1, 1, INT64_MAX, 1) == -EBADMSG &&
		       decode_one(1, 1, INT64_MAX - 1, 1) == 0,
	       "past the end of all files");
	for (unsigned i = 0; i < 20000; i++) {
		size_t n = rnd(40);

		for (size_t k = 1; k < n; k++)
			bytes[k] = (uint8_t)(rnd(3) ? rnd(4) : rnd(256));
		wrong += decode(bytes, n) > 0;
	}
	tap_is_u64(wrong, 0, "20,000 random ones");
}

int main(void)
{
	tap_plan(43);
	test_ranges();
	test_range_limits();
	test_space();
	test_space_limits();
	test_many_holes();
	test_no_memory();
	test_quarantine();
	test_many_shards();
	test_hostile();
	return tap_done();
}
