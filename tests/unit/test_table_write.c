/*
 * test_table_write.c - the table writer against what TensorFlow wrote, and against the rules.
 *
 * Every index of tests/data is read and written again: the bytes must be the same. Where those do
 * not reach (many blocks, very large entries, keys that cannot be shortened) the blocks of the
 * output are taken apart here and compared with the rules as table_builder.cc has them.
 */
#include "format/table.h"
#include "format/table_write.h"
#include "util/crc32c.h"
#include "util/varint.h"

#include "mkindex.h"
#include "tap.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>

static int copy_entry(void *arg, uint64_t block, struct ck_span key, struct ck_span value,
		      struct ck_err *err)
{
	(void)block;
	return ck_table_writer_add(arg, key, value, err);
}

static struct ck_table_writer *writer_to(struct ck_buf *file)
{
	struct ck_sink sink = mkindex_sink(file);
	struct ck_table_writer *w;

	if (ck_table_writer_new(&sink, &w, NULL) < 0)
		abort();
	return w;
}

static int rewrite(struct ck_source *s, struct ck_buf *file, struct ck_err *err)
{
	struct ck_table_writer *w = writer_to(file);
	struct ck_table_visitor v = { .entry = copy_entry, .arg = w };
	int r = ck_table_walk(s, &v, err);

	if (r == 0)
		r = ck_table_writer_finish(w, err);
	if (r == 0 && ck_table_writer_size(w) != file->n)
		r = ck_fail(err, CK_CORRUPT, EIO, "the writer's size is wrong");
	ck_table_writer_free(w);
	return r;
}

/* A sum of all entries that says whether two tables hold the same. */
static int sum_entry(void *arg, uint64_t block, struct ck_span key, struct ck_span value,
		     struct ck_err *err)
{
	uint32_t *crc = arg;
	uint8_t lengths[16];

	(void)block;
	(void)err;
	ck_put_le64(lengths, key.n);
	ck_put_le64(lengths + 8, value.n);
	*crc = ck_crc32c_extend(*crc, lengths, 16);
	*crc = ck_crc32c_extend(*crc, key.p, key.n);
	*crc = ck_crc32c_extend(*crc, value.p, value.n);
	return 0;
}

static uint32_t sum_of(struct ck_source *s)
{
	uint32_t crc = 0;
	struct ck_table_visitor v = { .entry = sum_entry, .arg = &crc };

	return ck_table_walk(s, &v, NULL) < 0 ? 0 : crc;
}

static uint32_t sum_of_bytes(const struct ck_buf *file)
{
	struct ck_source *s;
	uint32_t crc;

	if (ck_source_mem(file->p, file->n, "t.index", &s, NULL) < 0)
		abort();
	crc = sum_of(s);
	ck_source_unref(s);
	return crc;
}

/* Indexes that no TensorFlow wrote (tests/fixtures/bundle.py did): their blocks are compressed, or
 * their index keys are longer than they need be. The same entries are all that can be asked for. */
static bool is_foreign(const char *path)
{
	static const char *const folders[] = { "aligned",	  "big-endian", "protobuf",
					       "protobuf-merged", "snappy",	"snappy-all",
					       "unknown-dtype" };
	char part[64];

	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		snprintf(part, sizeof(part), "tests/data/%s/", folders[i]);
		if (strstr(path, part))
			return true;
	}
	return false;
}

static void test_real(const char *path)
{
	struct ck_buf ck_auto_buf file = CK_BUF_INIT;
	struct ck_err err = CK_ERR_INIT;
	struct ck_source *s = NULL;
	uint8_t *old = NULL;
	bool same = false;

	if (ck_source_open(path, &s, &err) == 0 && rewrite(s, &file, &err) == 0) {
		old = malloc(ck_source_size(s));
		if (!old || ck_source_read(s, 0, old, ck_source_size(s), &err) < 0)
			abort();
		if (is_foreign(path))
			same = sum_of(s) && sum_of(s) == sum_of_bytes(&file);
		else
			same = file.n == ck_source_size(s) && memcmp(file.p, old, file.n) == 0;
	}
	tap_ok(same, "%s: %s", strstr(path, "tests/data") ? strstr(path, "tests/data") : path,
	       err.text[0] ? err.text : "written again");
	free(old);
	ck_source_unref(s);
}

