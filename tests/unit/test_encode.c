/*
 * test_encode.c - the messages of an index as they are written: new entries byte for byte, old ones
 * whose fields nobody knows or in an order that nobody writes, and the head of string tensors.
 */
#include "format/tf_rewrite.h"
#include "util/crc32c.h"

#include "mkindex.h"
#include "tap.h"

#include <stdlib.h>

#define S(text) ck_span(text, sizeof(text) - 1)

/* One new variable in a new checkpoint, as bytes of its entry. */
static void check_entry(const char *what, int32_t native, uint32_t rank, const uint64_t *shape,
			struct ck_tf_place place, bool big_endian, const char *want, size_t n)
{
	struct ck_buf ck_auto_buf file = CK_BUF_INIT, direct = CK_BUF_INIT;
	struct ck_tf_change c = { .new_name = S("v"), .what = CK_TF_NEW, .native = native,
				  .rank = rank, .shape = shape, .place = place };
	struct ck_tf_rewrite r = { .big_endian = big_endian, .num_shards = place.shard + 1,
				   .changes = &c, .nchanges = 1 };
	struct ck_sink sink = mkindex_sink(&file);
	struct ck_err err = CK_ERR_INIT;
	struct mkrows t = { 0 };
	int ret = ck_tf_rewrite(&r, &sink, &err);

	put_header(mkrows_add(&t, "", 0), place.shard + 1, big_endian);
	ck_buf_add(mkrows_add(&t, "v", 1), want, n);
	mkrows_finish(&t, &direct);
	tap_ok(ret == 0 && file.n == direct.n && memcmp(file.p, direct.p, file.n) == 0, "%s%s",
	       what, err.text);
}

#define ENTRY(what, native, rank, shape, place, big, want) \
	check_entry(what, native, rank, shape, place, big, want, sizeof(want) - 1)
#define PLACE(...) ((struct ck_tf_place){ __VA_ARGS__ })
#define DIMS(...) ((uint64_t[]){ __VA_ARGS__ })

static void test_entries(void)
{
	uint64_t ones[254];
	struct ck_buf ck_auto_buf deep = CK_BUF_INIT;
	struct ck_buf ck_auto_buf file = CK_BUF_INIT;
	struct ck_tf_rewrite r = { .num_shards = 1 };
	struct ck_sink sink = mkindex_sink(&file);

	ENTRY("a scalar", 1, 0, NULL, PLACE(0, 0, 4, ck_crc32c_unmask(0x13ce270c)), false,
	      "\x08\x01\x12\x00\x28\x04\x35\x0c\x27\xce\x13");
	ENTRY("a vector, as seen in a real file", 1, 1, DIMS(1),
	      PLACE(0, 12, 4, ck_crc32c_unmask(0x3a117ba6)), false,
	      "\x08\x01\x12\x04\x12\x02\x08\x01\x20\x0c\x28\x04\x35\xa6\x7b\x11\x3a");
	ENTRY("no elements", 1, 1, DIMS(0), PLACE(0, 0, 0, 0), false,
	      "\x08\x01\x12\x02\x12\x00\x35\xd8\xea\x82\xa2");
	ENTRY("a checksum that is zero when it is masked", 4, 0, NULL,
	      PLACE(0, 0, 1, ck_crc32c_unmask(0)), false, "\x08\x04\x12\x00\x28\x01");
	ENTRY("numbers of many bytes, in a big-endian bundle", 9, 2,
	      DIMS(1ull << 40, 1 << 10),
	      PLACE(300, 1ull << 60, 1ull << 53, ck_crc32c_unmask(1)), true,
	      "\x08\x09\x12\x0e\x12\x07\x08\x80\x80\x80\x80\x80\x20\x12\x03\x08\x80\x08"
	      "\x18\xac\x02\x20\x80\x80\x80\x80\x80\x80\x80\x80\x10"
	      "\x28\x80\x80\x80\x80\x80\x80\x80\x10\x35\x01\x00\x00\x00");
	ENTRY("strings", 7, 1, DIMS(2), PLACE(0, 32, 16, 0xb0a1b2a9), false,
	      "\x08\x07\x12\x04\x12\x02\x08\x02\x20\x20\x28\x10\x35\x1b\x4c\xd6\x07");
	ENTRY("a dtype that nobody knows", -5, 0, NULL, PLACE(0, 1, 3, ck_crc32c_unmask(1)), false,
	      "\x08\xfb\xff\xff\xff\xff\xff\xff\xff\xff\x01\x12\x00\x20\x01\x28\x03\x35\x01\0\0\0");
	for (int i = 0; i < 254; i++)
		ones[i] = 1;
	put_entry(&deep, 4, ones, 254, 0, 5, 1, 6);
	check_entry("254 dimensions", 4, 254, ones, (struct ck_tf_place){ 0, 5, 1, 6 }, false,
		    deep.p, deep.n);
	tap_ok(ck_tf_rewrite(&r, &sink, NULL) == 0 && file.n == 101 &&
		       memcmp(file.p, "\0\0\6\x08\1\x1a\2\x08\1", 9) == 0,
	       "a checkpoint without variables");
}

