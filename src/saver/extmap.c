/*
 * extmap.c - see extmap.h.
 *
 * As there are no gaps, an extent ends where the next one begins: what is kept of it is a cell
 * without its length. Cells lie in a chunked sequence (util/chunks.h) in order. After every
 * operation no two neighbours continue each other.
 */
#include "saver/extmap.h"

#include "util/chunks.h"
#include "util/crc32c.h"

#include <errno.h>
#include <stdlib.h>

struct cell {
	uint64_t off;
	uint64_t at; /* 0 for zeros, as is which */
	uint32_t which;
	uint32_t crc;
	uint8_t kind;
	bool crc_ok, logged, durable;
};
_Static_assert(sizeof(struct cell) == 32, "there may be a million of them");

struct ck_extmap {
	struct ck_chunks cells;
	uint64_t size;
};

struct ck_extmap *ck_extmap_new(void)
{
	struct ck_extmap *m = calloc(1, sizeof(*m));

	if (m)
		m->cells = (struct ck_chunks)CK_CHUNKS_INIT(struct cell);
	return m;
}

struct ck_extmap *ck_extmap_free(struct ck_extmap *m)
{
	if (m)
		ck_chunks_done(&m->cells);
	free(m);
	return NULL;
}

uint64_t ck_extmap_size(const struct ck_extmap *m)
{
	return m->size;
}

uint64_t ck_extmap_count(const struct ck_extmap *m)
{
	return m->cells.count;
}

static struct cell *cell_at(const struct ck_extmap *m, struct ck_chunk_pos p)
{
	return ck_chunks_at(&m->cells, p);
}

static int compare(const void *key, const void *record)
{
	const uint64_t *off = key;
	const struct cell *c = record;

	return (*off > c->off) - (*off < c->off);
}

static struct ck_chunk_pos after(const struct ck_extmap *m, uint64_t off)
{
	return ck_chunks_after(&m->cells, &off, compare);
}

/* The cell that holds byte off, which is one of the file. */
static struct ck_chunk_pos holding(const struct ck_extmap *m, uint64_t off)
{
	struct ck_chunk_pos p = after(m, off);

	ck_chunks_prev(&m->cells, &p);
	return p;
}

/* Where the cell at p ends. */
static uint64_t end_of(const struct ck_extmap *m, struct ck_chunk_pos p)
{
	const struct cell *next = cell_at(m, ck_chunks_next(&m->cells, p));

	return next ? next->off : m->size;
}

static struct cell cell_of(const struct ck_ext *e)
{
	bool zero = e->kind == CK_EXT_ZERO;

	return (struct cell){ e->off, zero ? 0 : e->at, zero ? 0 : e->which, e->crc, e->kind,
			      e->crc_ok, e->logged, e->durable };
}

static struct ck_ext ext_of(const struct ck_extmap *m, struct ck_chunk_pos p)
{
	const struct cell *c = cell_at(m, p);

	return (struct ck_ext){ c->off, end_of(m, p) - c->off, c->at, c->which, c->crc, c->kind,
				c->crc_ok, c->logged, c->durable };
}

/* Whether b, which begins where a ends, goes on with what a is made of. */
static bool continues(const struct cell *a, const struct cell *b)
{
	return a->kind == b->kind && a->which == b->which && a->logged == b->logged &&
	       a->durable == b->durable &&
	       (a->kind == CK_EXT_ZERO || a->at + (b->off - a->off) == b->at);
}

/* Makes b, of b_len bytes, a part of a. */
static void attach(struct cell *a, const struct cell *b, uint64_t b_len)
{
	a->crc_ok = a->crc_ok && b->crc_ok;
	if (a->crc_ok)
		a->crc = ck_crc32c_combine(a->crc, b->crc, b_len);
}

/* Makes off, which lies in the cell at p, the begin of a cell, and returns that; room for one more
 * is reserved. */
static struct ck_chunk_pos split(struct ck_extmap *m, struct ck_chunk_pos p, uint64_t off)
{
	struct cell *a = cell_at(m, p), b = *a;

	if (a->off == off)
		return p;
	a->crc_ok = b.crc_ok = false;
	b.off = off;
	if (b.kind != CK_EXT_ZERO)
		b.at += off - a->off;
	p.i++;
	ck_chunks_insert(&m->cells, p, &b);
	return p;
}

/* Joins the cell at p to the one before it where that one goes on with it. */
static bool join(struct ck_extmap *m, struct ck_chunk_pos p)
{
	struct ck_chunk_pos before = p;
	struct cell *c = cell_at(m, p);

	if (!c || !ck_chunks_prev(&m->cells, &before) || !continues(cell_at(m, before), c))
		return false;
	attach(cell_at(m, before), c, end_of(m, p) - c->off);
	ck_chunks_erase(&m->cells, p, ck_chunks_next(&m->cells, p));
	return true;
}