/* The blocks of a table, by the entries of its index block. */
struct blocks {
	unsigned n;
	struct ck_buf keys[300];
	struct ck_span raw[300];
};

static bool find_blocks(const struct ck_buf *file, struct blocks *ret)
{
	struct ck_span all = ck_span(file->p, file->n), footer, block;
	struct ck_block_cursor c;
	uint64_t at[4];
	int r;

	memset(ret, 0, sizeof(*ret));
	footer = ck_span(all.p + all.n - CK_TABLE_FOOTER, CK_TABLE_FOOTER);
	for (int i = 0; i < 4; i++)
		if (!ck_varint64(&footer, &at[i]))
			return false;
	block = ck_span(all.p + at[2], at[3]);
	if (ck_block_open(&c, block) < 0)
		return false;
	while ((r = ck_block_next(&c)) > 0 && ret->n < 300) {
		uint64_t offset, size;

		if (!ck_varint64(&c.value, &offset) || !ck_varint64(&c.value, &size) || c.value.n)
			break;
		ck_buf_add(&ret->keys[ret->n], c.key.p, c.key.n);
		ret->raw[ret->n++] = ck_span(all.p + offset, size);
	}
	/* A restart at every entry: the index block is searched by bisection. */
	r |= ck_le32(block.p + block.n - 4) != (ret->n ? ret->n : 1);
	ck_block_done(&c);
	return r == 0;
}

static void blocks_done(struct blocks *b)
{
	for (unsigned i = 0; i < b->n; i++)
		ck_buf_done(&b->keys[i]);
}

static size_t varint_len(uint64_t v)
{
	uint8_t p[10];

	return ck_varint_put(p, v);
}

/* An entry that says what it is, so that no list of them is needed. */
static void make_entry(unsigned i, struct ck_buf *key, struct ck_buf *value)
{
	unsigned x = i * 2654435761u;

	ck_buf_clear(key);
	ck_buf_clear(value);
	ck_buf_printf(key, "model/layer_%05u/", i);
	for (unsigned n = x >> 24; n; n--)
		ck_buf_char(key, "kernel "[n % 7]);
	for (unsigned n = (x >> 8) % 300; n; n--)
		ck_buf_char(value, (char)(x >> (n % 24)));
	if (i % 1000 == 500) /* blocks of their own */
		while (value->n < 300000)
			ck_buf_char(value, (char)i);
}

/* Whether the block holds its entries from *next on, as the rules want it written. */
static bool follow_block(struct ck_span raw, unsigned *next, bool last, struct ck_buf *key,
			 struct ck_buf *value)
{
	struct ck_block_cursor c;
	const uint8_t *start = raw.p;
	uint32_t restarts = ck_le32(raw.p + raw.n - 4);
	const uint8_t *restart = raw.p + raw.n - 4 - 4 * (size_t)restarts;
	unsigned n = 0;
	bool ok = ck_block_open(&c, raw) == 0;
	size_t before = 0, size = 0;

	while (ok) {
		const uint8_t *at = c.left.p;
		size_t shared = 0;
		struct ck_buf ck_auto_buf old = CK_BUF_INIT;

		ck_buf_add(&old, key->p, key->n);
		if (ck_block_next(&c) <= 0)
			break;
		make_entry((*next)++, key, value);
		if (n % 16 == 0) {
			ok &= n / 16 < restarts &&
			      ck_le32(restart + 4 * (size_t)(n / 16)) == (uint32_t)(at - start);
		} else {
			while (shared < old.n && shared < key->n && old.p[shared] == key->p[shared])
				shared++;
		}
		n++;
		ok &= ck_span_cmp(c.key, ck_span(key->p, key->n)) == 0 &&
		      ck_span_cmp(c.value, ck_span(value->p, value->n)) == 0;
		ok &= (size_t)(c.left.p - at) == varint_len(shared) + varint_len(key->n - shared) +
							 varint_len(value->n) + key->n - shared +
							 value->n;
		before = size;
		size = (size_t)(c.left.p - start) + 4 * (size_t)((n + 15) / 16) + 4;
	}
	ck_block_done(&c);
	/* Cut as soon as it was large enough, and not before. */
	return ok && n && restarts == (n + 15) / 16 && before < CK_TABLE_BLOCK_SIZE &&
	       (last || size >= CK_TABLE_BLOCK_SIZE) && size == raw.n;
}