/* The index of one variable "v" with that header and entry. */
static void build_raw(struct ck_span header, struct ck_span entry, struct ck_buf *file)
{
	struct mkrows t = { 0 };

	ck_buf_add(mkrows_add(&t, "", 0), header.p, header.n);
	ck_buf_add(mkrows_add(&t, "v", 1), entry.p, entry.n);
	mkrows_finish(&t, file);
}

/* The number of shards, and what becomes of the old ones. */
struct how {
	uint32_t num_shards;
	const uint32_t *renumber;
	uint32_t num_old;
};

static void raw_same(const char *what, struct ck_span header, struct ck_span entry,
		     const struct ck_tf_change *change, const struct how *how,
		     struct ck_span new_header, struct ck_span new_entry)
{
	struct ck_buf ck_auto_buf old = CK_BUF_INIT, file = CK_BUF_INIT, want = CK_BUF_INIT;
	struct ck_tf_change c = change ? *change : (struct ck_tf_change){ .what = CK_TF_KEEP };
	struct ck_sink sink = mkindex_sink(&file);
	struct ck_err err = CK_ERR_INIT;
	struct ck_tf_rewrite r = { .num_shards = how->num_shards, .changes = &c,
				   .nchanges = change ? 1 : 0, .renumber = how->renumber,
				   .num_old = how->num_old };
	int ret;

	build_raw(header, entry, &old);
	build_raw(new_header, new_entry, &want);
	ck_source_mem(old.p, old.n, "old.index", &r.old, NULL);
	ret = ck_tf_rewrite(&r, &sink, &err);
	ck_source_unref(r.old);
	tap_ok(ret == 0 && file.n == want.n && memcmp(file.p, want.p, file.n) == 0, "%s%s%s", what,
	       err.text[0] ? ": " : "", err.text);
}

#define H1 "\x08\x01\x1a\x02\x08\x01"
#define H2 "\x08\x02\x1a\x02\x08\x01"
#define H3 "\x08\x03\x1a\x02\x08\x01"
#define STRANGE "\xa0\x06\x05" "\xaa\x06\x01x" /* fields 100 and 101 */
#define SHAPE "\x12\x04\x12\x02\x08\x02"