/* Adds len bytes at the end. Room is reserved, unless the last cell takes them. */
static void append(struct ck_extmap *m, const struct cell *c, uint64_t len)
{
	struct ck_chunk_pos p = ck_chunks_end(&m->cells);

	if (ck_chunks_prev(&m->cells, &p) && continues(cell_at(m, p), c))
		attach(cell_at(m, p), c, len);
	else
		ck_chunks_insert(&m->cells, ck_chunks_end(&m->cells), c);
	m->size += len;
}

static int extend(struct ck_extmap *m, const struct cell *c, uint64_t len)
{
	struct ck_chunk_pos last = ck_chunks_end(&m->cells), end = last;
	struct cell hole = { .off = m->size, .kind = CK_EXT_ZERO };

	/* A file written from front to back allocates nothing, and so cannot fail. */
	if ((c->off > m->size || !ck_chunks_prev(&m->cells, &last) ||
	     !continues(cell_at(m, last), c)) &&
	    ck_chunks_reserve(&m->cells, &end, 2) < 0)
		return -ENOMEM;
	if (c->off > m->size)
		append(m, &hole, c->off - m->size);
	append(m, c, len);
	return 0;
}

int ck_extmap_set(struct ck_extmap *m, const struct ck_ext *e)
{
	struct cell c = cell_of(e);
	struct ck_chunk_pos p, q;
	uint64_t end;

	if (!ck_add_u64(e->off, e->len, &end) || end > INT64_MAX)
		return -EFBIG;
	if (e->len == 0)
		return 0;
	if (e->off >= m->size)
		return extend(m, &c, e->len);

	/* At most two cells are added: the one that holds the range may become three. What is
	 * reserved for q is in p's chunk already, or in a later one: p stays where it is. */
	p = holding(m, e->off);
	if (ck_chunks_reserve(&m->cells, &p, 2) < 0)
		return -ENOMEM;
	if (end < m->size) {
		q = end < end_of(m, p) ? p : holding(m, end);
		if (ck_chunks_reserve(&m->cells, &q, 2) < 0)
			return -ENOMEM;
		split(m, q, end);
	} else {
		m->size = end;
	}
	p = split(m, p, e->off);
	*cell_at(m, p) = c;
	if (end_of(m, p) < end) {
		ck_chunks_erase(&m->cells, ck_chunks_next(&m->cells, p), after(m, end - 1));
		p = holding(m, e->off);
	}
	if (join(m, ck_chunks_next(&m->cells, p)))
		p = holding(m, e->off);
	join(m, p);
	return 0;
}

int ck_extmap_resize(struct ck_extmap *m, uint64_t size)
{
	struct cell hole = { .off = m->size, .kind = CK_EXT_ZERO };
	struct ck_chunk_pos p = { 0, 0 };

	if (size > INT64_MAX)
		return -EFBIG;
	if (size > m->size)
		return extend(m, &hole, size - m->size);
	if (size == m->size)
		return 0;
	if (size) {
		p = holding(m, size - 1);
		if (end_of(m, p) > size)
			cell_at(m, p)->crc_ok = false;
		p = ck_chunks_next(&m->cells, p);
	}
	ck_chunks_erase(&m->cells, p, ck_chunks_end(&m->cells));
	m->size = size;
	return 0;
}

bool ck_extmap_get(const struct ck_extmap *m, uint64_t off, struct ck_ext *ret)
{
	if (off >= m->size)
		return false;
	*ret = ext_of(m, holding(m, off));
	return true;
}

int ck_extmap_each(const struct ck_extmap *m, int (*fn)(void *arg, const struct ck_ext *e),
		   void *arg)
{
	struct ck_chunk_pos p = { 0, 0 };
	int r = 0;

	for (; r == 0 && cell_at(m, p); p = ck_chunks_next(&m->cells, p)) {
		struct ck_ext e = ext_of(m, p);

		r = fn(arg, &e);
	}
	return r;
}

/* What fn changed may make neighbours continue each other, so that cells that stay move to the
 * front, over those that were joined. */
int ck_extmap_walk(struct ck_extmap *m, int (*fn)(void *arg, struct ck_ext *e), void *arg)
{
	struct ck_chunk_pos from = { 0, 0 }, to = from;
	struct cell *last = NULL, c;
	int r = 0;

	while (r == 0 && cell_at(m, from)) {
		struct ck_ext e = ext_of(m, from);

		c = *cell_at(m, from);
		r = fn(arg, &e);
		c.crc = e.crc;
		c.crc_ok = e.crc_ok;
		c.logged = e.logged;
		c.durable = e.durable;
		if (last && continues(last, &c)) {
			attach(last, &c, e.len);
		} else {
			last = cell_at(m, to);
			*last = c;
			to = ck_chunks_next(&m->cells, to);
		}
		from = ck_chunks_next(&m->cells, from);
	}
	/* Ended early: the next one was not seen, but its neighbour changed. */
	if (last && cell_at(m, from) && continues(last, cell_at(m, from))) {
		attach(last, cell_at(m, from), end_of(m, from) - cell_at(m, from)->off);
		from = ck_chunks_next(&m->cells, from);
	}
	ck_chunks_erase(&m->cells, to, from);
	return r;
}
