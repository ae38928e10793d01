/* test_table.c - the sorted table: good ones in every shape, and every kind of damage. */
#include "format/table.h"

#include "mkindex.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>

struct seen {
	unsigned entries;
	unsigned damage;
	uint64_t sum; /* of key lengths and first value bytes */
};

static int entry(void *arg, uint64_t block, struct ck_span key, struct ck_span value,
		 struct ck_err *err)
{
	struct seen *s = arg;

	(void)block;
	(void)err;
	s->entries++;
	s->sum += key.n + (value.n ? value.p[0] : 0);
	return 0;
}

static int damage(void *arg, const struct ck_err *why)
{
	struct seen *s = arg;

	(void)why;
	s->damage++;
	return 0;
}

static int walk_bytes(const void *p, size_t n, bool force, struct seen *seen, struct ck_err *err)
{
	struct ck_table_visitor v = { .entry = entry, .damage = force ? damage : NULL, .arg = seen };
	uint8_t *copy = malloc(n ? n : 1); /* exactly as long, so that a sanitizer sees overruns */
	struct ck_source *s;
	int r;

	*seen = (struct seen){ 0 };
	*err = (struct ck_err)CK_ERR_INIT;
	memcpy(copy, p, n);
	ck_source_mem(copy, n, "t.index", &s, NULL);
	r = ck_table_walk(s, &v, err);
	ck_source_unref(s);
	free(copy);
	return r;
}

static int walk(struct mkindex *t, bool force, struct seen *seen, struct ck_err *err)
{
	return walk_bytes(t->file.p, t->file.n, force, seen, err);
}

/* n keys k0000000 ...; a new block every per_block. */
static void make(struct mkindex *t, unsigned n, unsigned per_block, bool snappy)
{
	struct ck_buf value = CK_BUF_INIT;
	char key[32];

	mkindex_start(t);
	t->snappy = snappy;
	ck_buf_char(&value, 1);
	for (unsigned i = 0; i < n; i++) {
		if (i && i % per_block == 0)
			mkindex_cut(t);
		mkindex_add(t, key, (size_t)snprintf(key, sizeof(key), "k%07u", i), &value);
	}
	mkindex_end(t);
	ck_buf_done(&value);
}

/* One block with the raw entries that fill adds; says whether the walk refuses it. */
static void refused(const char *what, void (*fill)(struct mkindex *t, const struct ck_buf *value),
		    const char *text)
{
	struct ck_buf value = CK_BUF_INIT;
	struct mkindex t;
	struct seen seen;
	struct ck_err err;

	ck_buf_char(&value, 1);
	mkindex_start(&t);
	fill(&t, &value);
	mkindex_end(&t);
	tap_ok(walk(&t, false, &seen, &err) < 0 && err.cls == CK_CORRUPT &&
		       strstr(err.text, text),
	       "%s: %s", what, err.text);
	mkindex_done(&t);
	ck_buf_done(&value);
}

static void equal_keys(struct mkindex *t, const struct ck_buf *value)
{
	mkindex_add_raw(t, 0, "a", 1, value);
	mkindex_add_raw(t, 0, "a", 1, value);
}

static void falling_keys(struct mkindex *t, const struct ck_buf *value)
{
	mkindex_add_raw(t, 0, "b", 1, value);
	mkindex_add_raw(t, 0, "a", 1, value);
}

static void falling_across_blocks(struct mkindex *t, const struct ck_buf *value)
{
	mkindex_add_raw(t, 0, "b", 1, value);
	mkindex_cut(t);
	mkindex_add_raw(t, 0, "a", 1, value);
}

static void shares_too_much(struct mkindex *t, const struct ck_buf *value)
{
	mkindex_add_raw(t, 1, "a", 1, value);
}

static void expanding_keys(struct mkindex *t, const struct ck_buf *value)
{
	char *p = calloc(100000, 1);

	mkindex_add_raw(t, 0, p, 100000, value);
	for (unsigned i = 1; i < 1000; i++)
		mkindex_add_raw(t, 100000 + (i - 1), "x", 1, value);
	free(p);
}

static void value_past_block(struct mkindex *t, const struct ck_buf *value)
{
	mkindex_add_raw(t, 0, "a", 1, value);
	t->block.p[2] = 100; /* the value's length */
}

static void wrong_checksum(struct mkindex *t, const struct ck_buf *value)
{
	mkindex_add_raw(t, 0, "a", 1, value);
	t->flip = 1;
}