static void test_raw(void)
{
	const struct how one = { .num_shards = 1 }, two = { .num_shards = 2 };
	const struct how three = { .num_shards = 3 }, ninety = { .num_shards = 90 };
	const uint32_t to[] = { 4, 0, 1 };
	const struct how numbered = { .num_old = 3, .num_shards = 5, .renumber = to };
	const struct ck_tf_change move = { .old_name = S("v"), .new_name = S("v"),
					   .what = CK_TF_MOVE, .place = { 1, 7, 2, 0 } };
	const struct ck_tf_change back = { .old_name = S("v"), .new_name = S("v"),
					   .what = CK_TF_MOVE, .place = { 0, 0, 2, 1 } };
	const struct ck_tf_change keep = { .old_name = S("v"), .new_name = S("v") };
	struct ck_span plain = S("\x08\x04" SHAPE "\x28\x02\x35\x01\0\0\0");

	raw_same("the number of shards", S(H1), plain, NULL, &three, S(H3), plain);
	raw_same("a header with strange fields, backwards",
		 S(STRANGE "\x1a\x02\x08\x01\x10\x01\x08\x01"), plain, NULL, &ninety,
		 S(STRANGE "\x1a\x02\x08\x01\x10\x01\x08\x5a"), plain);
	raw_same("a header that tells the number twice", S("\x08\x07" H1), plain, NULL, &three,
		 S("\x08\x03\x1a\x02\x08\x01"), plain);
	raw_same("a header that does not tell it", S("\x1a\x02\x08\x01" STRANGE),
		 S("\x08\x04" SHAPE "\x3a\x02\x0a\x00"), NULL, &three,
		 S("\x08\x03\x1a\x02\x08\x01" STRANGE), S("\x08\x04" SHAPE "\x3a\x02\x0a\x00"));
	raw_same("the same number in a longer form stays", S("\x08\x81\x80\x00\x1a\x02\x08\x01"),
		 plain, NULL, &one, S("\x08\x81\x80\x00\x1a\x02\x08\x01"), plain);
	raw_same("an entry with strange fields, backwards, stays", S(H1),
		 S(STRANGE "\x35\x01\0\0\0\x28\x02" SHAPE "\x08\x04"), NULL, &one, S(H1),
		 S(STRANGE "\x35\x01\0\0\0\x28\x02" SHAPE "\x08\x04"));
	raw_same("moved, it is put in order", S(H2),
		 S(STRANGE "\x35\x01\0\0\0\x28\x02\x20\x09" SHAPE "\x08\x04"), &move,
		 &two, S(H2),
		 S("\x08\x04" SHAPE "\x18\x01\x20\x07\x28\x02\x35\xd8\xea\x82\xa2" STRANGE));
	raw_same("zeros that were written are not written again", S(H2),
		 S("\x08\x04" SHAPE "\x18\x00\x20\x00\x28\x02\x35\x01\0\0\0"),
		 &back, &two, S(H2),
		 S("\x08\x04" SHAPE "\x28\x02\x35\xd8\xea\x84\xa2"));
	raw_same("a place that cannot be is healed by another", S(H2),
		 S("\x08\x04" SHAPE "\x18\x63\x20\x07\x35\x01\0\0\0"), &move,
		 &two, S(H2),
		 S("\x08\x04" SHAPE "\x18\x01\x20\x07\x28\x02\x35\xd8\xea\x82\xa2"));
	raw_same("a shard's new number at the end", S(H3), S("\x08\x04\x12\x04\x12\x02\x08\x00"),
		 NULL, &numbered, S("\x08\x05\x1a\x02\x08\x01"),
		 S("\x08\x04\x12\x04\x12\x02\x08\x00\x18\x04"));
	raw_same("a shard's new number, where there was none", S(H3), plain, NULL, &numbered,
		 S("\x08\x05\x1a\x02\x08\x01"),
		 S("\x08\x04" SHAPE "\x18\x04\x28\x02\x35\x01\0\0\0"));
	raw_same("where there was one, in its place", S(H3),
		 S(STRANGE "\x35\x01\0\0\0\x28\x02\x18\x02" SHAPE "\x08\x04"), NULL, &numbered,
		 S("\x08\x05\x1a\x02\x08\x01"),
		 S(STRANGE "\x35\x01\0\0\0\x28\x02\x18\x01" SHAPE "\x08\x04"));
	raw_same("where it is zero now", S(H3),
		 S("\x08\x04" SHAPE "\x18\x01\x28\x02\x35\x01\0\0\0" STRANGE), NULL, &numbered,
		 S("\x08\x05\x1a\x02\x08\x01"),
		 S("\x08\x04" SHAPE "\x28\x02\x35\x01\0\0\0" STRANGE));
	raw_same("of a variable that is renamed to its own name", S(H3),
		 S("\x08\x04" SHAPE "\x18\x01\x28\x02\x35\x01\0\0\0" STRANGE),
		 &keep, &numbered, S("\x08\x05\x1a\x02\x08\x01"),
		 S("\x08\x04" SHAPE "\x28\x02\x35\x01\0\0\0" STRANGE));
	raw_same("a place that is given is in new numbers", S(H3),
		 S("\x08\x04" SHAPE "\x18\x02\x28\x02\x35\x01\0\0\0"), &move, &numbered,
		 S("\x08\x05\x1a\x02\x08\x01"),
		 S("\x08\x04" SHAPE "\x18\x01\x20\x07\x28\x02\x35\xd8\xea\x82\xa2"));
	raw_same("the stray shard of an entry that lists slices", S(H3),
		 S("\x08\x04" SHAPE "\x18\x02\x3a\x02\x0a\x00"), NULL, &numbered,
		 S("\x08\x05\x1a\x02\x08\x01"), S("\x08\x04" SHAPE "\x18\x01\x3a\x02\x0a\x00"));
	raw_same("and one that was never there", S(H3),
		 S("\x08\x04" SHAPE "\x18\x63\x3a\x02\x0a\x00"), NULL, &numbered,
		 S("\x08\x05\x1a\x02\x08\x01"), S("\x08\x04" SHAPE "\x3a\x02\x0a\x00"));
}