static void test_many_blocks(void)
{
	enum { N = 60000 };
	struct ck_buf ck_auto_buf file = CK_BUF_INIT, key = CK_BUF_INIT, value = CK_BUF_INIT;
	struct ck_table_writer *w = writer_to(&file);
	struct blocks b;
	unsigned next = 0;
	int r = 0;
	bool ok;

	for (unsigned i = 0; i < N && r == 0; i++) {
		make_entry(i, &key, &value);
		r = ck_table_writer_add(w, ck_span(key.p, key.n), ck_span(value.p, value.n), NULL);
	}
	tap_ok(r == 0 && ck_table_writer_finish(w, NULL) == 0 && sum_of_bytes(&file),
	       "%u entries are written and can be read", N);
	ck_table_writer_free(w);
	ok = find_blocks(&file, &b);
	tap_ok(ok && b.n > 100, "in %u blocks", b.n);
	ck_buf_clear(&key);
	for (unsigned i = 0; i < b.n; i++) {
		struct ck_span k = ck_span(b.keys[i].p, b.keys[i].n);

		ok &= follow_block(b.raw[i], &next, i + 1 == b.n, &key, &value);
		ok &= ck_span_cmp(ck_span(key.p, key.n), k) <= 0;
		if (next < N) {
			struct ck_buf ck_auto_buf after = CK_BUF_INIT;

			make_entry(next, &after, &value);
			ok &= ck_span_cmp(k, ck_span(after.p, after.n)) < 0;
		}
	}
	tap_ok(ok && next == N, "each cut, shared and restarted as the rules have it");
	blocks_done(&b);
}

/* Writes entries of these sizes under the keys a, b, c ...; answers with the number of blocks. */
static unsigned count_blocks(const size_t *sizes, unsigned n)
{
	struct ck_buf ck_auto_buf file = CK_BUF_INIT;
	struct ck_table_writer *w = writer_to(&file);
	struct blocks b;
	uint8_t *zeros = calloc(1, 1 << 20);
	char key = 'a';
	bool ok = zeros;

	for (unsigned i = 0; i < n; i++, key++)
		ok &= ck_table_writer_add(w, ck_span(&key, 1), ck_span(zeros, sizes[i]), NULL) == 0;
	ok &= ck_table_writer_finish(w, NULL) == 0 && find_blocks(&file, &b) && sum_of_bytes(&file);
	ck_table_writer_free(w);
	free(zeros);
	n = ok ? b.n : 0;
	if (ok)
		blocks_done(&b);
	return n;
}

static void test_cuts(void)
{
	/* Three varints, a key of 1, the value, one restart and the count: 14 more than the value
	 * where that is below 2^21. */
	static const struct {
		size_t sizes[3];
		unsigned n, blocks;
		const char *what;
	} t[] = {
		{ { 262144 - 14, 1 }, 2, 2, "a block of exactly 256 KiB is cut" },
		{ { 262144 - 15, 1 }, 2, 1, "a byte less is not" },
		{ { 524287, 1 }, 2, 2, "a very large first entry is a block" },
		{ { 1, 524287, 1 }, 3, 3, "key and value of 512 KiB: the block before is cut" },
		{ { 1, 524286, 1 }, 3, 2, "a byte less joins it" },
		{ { 300000, 600000, 300000 }, 3, 3, "large ones one after the other" },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++)
		tap_is_u64(count_blocks(t[i].sizes, t[i].n), t[i].blocks, "%s", t[i].what);
}

