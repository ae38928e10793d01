/*
 * test_extmap.c - the extents of a file against an array that knows the owner of every byte.
 *
 * Each byte of the array says what it is made of, and whether the extent that it is in may still
 * know its checksum. Bytes are made up from their owner and place, so that a checksum that the map
 * computed can be compared with one over the bytes themselves.
 */
#include "saver/extmap.h"
#include "util/crc32c.h"

#include "nomem.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>

struct owner {
	uint64_t at;
	uint32_t which;
	uint8_t kind;
	bool logged, durable, crc_ok;
};

#define ROOM 3000

struct twin {
	struct ck_extmap *map;
	struct owner v[ROOM];
	uint64_t size;
};

static uint64_t random_state = 20260118;

static uint64_t rnd(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

static uint8_t byte_of(uint8_t kind, uint32_t which, uint64_t at)
{
	uint64_t h = (at * 31 + which * 7 + kind) * 0x9e3779b97f4a7c15ull;

	return kind == CK_EXT_ZERO ? 0 : (uint8_t)(h >> 56);
}

static uint32_t real_crc(const struct ck_ext *e)
{
	uint32_t crc = 0;

	for (uint64_t i = 0; i < e->len; i++) {
		uint8_t b = byte_of(e->kind, e->which, e->at + i);

		crc = ck_crc32c_extend(crc, &b, 1);
	}
	return crc;
}

/* Whether byte i begins an extent. */
static bool begins(const struct twin *t, uint64_t i)
{
	const struct owner *a = &t->v[i], *b = a - 1;

	return i == 0 || a->kind != b->kind || a->logged != b->logged || a->durable != b->durable ||
	       (a->kind != CK_EXT_ZERO && (a->which != b->which || a->at != b->at + 1));
}

/* Gives the whole extent around byte i the same answer. */
static void spread(struct twin *t, uint64_t i, bool crc_ok)
{
	uint64_t from = i, to = i + 1;

	while (!begins(t, from))
		from--;
	while (to < t->size && !begins(t, to))
		to++;
	while (from < to)
		t->v[from++].crc_ok = crc_ok;
}

/* An extent that is cut through at `at` no longer knows its checksum. */
static void cut(struct twin *t, uint64_t at)
{
	if (at > 0 && at < t->size && !begins(t, at))
		spread(t, at, false);
}

/* One that was joined to what does not know its checksum does not either. */
static void level(struct twin *t)
{
	for (uint64_t i = 0, to; i < t->size; i = to) {
		bool ok = t->v[i].crc_ok;

		for (to = i + 1; to < t->size && !begins(t, to); to++)
			ok &= t->v[to].crc_ok;
		while (i < to)
			t->v[i++].crc_ok = ok;
	}
}

static void array_set(struct twin *t, const struct ck_ext *e)
{
	cut(t, e->off);
	cut(t, e->off + e->len);
	while (t->size < e->off)
		t->v[t->size++] = (struct owner){ .kind = CK_EXT_ZERO };
	for (uint64_t i = 0; i < e->len; i++)
		t->v[e->off + i] = (struct owner){ e->at + i, e->which, e->kind,
						   e->logged, e->durable, e->crc_ok };
	if (e->off + e->len > t->size)
		t->size = e->off + e->len;
	level(t);
}

static int twin_set(struct twin *t, const struct ck_ext *e)
{
	array_set(t, e);
	return ck_extmap_set(t->map, e);
}

static int twin_resize(struct twin *t, uint64_t size)
{
	cut(t, size);
	while (t->size < size)
		t->v[t->size++] = (struct owner){ .kind = CK_EXT_ZERO };
	t->size = size;
	level(t);
	return ck_extmap_resize(t->map, size);
}

struct check {
	const struct twin *t;
	uint64_t next, extents;
};

/* The extent is exactly one run of the array. */
static int check_extent(void *arg, struct ck_ext *e)
{
	struct check *c = arg;
	const struct owner *o = &c->t->v[e->off];
	bool zero = e->kind == CK_EXT_ZERO;
	struct ck_ext same;

	if (e->off != c->next || e->len == 0 || e->len > c->t->size - e->off)
		return 1;
	c->next += e->len;
	c->extents++;
	if (e->kind != o->kind || e->logged != o->logged || e->durable != o->durable ||
	    (zero ? e->at || e->which : e->at != o->at || e->which != o->which))
		return 2;
	for (uint64_t i = e->off; i < c->next; i++)
		if (begins(c->t, i) != (i == e->off))
			return 3;
	if (e->crc_ok != o->crc_ok)
		return 4;
	if (e->crc_ok && e->crc != real_crc(e))
		return 5;
	if (!ck_extmap_get(c->t->map, e->off + rnd(e->len), &same) || same.off != e->off ||
	    same.len != e->len || same.at != e->at || same.which != e->which ||
	    same.crc != e->crc || same.kind != e->kind || same.crc_ok != e->crc_ok ||
	    same.logged != e->logged || same.durable != e->durable)
		return 6;
	return 0;
}

/* 0, or a number for what is wrong. */
static int check(const struct twin *t)
{
	struct check c = { t, 0, 0 };
	struct ck_ext e;
	int r = ck_extmap_walk(t->map, check_extent, &c);

	if (r == 0 && (c.next != t->size || ck_extmap_size(t->map) != t->size))
		r = 7;
	if (r == 0 && c.extents != ck_extmap_count(t->map))
		r = 8;
	if (r == 0 && ck_extmap_get(t->map, t->size, &e))
		r = 9;
	return r;
}

static struct ck_ext random_extent(uint64_t span)
{
	struct ck_ext e = { .off = rnd(span), .len = 1 + rnd(rnd(4) ? 20 : 400) };

	if (e.off + e.len > ROOM)
		e.len = ROOM - e.off;
	e.kind = (uint8_t)rnd(4);
	/* Often what goes on where a neighbour ends, as with a file that is copied. */
	e.at = rnd(3) ? e.off + 1000 * rnd(2) : rnd(100000);
	e.which = e.kind == CK_EXT_SHARD ? (uint32_t)rnd(2) : 0;
	e.logged = rnd(4) == 0;
	e.durable = e.logged && rnd(2);
	e.crc_ok = rnd(4) != 0;
	e.crc = e.crc_ok ? real_crc(&e) : (uint32_t)rnd(1000);
	return e;
}

/* Flags what a sync would: everything, or up to some byte. */
struct mark {
	struct twin *t;
	uint64_t until;
	bool ended;
};

static int mark_extent(void *arg, struct ck_ext *e)
{
	struct mark *m = arg;
	bool keep_crc = e->crc_ok || rnd(2);

	if (e->off >= m->until) {
		m->ended = true;
		return -EINTR;
	}
	e->logged = e->durable = true;
	if (!e->crc_ok && keep_crc) {
		e->crc = real_crc(e);
		e->crc_ok = true;
	}
	for (uint64_t i = e->off; i < e->off + e->len; i++) {
		m->t->v[i].logged = m->t->v[i].durable = true;
		m->t->v[i].crc_ok = keep_crc;
	}
	return 0;
}

static int twin_mark(struct twin *t, uint64_t until)
{
	struct mark m = { t, until, false };
	int r = ck_extmap_walk(t->map, mark_extent, &m);

	level(t);
	return r == (m.ended ? -EINTR : 0) ? 0 : -1;
}

static void test_random(unsigned rounds, unsigned ops, uint64_t span, const char *what)
{
	unsigned done = 0;
	int wrong = 0;

	for (unsigned round = 0; round < rounds && !wrong; round++) {
		struct twin t = { .map = ck_extmap_new() };

		for (unsigned i = 0; i < ops && !wrong; i++) {
			struct ck_ext e = random_extent(span);
			uint64_t dice = rnd(20);

			if (dice == 0)
				wrong = twin_resize(&t, rnd(span));
			else if (dice == 1)
				wrong = twin_mark(&t, rnd(3) ? UINT64_MAX : rnd(span));
			else
				wrong = twin_set(&t, &e);
			if (!wrong)
				wrong = check(&t);
			done++;
		}
		ck_extmap_free(t.map);
	}
	tap_ok(!wrong, "%s: %u operations, %d", what, done, wrong);
}

static void test_sequential(void)
{
	struct ck_extmap *m = ck_extmap_new();
	struct ck_ext e = { .kind = CK_EXT_SHARD, .which = 3, .crc_ok = true }, got;
	uint32_t crc = 0;
	bool ok = true;

	for (uint64_t i = 0; i < 100000; i++) {
		e.len = 1 + i % 100;
		e.at = 777 + e.off;
		e.crc = (uint32_t)i; /* as good as any: the algebra is the same */
		crc = i ? ck_crc32c_combine(crc, e.crc, e.len) : e.crc;
		ok &= ck_extmap_set(m, &e) == 0;
		e.off += e.len;
	}
	ok &= ck_extmap_get(m, 4711, &got);
	tap_ok(ok && ck_extmap_count(m) == 1 && got.len == e.off && got.at == 777 && got.crc_ok &&
		       got.crc == crc,
	       "written from front to back, it is one extent with its checksum");
	ck_extmap_free(m);
}

/* Which of the blocks was set last, in a map of many chunks. */
static void test_many(void)
{
	const uint64_t blocks = 400000, sets = 200000;
	uint32_t *owner = calloc(blocks, sizeof(*owner));
	struct ck_extmap *m = ck_extmap_new();
	struct ck_ext e = { .kind = CK_EXT_BASE, .len = blocks * 4096 }, got;
	uint64_t wrong = 0, runs = 1;

	ck_extmap_set(m, &e);
	for (uint64_t i = 1; i <= sets; i++) {
		uint64_t block = rnd(blocks);

		e = (struct ck_ext){ .off = block * 4096, .len = 4096, .at = i * 5000,
				     .kind = CK_EXT_JOURNAL };
		wrong += ck_extmap_set(m, &e) != 0;
		owner[block] = (uint32_t)i;
	}
	for (uint64_t i = 0; i < blocks; i++) {
		uint64_t at = owner[i] ? owner[i] * UINT64_C(5000) : i * 4096;

		wrong += !ck_extmap_get(m, i * 4096 + 17, &got) || got.off > i * 4096 ||
			 got.kind != (owner[i] ? CK_EXT_JOURNAL : CK_EXT_BASE) ||
			 got.at + (i * 4096 - got.off) != at;
		runs += i > 0 && (owner[i] || owner[i - 1]);
	}
	tap_ok(!wrong, "%" PRIu64 " random blocks: each has its last owner", sets);
	tap_is_u64(ck_extmap_count(m), runs, "and no extent more than it takes");
	e = (struct ck_ext){ .off = 1, .len = blocks * 4096 - 2, .kind = CK_EXT_SHARD };
	tap_ok(ck_extmap_set(m, &e) == 0 && ck_extmap_count(m) == 3 &&
		       ck_extmap_get(m, 4711, &got) && got.off == 1 && got.len == e.len,
	       "all but the ends covered at once");
	ck_extmap_free(m);
	free(owner);
}

/* Blocks that were written in random order and go on from each other come together. */
static void test_filled(void)
{
	const uint64_t blocks = 1 << 16;
	struct ck_extmap *m = ck_extmap_new();
	struct ck_ext got;
	uint64_t most = 0;

	for (uint64_t i = 0; i < blocks; i++) {
		uint64_t block = (i * 40503) % blocks; /* odd: each once */
		struct ck_ext e = { .off = block * 512, .len = 512, .at = block * 512,
				    .kind = CK_EXT_SHARD, .crc_ok = true };

		ck_extmap_set(m, &e);
		if (ck_extmap_count(m) > most)
			most = ck_extmap_count(m);
	}
	tap_ok(most > blocks / 4 && ck_extmap_count(m) == 1 && ck_extmap_get(m, 0, &got) &&
		       got.len == blocks * 512 && got.crc_ok,
	       "%" PRIu64 " extents at most, one in the end", most);
	ck_extmap_free(m);
}

struct flags {
	uint64_t from, until, seen;
};

static int flag(void *arg, struct ck_ext *e)
{
	struct flags *f = arg;

	f->seen++;
	if (e->off >= f->until)
		return 1;
	e->logged |= e->off >= f->from;
	return 0;
}

/* Extents that only a flag keeps apart, in many chunks. */
static void test_walk(void)
{
	const uint64_t n = 5000;
	unsigned wrong = 0, rounds = 30;

	for (unsigned round = 0; round < rounds; round++) {
		struct flags f = { rnd(n), rnd(n), 0 };
		struct ck_extmap *m = ck_extmap_new();
		struct ck_ext e = { .len = 1, .kind = CK_EXT_SHARD }, got;
		uint64_t want = n;

		for (e.off = e.at = 0; e.off < n; e.at = ++e.off) {
			e.logged = e.off % 2;
			wrong += ck_extmap_set(m, &e) != 0;
		}
		wrong += ck_extmap_walk(m, flag, &f) != 1 || f.seen != f.until + 1;
		/* Each even one that was seen is joined to the odd ones around it. */
		for (uint64_t i = f.from + f.from % 2; i < f.until; i += 2)
			want -= (i > 0) + (i < n - 1);
		wrong += ck_extmap_count(m) != want;
		for (uint64_t i = 0; i < n; i++)
			wrong += !ck_extmap_get(m, i, &got) || got.at != got.off ||
				 got.logged != (i % 2 || (i >= f.from && i < f.until));
		f = (struct flags){ 0, n, 0 };
		wrong += ck_extmap_walk(m, flag, &f) != 0 || f.seen != want ||
			 ck_extmap_count(m) != 1;
		ck_extmap_free(m);
	}
	tap_is_u64(wrong, 0, "%u walks that join, whole or up to some byte", rounds);
}

/* The first allocation of each operation fails, then the second ... until there is none left. */
static void test_no_memory(void)
{
	static struct twin t;
	unsigned failed = 0;
	int wrong = 0;

	t.map = ck_extmap_new();
	for (unsigned i = 0; i < 2000 && !wrong; i++) {
		struct ck_ext e = random_extent(ROOM);
		int r = -ENOMEM;

		e.len = 1; /* so that there are many */
		e.crc_ok = false;
		for (unsigned k = 1; r == -ENOMEM && !wrong; k++) {
			nomem_at = k;
			r = ck_extmap_set(t.map, &e);
			nomem_at = 0;
			failed += r == -ENOMEM;
			wrong = r == -ENOMEM ? check(&t) : r;
		}
		array_set(&t, &e);
		if (!wrong)
			wrong = check(&t);
	}
	tap_ok(!wrong && failed > 20, "%u times without memory, nothing changed, %" PRIu64 " extents: %d",
	       failed, ck_extmap_count(t.map), wrong);
	ck_extmap_free(t.map);
}

static void test_limits(void)
{
	struct ck_extmap *m = ck_extmap_new();
	struct ck_ext e = { .off = INT64_MAX - 10, .len = 10, .kind = CK_EXT_BASE }, got;

	tap_ok(!ck_extmap_get(m, 0, &got) && ck_extmap_size(m) == 0 && ck_extmap_count(m) == 0,
	       "an empty map");
	tap_ok(ck_extmap_resize(m, 0) == 0 && ck_extmap_count(m) == 0, "stays empty");
	tap_ok(ck_extmap_set(m, &e) == 0 && ck_extmap_size(m) == INT64_MAX, "up to the last byte");
	tap_ok(ck_extmap_count(m) == 2 && ck_extmap_get(m, 5, &got) && got.kind == CK_EXT_ZERO &&
		       got.len == INT64_MAX - 10 && !got.crc_ok && !got.logged && !got.durable,
	       "with a hole before");
	e.len = 11;
	tap_ok(ck_extmap_set(m, &e) == -EFBIG, "not past it");
	e.off = UINT64_MAX;
	e.len = UINT64_MAX;
	tap_ok(ck_extmap_set(m, &e) == -EFBIG, "nor around");
	tap_ok(ck_extmap_resize(m, UINT64_MAX) == -EFBIG, "nor by resizing");
	e.off = e.len = 0;
	tap_ok(ck_extmap_set(m, &e) == 0 && ck_extmap_count(m) == 2, "no bytes change nothing");
	tap_ok(ck_extmap_resize(m, 0) == 0 && ck_extmap_count(m) == 0 && ck_extmap_size(m) == 0,
	       "cut to nothing");
	ck_extmap_free(m);
	tap_ok(ck_extmap_free(NULL) == NULL, "NULL is no map");
}

int main(void)
{
	tap_plan(20);
	test_limits();
	test_random(150, 100, 200, "small files");
	test_random(15, 400, ROOM, "many extents");
	test_random(2, 2000, ROOM, "long sessions");
	test_sequential();
	test_many();
	test_filled();
	test_walk();
	test_no_memory();
	return tap_done();
}