static void check_lengths(const char *what, const uint64_t *lengths, uint64_t n, bool big_endian,
			  const char *strings, size_t nstrings, const char *head, size_t nhead,
			  uint32_t masked)
{
	struct ck_buf ck_auto_buf out = CK_BUF_INIT;
	uint32_t crc = 0;

	ck_buf_str(&out, "before");
	ck_tf_put_lengths(lengths, n, big_endian, &out, &crc);
	tap_ok(out.n == 6 + nhead && memcmp(out.p + 6, head, nhead) == 0, "the head of %s", what);
	crc = ck_crc32c_extend(crc, strings, nstrings);
	tap_is_u64(ck_crc32c_mask(crc), masked, "its checksum goes on over the strings");
}

static void test_lengths(void)
{
	char xs[202];
	const uint64_t huge[] = { 5, 1ull << 32, UINT32_MAX };
	/* The lengths as integers in memory, in big endian. */
	const uint8_t big[] = { 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff };
	uint32_t crc = ck_crc32c(big, sizeof(big)), masked = ck_crc32c_mask(crc);
	uint8_t head[15] = { 5, 0x80, 0x80, 0x80, 0x80, 0x10, 0xff, 0xff, 0xff, 0xff, 0x0f };
	uint64_t *many = calloc(100000, sizeof(*many));
	struct ck_buf ck_auto_buf out = CK_BUF_INIT;

	memset(xs, 'x', 200);
	memcpy(xs + 200, "ab", 2);
	check_lengths("hello, world", (uint64_t[]){ 5, 5 }, 2, false, "helloworld", 10,
		      "\x05\x05\xb5\x6f\x99\x4f", 6, 0x07d64c1b);
	check_lengths("an empty string", (uint64_t[]){ 0 }, 1, false, "", 0, "\x00\xa6\x7b\x11\x3a",
		      5, 0xbe0767bd);
	check_lengths("a long string", (uint64_t[]){ 200, 2 }, 2, false, xs, 202,
		      "\xc8\x01\x02\xc3\xa9\x91\x33", 7, 0x610f196d);
	check_lengths("no strings", NULL, 0, false, "", 0, "\xd8\xea\x82\xa2", 4, 0x640cc1f6);
	for (int i = 0; i < 4; i++)
		head[11 + i] = (uint8_t)(masked >> (24 - 8 * i));
	crc = ck_crc32c_extend(crc, head + 11, 4);
	check_lengths("big-endian strings", huge, 3, true, "x", 1, (char *)head, 15,
		      ck_crc32c_mask(ck_crc32c_extend(crc, "x", 1)));
	ck_tf_put_lengths(many, 100000, false, &out, &crc);
	tap_ok(out.n == 100004 && ck_le32((uint8_t *)out.p + 100000) ==
					  ck_crc32c_mask(ck_crc32c(many, 400000)),
	       "a hundred thousand empty strings");
	free(many);
}

int main(void)
{
	tap_plan(9 + 17 + 11);
	test_entries();
	test_raw();
	test_lengths();
	return tap_done();
}