/* The index key between two blocks, or behind the last (next == NULL). */
static void test_key(const char *last, size_t last_len, const char *next, size_t next_len,
		     const char *want, size_t want_len)
{
	struct ck_buf ck_auto_buf file = CK_BUF_INIT, value = CK_BUF_INIT;
	struct ck_table_writer *w = writer_to(&file);
	char quoted[3][CK_QUOTE_ROOM];
	struct blocks b = { 0 };
	bool ok;

	while (value.n < CK_TABLE_BLOCK_SIZE)
		ck_buf_char(&value, 'v');
	ok = ck_table_writer_add(w, ck_span(last, last_len), ck_span(value.p, value.n), NULL) == 0;
	if (next)
		ok &= ck_table_writer_add(w, ck_span(next, next_len), ck_span("", 0), NULL) == 0;
	ok &= ck_table_writer_finish(w, NULL) == 0 && find_blocks(&file, &b);
	ck_table_writer_free(w);
	tap_ok(ok && b.n == (next ? 2u : 1u) &&
		       ck_span_cmp(ck_span(b.keys[0].p, b.keys[0].n), ck_span(want, want_len)) == 0,
	       "%s before %s: %s", ck_quote(quoted[0], CK_QUOTE_ROOM, last, last_len),
	       next ? ck_quote(quoted[1], CK_QUOTE_ROOM, next, next_len) : "the end",
	       ck_quote(quoted[2], CK_QUOTE_ROOM, b.keys[0].p, b.keys[0].n));
	blocks_done(&b);
}

#define KEY(last, next, want) \
	test_key(last, sizeof(last) - 1, next, sizeof(next) - 1, want, sizeof(want) - 1)
#define END(last, want) test_key(last, sizeof(last) - 1, NULL, 0, want, sizeof(want) - 1)

static void test_keys(void)
{
	KEY("abcdef", "abxyz", "abd");
	KEY("abc", "abe", "abd");
	KEY("abc", "abd", "abc");
	KEY("abcx", "abd", "abcx");
	KEY("ab", "abc", "ab");
	KEY("", "abc", "");
	KEY("a\xffz", "b", "a\xffz");
	KEY("a\xffz", "c", "b");
	KEY("a\xfez", "a\xffz", "a\xfez");
	KEY("a\x00z", "a\x02", "a\x01");
	KEY("a\x7fz", "a\x81", "a\x80");
	END("abc", "b");
	END("\xff\xff", "\xff\xff");
	END("\xff\x01z", "\xff\x02");
	END("\xfe", "\xff");
	END("", "");
}

static void test_bytes(void)
{
	static const char empty[] = /* metaindex, index, footer */
		"\0\0\0\0\1\0\0\0\0\xc0\xf2\xa1\xb0\0\0\0\0\1\0\0\0\0\xc0\xf2\xa1\xb0"
		"\x00\x08\x0d\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
		"\0\0\0\0\x57\xfb\x80\x8b\x24\x75\x47\xdb";
	static const char header[] = /* the index of a bundle without variables */
		"\x00\x00\x06\x08\x01\x1a\x02\x08\x01\0\0\0\0\1\0\0\0\x00\x62\x94\x57\xf9"
		"\0\0\0\0\1\0\0\0\x00\xc0\xf2\xa1\xb0"
		"\x00\x00\x02\x00\x11\0\0\0\0\1\0\0\0\x00\xcc\xbf\x8b\x5d"
		"\x16\x08\x23\x0d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
		"\0\0\0\0\x57\xfb\x80\x8b\x24\x75\x47\xdb";
	struct ck_buf ck_auto_buf file = CK_BUF_INIT;
	struct ck_table_writer *w = writer_to(&file);

	tap_ok(ck_table_writer_finish(w, NULL) == 0 && file.n == sizeof(empty) - 1 &&
		       memcmp(file.p, empty, file.n) == 0,
	       "a table without entries, byte for byte");
	ck_table_writer_free(w);
	ck_buf_clear(&file);
	w = writer_to(&file);
	tap_ok(ck_table_writer_add(w, ck_span(NULL, 0), ck_span("\x08\x01\x1a\x02\x08\x01", 6),
				   NULL) == 0 &&
		       ck_table_writer_finish(w, NULL) == 0 && file.n == sizeof(header) - 1 &&
		       memcmp(file.p, header, file.n) == 0,
	       "a bundle without variables, byte for byte");
	ck_table_writer_free(w);
}

