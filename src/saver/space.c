/*
 * space.c - the free space of one shard, see space.h.
 *
 * Free ranges below the end are kept twice, by place and by size, as ordered sequences of pairs: a
 * checkpoint of a million variables may have half a million holes, and each allocation asks for
 * the smallest that will do. No free range reaches the end: what is free there is the end.
 *
 * Places are below 2^63, so that sums of two of them do not overflow.
 */
#include "saver/space.h"

#include "util/chunks.h"

#include <errno.h>
#include <stdlib.h>

struct pair {
	uint64_t first, second;
};

struct ck_space {
	struct ck_chunks by_place; /* off, len */
	struct ck_chunks by_size; /* len, off */
	uint64_t end;
};

static int compare(const void *key, const void *record)
{
	const struct pair *a = key, *b = record;

	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	return (a->second > b->second) - (a->second < b->second);
}

static int put(struct ck_chunks *c, struct pair key)
{
	struct ck_chunk_pos p = ck_chunks_after(c, &key, compare);
	int r = ck_chunks_reserve(c, &p, 1);

	if (r == 0)
		ck_chunks_insert(c, p, &key);
	return r;
}

/* The key has to be there. */
static void drop(struct ck_chunks *c, struct pair key)
{
	struct ck_chunk_pos p = ck_chunks_after(c, &key, compare), next = p;

	ck_chunks_prev(c, &p);
	ck_chunks_erase(c, p, next);
}

/* Adds a free range; none is fine too. Ranges may overlap for a while: what takes the place of
 * another is added first, since only that can fail. */
static int add(struct ck_space *s, uint64_t off, uint64_t len)
{
	int r;

	if (len == 0)
		return 0;
	r = put(&s->by_place, (struct pair){ off, len });
	if (r < 0)
		return r;
	r = put(&s->by_size, (struct pair){ len, off });
	if (r < 0)
		drop(&s->by_place, (struct pair){ off, len });
	return r;
}

static void take_out(struct ck_space *s, uint64_t off, uint64_t len)
{
	if (len == 0)
		return;
	drop(&s->by_place, (struct pair){ off, len });
	drop(&s->by_size, (struct pair){ len, off });
}

struct ck_space *ck_space_free(struct ck_space *s)
{
	if (s) {
		ck_chunks_done(&s->by_place);
		ck_chunks_done(&s->by_size);
	}
	free(s);
	return NULL;
}

struct ck_space *ck_space_new(const struct ck_ranges *used, uint64_t end)
{
	struct ck_space *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->by_place = (struct ck_chunks)CK_CHUNKS_INIT(struct pair);
	s->by_size = (struct ck_chunks)CK_CHUNKS_INIT(struct pair);
	for (size_t i = 0; i < used->n && used->v[i].off < end; i++) {
		const struct ck_range *u = &used->v[i];

		if (add(s, s->end, u->off - s->end) < 0)
			return ck_space_free(s);
		s->end = u->len < end - u->off ? u->off + u->len : end;
	}
	return s; /* what is free before `end` but behind all that is used is one with the rest */
}

/* The first place from off on that is congruent to like. */
static uint64_t congruent(uint64_t off, uint64_t like, uint64_t block)
{
	return off + ((like - off) & (block - 1));
}

/* The smallest free range that holds n bytes at such a place. Most that are large enough do; those
 * that are larger by a block always do. */
static const struct pair *best(const struct ck_space *s, uint64_t n, uint64_t like, uint64_t block)
{
	struct pair least = { n - 1, UINT64_MAX };
	struct ck_chunk_pos p = ck_chunks_after(&s->by_size, &least, compare);
	const struct pair *range;

	for (; (range = ck_chunks_at(&s->by_size, p)); p = ck_chunks_next(&s->by_size, p))
		if (congruent(range->second, like, block) - range->second <= range->first - n)
			break;
	return range;
}

static int alloc_within(struct ck_space *s, struct pair range, uint64_t at, uint64_t n)
{
	uint64_t off = range.second, len = range.first;
	int r = add(s, off, at - off);

	if (r < 0)
		return r;
	r = add(s, at + n, off + len - (at + n));
	if (r < 0) {
		take_out(s, off, at - off);
		return r;
	}
	take_out(s, off, len);
	return 0;
}

static int alloc_behind(struct ck_space *s, uint64_t at, uint64_t n)
{
	uint64_t end;
	int r;

	if (!ck_add_u64(at, n, &end) || end > INT64_MAX)
		return -EFBIG;
	if (n == 0)
		return 0;
	r = add(s, s->end, at - s->end);
	if (r == 0)
		s->end = end;
	return r;
}

int ck_space_alloc(struct ck_space *s, uint64_t n, uint64_t like, uint64_t block, uint64_t *ret)
{
	const struct pair *range;
	uint64_t at;
	int r;

	if (block == 0 || block & (block - 1))
		return -EINVAL;
	range = n ? best(s, n, like, block) : NULL;
	at = congruent(range ? range->second : s->end, like, block);
	r = range ? alloc_within(s, *range, at, n) : alloc_behind(s, at, n);
	if (r == 0)
		*ret = at;
	return r;
}

/* The free range that begins at off, or the last one before it; false where there is none. */
static bool free_range(const struct ck_space *s, uint64_t off, struct ck_range *ret)
{
	struct pair key = { off, UINT64_MAX };
	struct ck_chunk_pos p = ck_chunks_after(&s->by_place, &key, compare);
	const struct pair *range;

	if (!ck_chunks_prev(&s->by_place, &p))
		return false;
	range = ck_chunks_at(&s->by_place, p);
	*ret = (struct ck_range){ range->first, range->second };
	return true;
}

bool ck_space_extend(struct ck_space *s, uint64_t at, uint64_t n)
{
	struct ck_range range;
	uint64_t end;

	if (!ck_add_u64(at, n, &end) || end > INT64_MAX)
		return false;
	if (n == 0)
		return true;
	if (at == s->end) {
		s->end = end;
		return true;
	}
	if (!free_range(s, at, &range) || range.off != at || range.len < n)
		return false;
	if (add(s, end, range.len - n) < 0)
		return false;
	take_out(s, range.off, range.len);
	return true;
}

int ck_space_give_back(struct ck_space *s, uint64_t off, uint64_t n)
{
	struct ck_range before = { 0 }, behind = { 0 };
	uint64_t end, from = off, to;
	int r = 0;

	if (!ck_add_u64(off, n, &end) || end > s->end)
		return -EINVAL;
	if (n == 0)
		return 0;
	to = end;
	/* The last free range that begins at or before the end: nothing of it may lie within. */
	if (free_range(s, end, &behind)) {
		if (behind.off == end)
			to = end + behind.len;
		else
			behind.len = 0;
	}
	if (free_range(s, end - 1, &before)) {
		if (before.off + before.len > off)
			return -EINVAL; /* it is free already, in part at least */
		if (before.off + before.len == off)
			from = before.off;
		else
			before.len = 0;
	}
	if (end == s->end)
		s->end = from;
	else
		r = add(s, from, to - from);
	if (r < 0)
		return r;
	take_out(s, before.off, before.len);
	take_out(s, behind.off, behind.len);
	return 0;
}

uint64_t ck_space_end(const struct ck_space *s)
{
	return s->end;
}
