/* chunks.c - see chunks.h. */
#include "util/chunks.h"

#include <errno.h>
#include <stdlib.h>

void ck_chunks_done(struct ck_chunks *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->v[i].v);
	free(c->v);
	*c = (struct ck_chunks){ .size = c->size };
}

bool ck_chunks_prev(const struct ck_chunks *c, struct ck_chunk_pos *p)
{
	if (p->i == 0) {
		if (p->chunk == 0 || !c->count)
			return false;
		p->chunk--;
		p->i = c->v[p->chunk].n;
	}
	p->i--;
	return true;
}

struct ck_chunk_pos ck_chunks_after(const struct ck_chunks *c, const void *key, ck_chunk_cmp *cmp)
{
	size_t chunk = 0, chunks = c->n;
	uint32_t lo = 0, hi;

	if (!c->n)
		return ck_chunks_end(c);
	/* The last chunk whose first record does not come after key; chunk 0 has none before it. */
	while (chunks - chunk > 1) {
		size_t mid = chunk + (chunks - chunk) / 2;

		if (cmp(key, c->v[mid].v) < 0)
			chunks = mid;
		else
			chunk = mid;
	}
	hi = c->v[chunk].n;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (cmp(key, c->v[chunk].v + mid * c->size) < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	if (lo == c->v[chunk].n)
		return (struct ck_chunk_pos){ chunk + 1, 0 };
	return (struct ck_chunk_pos){ chunk, lo };
}

/* A short chunk doubles, a long one grows by steps that waste less. */
static uint32_t room_for(uint32_t n)
{
	uint32_t room = 2;

	if (n > 32)
		return (n + 31) / 32 * 32;
	while (room < n)
		room *= 2;
	return room;
}

static int grow(const struct ck_chunks *c, struct ck_chunk *k, uint32_t n)
{
	uint32_t room = room_for(n);
	uint8_t *v;

	if (n <= k->room)
		return 0;
	v = realloc(k->v, room * c->size);
	if (!v)
		return -ENOMEM;
	k->v = v;
	k->room = room;
	return 0;
}

/* Makes the records of chunk `from` from number at on a chunk of their own, with room for n. */
static int open_chunk(struct ck_chunks *c, size_t from, uint32_t at, uint32_t n)
{
	struct ck_chunk new = { 0 };
	size_t to = from + 1;

	if (c->n == c->room) {
		size_t room = c->room + c->room / 2 + 1;
		struct ck_chunk *v = realloc(c->v, room * sizeof(*v));

		if (!v)
			return -ENOMEM;
		c->v = v;
		c->room = room;
	}
	if (c->n)
		new.n = c->v[from].n - at;
	else
		to = 0;
	if (grow(c, &new, new.n + n) < 0)
		return -ENOMEM;
	if (new.n) {
		memcpy(new.v, c->v[from].v + at * c->size, new.n * c->size);
		c->v[from].n = at;
	}
	memmove(c->v + to + 1, c->v + to, (c->n - to) * sizeof(*c->v));
	c->v[to] = new;
	c->n++;
	return 0;
}

int ck_chunks_reserve(struct ck_chunks *c, struct ck_chunk_pos *p, uint32_t n)
{
	struct ck_chunk *k;
	uint32_t at;

	if (!c->n) {
		*p = (struct ck_chunk_pos){ 0, 0 };
		return open_chunk(c, 0, 0, n);
	}
	if (p->chunk == c->n)
		*p = (struct ck_chunk_pos){ c->n - 1, c->v[c->n - 1].n };
	k = &c->v[p->chunk];
	if (k->n + n <= CK_CHUNK_MAX)
		return grow(c, k, k->n + n);
	/* Who appends will append more: the chunk left behind stays full. */
	at = p->chunk == c->n - 1 && p->i == k->n ? k->n - n : k->n / 2;
	if (open_chunk(c, p->chunk, at, n) < 0)
		return -ENOMEM;
	if (p->i >= at)
		*p = (struct ck_chunk_pos){ p->chunk + 1, p->i - at };
	return 0; /* the first half has the room that the second left */
}

void ck_chunks_insert(struct ck_chunks *c, struct ck_chunk_pos p, const void *record)
{
	struct ck_chunk *k;
	uint8_t *at;

	if (p.chunk == c->n)
		p = (struct ck_chunk_pos){ c->n - 1, c->v[c->n - 1].n };
	k = &c->v[p.chunk];
	at = k->v + p.i * c->size;
	memmove(at + c->size, at, (k->n - p.i) * c->size);
	memcpy(at, record, c->size);
	k->n++;
	c->count++;
}

/* Removes n records of one chunk, which may be left empty. */
static void cut(struct ck_chunks *c, struct ck_chunk *k, uint32_t at, uint32_t n)
{
	memmove(k->v + at * c->size, k->v + (at + n) * c->size, (k->n - at - n) * c->size);
	k->n -= n;
	c->count -= n;
}

static void drop_chunks(struct ck_chunks *c, size_t from, size_t to)
{
	if (from >= to)
		return;
	for (size_t i = from; i < to; i++) {
		c->count -= c->v[i].n;
		free(c->v[i].v);
	}
	memmove(c->v + from, c->v + to, (c->n - to) * sizeof(*c->v));
	c->n -= to - from;
}

/* Puts a chunk and the next one together where they are half a chunk; else, or where memory is
 * short, they stay two. */
static void unite(struct ck_chunks *c, size_t chunk)
{
	struct ck_chunk *a = &c->v[chunk], *b = a + 1;

	if (chunk + 1 >= c->n || a->n + b->n > CK_CHUNK_MAX / 2 || grow(c, a, a->n + b->n) < 0)
		return;
	memcpy(a->v + a->n * c->size, b->v, b->n * c->size);
	a->n += b->n;
	c->count += b->n; /* which drop_chunks() takes off */
	drop_chunks(c, chunk + 1, chunk + 2);
}

void ck_chunks_erase(struct ck_chunks *c, struct ck_chunk_pos from, struct ck_chunk_pos to)
{
	size_t first = from.chunk, past = to.chunk;

	if (from.chunk == to.chunk) {
		if (from.i == to.i)
			return;
		cut(c, &c->v[first], from.i, to.i - from.i);
		past = first + !c->v[first].n;
	} else {
		if (to.chunk < c->n && to.i)
			cut(c, &c->v[to.chunk], 0, to.i);
		if (from.i) {
			cut(c, &c->v[first], from.i, c->v[first].n - from.i);
			first++;
		}
	}
	drop_chunks(c, first, past);
	if (first < c->n)
		unite(c, first);
	if (first > 0)
		unite(c, first - 1);
}