static void test_order(void)
{
	struct ck_buf ck_auto_buf file = CK_BUF_INIT;
	struct ck_table_writer *w = writer_to(&file);
	struct ck_span v = ck_span("v", 1);
	struct ck_err err = CK_ERR_INIT;
	uint32_t want = 0;

	ck_table_writer_add(w, ck_span("b", 1), v, NULL);
	tap_ok(ck_table_writer_add(w, ck_span("b", 1), v, &err) == -EINVAL &&
		       strstr(err.text, "\"b\" is out of order"),
	       "the same key again: %s", err.text);
	tap_ok(ck_table_writer_add(w, ck_span("a", 1), v, NULL) == -EINVAL, "a lower key");
	tap_ok(ck_table_writer_add(w, ck_span("", 0), v, NULL) == -EINVAL, "the empty key");
	tap_ok(ck_table_writer_add(w, ck_span("b\0", 2), v, NULL) == 0, "a longer one is higher");
	tap_ok(ck_table_writer_finish(w, NULL) == 0, "what was refused is not missed");
	sum_entry(&want, 0, ck_span("b", 1), v, NULL);
	sum_entry(&want, 0, ck_span("b\0", 2), v, NULL);
	tap_is_u64(sum_of_bytes(&file), want, "and is not in the table");
	tap_ok(ck_table_writer_add(w, ck_span("c", 1), v, NULL) == -EINVAL &&
		       ck_table_writer_finish(w, NULL) == -EINVAL,
	       "after the end there is nothing");
	ck_table_writer_free(w);
	tap_ok(ck_table_writer_free(NULL) == NULL, "NULL is freed");
}

/* A disk that is full after some writes. */
static int full(void *arg, const void *p, size_t n, struct ck_err *err)
{
	int *left = arg;

	(void)p;
	(void)n;
	return (*left)-- > 0 ? 0 : ck_fail(err, CK_PUBLISH, ENOSPC, "the disk is full");
}

static void test_sink(void)
{
	uint8_t *large = calloc(1, CK_TABLE_BLOCK_SIZE);
	struct ck_span value = ck_span(large, CK_TABLE_BLOCK_SIZE);
	bool told = true, final = true;
	int writes;

	for (writes = 0; writes < 10; writes++) {
		struct ck_err err = CK_ERR_INIT;
		int left = writes, r = 0;
		struct ck_sink sink = { full, &left };
		struct ck_table_writer *w;

		if (ck_table_writer_new(&sink, &w, NULL) < 0)
			abort();
		for (char key = 'a'; key < 'd' && r == 0; key++)
			r = ck_table_writer_add(w, ck_span(&key, 1), value, &err);
		if (r == 0)
			r = ck_table_writer_finish(w, &err);
		if (r == 0) {
			ck_table_writer_free(w);
			break;
		}
		told &= r == -ENOSPC && strcmp(err.text, "the disk is full") == 0;
		final &= ck_table_writer_finish(w, NULL) == -EINVAL && left == -1;
		ck_table_writer_free(w);
	}
	tap_ok(told && writes == 6, "an error of any write is told (%d writes)", writes);
	tap_ok(final, "and nothing is written after it");
	free(large);
}

/* With arguments, they are further indexes to write again. */
int main(int argc, char **argv)
{
	const char *src = getenv("SRCDIR");
	char pattern[2][4096];
	glob_t g = { 0 };

	snprintf(pattern[0], sizeof(pattern[0]), "%s/tests/data/*/*.index", src ? src : ".");
	snprintf(pattern[1], sizeof(pattern[1]), "%s/tests/data/*/*/*.index", src ? src : ".");
	glob(pattern[0], 0, NULL, &g);
	glob(pattern[1], GLOB_APPEND, NULL, &g);
	tap_plan(1 + (int)g.gl_pathc + argc - 1 + 3 + 6 + 16 + 2 + 8 + 2);
	tap_ok(g.gl_pathc > 20, "there are indexes in tests/data");
	for (size_t i = 0; i < g.gl_pathc; i++)
		test_real(g.gl_pathv[i]);
	globfree(&g);
	for (int i = 1; i < argc; i++)
		test_real(argv[i]);
	test_many_blocks();
	test_cuts();
	test_keys();
	test_bytes();
	test_order();
	test_sink();
	return tap_done();
}