static void test_good(void)
{
	static const unsigned shapes[][2] = { { 0, 1 }, { 1, 1 }, { 100, 1000 }, { 10000, 100 } };
	struct mkindex t;
	struct seen seen;
	struct ck_err err;

	for (int i = 0; i < 4; i++)
		for (int snappy = 0; snappy < 2; snappy++) {
			make(&t, shapes[i][0], shapes[i][1], snappy);
			tap_ok(walk(&t, false, &seen, &err) == 0 && seen.entries == shapes[i][0] &&
				       seen.sum == 9ull * shapes[i][0],
			       "%u entries, %u a block, %s: %s", shapes[i][0], shapes[i][1],
			       snappy ? "snappy" : "raw", err.text);
			mkindex_done(&t);
		}
}

static void test_cuts_and_flips(void)
{
	struct mkindex t;
	struct seen seen;
	struct ck_err err;
	bool cut = true, flipped = true;

	make(&t, 50, 10, false);
	for (size_t n = 0; n < t.file.n; n++)
		cut &= walk_bytes(t.file.p, n, false, &seen, &err) < 0 && err.text[0];
	tap_ok(cut, "every shorter file is refused");
	for (size_t at = 0; at < t.file.n; at++) {
		int r;

		t.file.p[at] ^= 0x40;
		r = walk(&t, false, &seen, &err);
		/* Zeros before the footer's magic mean nothing, nor does the metaindex block. */
		flipped &= r < 0 || seen.entries == 50;
		t.file.p[at] ^= 0x40;
	}
	tap_ok(flipped, "a flipped bit is refused or meaningless, at every byte");
	t.file.p[3] ^= 1; /* in the first data block */
	tap_ok(walk(&t, true, &seen, &err) == 0 && seen.damage == 1 && seen.entries == 40,
	       "with force, the other blocks are walked");
	tap_ok(walk(&t, false, &seen, &err) == -EIO && strstr(err.text, "t.index: damaged at byte 0"),
	       "without, the block is named: %s", err.text);
	mkindex_done(&t);
}

static void test_footer(void)
{
	struct mkindex t;
	struct seen seen;
	struct ck_err err;

	tap_ok(walk_bytes("", 0, false, &seen, &err) < 0 && err.cls == CK_FOREIGN, "empty file: %s",
	       err.text);
	make(&t, 3, 10, false);
	t.file.p[t.file.n - 1] ^= 1;
	tap_ok(walk(&t, false, &seen, &err) < 0 && err.cls == CK_FOREIGN, "other magic: %s",
	       err.text);
	t.file.p[t.file.n - 1] ^= 1;
	memset(t.file.p + t.file.n - 48, 0xff, 20);
	tap_ok(walk(&t, false, &seen, &err) < 0 && err.cls == CK_CORRUPT, "handles of ff: %s",
	       err.text);
	mkindex_done(&t);
}

/* An index block whose handles all lead to one data block would have it walked again and again. */
static void test_overlap(void)
{
	struct ck_buf value = CK_BUF_INIT;
	struct mkindex t;
	struct seen seen;
	struct ck_err err;
	char key[16];

	mkindex_start(&t);
	ck_buf_char(&value, 1);
	for (int i = 0; i < 64; i++)
		mkindex_add(&t, key, (size_t)snprintf(key, sizeof(key), "k%04d", i), &value);
	mkindex_cut(&t);
	for (int i = 0; i < 200; i++) {
		char copy[64];
		size_t n = t.handles.n / (size_t)(i + 1);

		memcpy(copy, t.handles.p, n);
		ck_buf_add(&t.handles, copy, n);
	}
	mkindex_end(&t);
	tap_ok(walk(&t, true, &seen, &err) < 0 && strstr(err.text, "overlap"),
	       "handles that lead to one block: %s", err.text);
	mkindex_done(&t);
	ck_buf_done(&value);
}

int main(void)
{
	tap_plan(23);
	test_good();
	refused("equal keys", equal_keys, "out of order");
	refused("falling keys", falling_keys, "out of order");
	refused("falling keys across blocks", falling_across_blocks, "out of order");
	refused("a first key that shares", shares_too_much, "malformed");
	refused("keys that expand without end", expanding_keys, "expand");
	refused("a value past its block", value_past_block, "malformed");
	refused("a wrong checksum", wrong_checksum, "checksum");
	test_cuts_and_flips();
	test_footer();
	test_overlap();
	return tap_done();
}
