/*
 * test_bundle.c - a bundle's index into a model: the messages, the keys of slices, a whole index
 * written elsewhere, and what is refused with which words.
 */
#include "core/read.h"
#include "format/tf_bundle.h"
#include "format/tf_messages.h"
#include "format/tf_slicekey.h"
#include "util/crc32c.h"

#include "mkindex.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>

static const char *hex(const void *p, size_t n)
{
	static char text[1024];

	text[0] = '\0';
	for (size_t i = 0; i < n && 2 * i + 3 < sizeof(text); i++)
		sprintf(text + 2 * i, "%02x", ((const uint8_t *)p)[i]);
	return text;
}

static void test_ordered_code(void)
{
	static const struct {
		int64_t v;
		const char *bytes;
	} t[] = {
		{ 0, "80" },		   { -1, "7f" },
		{ 1, "81" },		   { -64, "40" },
		{ 63, "bf" },		   { -65, "3fbf" },
		{ 64, "c040" },		   { -2048, "3800" },
		{ 100, "c064" },	   { 1ll << 31, "f880000000" },
		{ 8191, "dfff" },	   { 1ll << 40, "fd0000000000" },
		{ 8192, "e02000" },	   { 1ll << 62, "ffc04000000000000000" },
		{ 1048576, "f0100000" },   { INT64_MAX, "ffc07fffffffffffffff" },
		{ 0x424242, "f0424242" },  { INT64_MIN, "003f8000000000000000" },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct ck_buf ck_auto_buf out = CK_BUF_INIT;

		ck_tf_put_signed(t[i].v, &out);
		tap_is_str(hex(out.p, out.n), t[i].bytes, "ordered code of %lld",
			   (long long)t[i].v);
	}
}

static void test_slice_key(void)
{
	static struct ck_tf_slice s = { .rank = 2, .start = { 0, 0 }, .length = { CK_TF_FULL, 5 } };
	struct ck_buf ck_auto_buf out = CK_BUF_INIT, name = CK_BUF_INIT;
	struct ck_span key;

	ck_tf_slice_key(ck_span("foo", 3), &s, &out);
	tap_is_str(hex(out.p, out.n), "00666f6f00010102807f8085", "key of foo [all, 0..5)");
	ck_buf_clear(&out);
	s = (struct ck_tf_slice){ .rank = 2, .start = { 5000, 0 }, .length = { 5000, 16 } };
	ck_tf_slice_key(ck_span("emb", 3), &s, &out);
	tap_is_str(hex(out.p, out.n), "00656d6200010102d388d3888090", "key of emb [5000.., 0..16)");
	ck_buf_clear(&out);
	s = (struct ck_tf_slice){ .rank = 0 };
	ck_tf_slice_key(ck_span("\0\xff", 2), &s, &out);
	tap_is_str(hex(out.p, out.n), "0000ffff00000100", "bytes 00 and ff in a name are escaped");
	key = ck_span(out.p, out.n);
	tap_ok(ck_tf_slice_key_name(key, &name) && name.n == 2 && memcmp(name.p, "\0\xff", 2) == 0,
	       "and found again in the key");
	tap_ok(!ck_tf_slice_key_name(ck_span("\0a\0", 3), &name) &&
		       !ck_tf_slice_key_name(ck_span("\0\xff\1\0\1", 5), &name) &&
		       !ck_tf_slice_key_name(ck_span("\0\0\2\0\1", 5), &name) &&
		       !ck_tf_slice_key_name(ck_span("a\0\1", 3), &name) &&
		       !ck_tf_slice_key_name(ck_span("\0", 1), &name),
	       "keys of another form have no name");
}

static void test_messages(void)
{
	static struct ck_tf_entry e;
	struct ck_tf_header h;
	static const uint8_t real[] = { 0x08, 0x01, 0x12, 0x04, 0x12, 0x02, 0x08, 0x01, 0x20,
					0x0c, 0x28, 0x04, 0x35, 0xa6, 0x7b, 0x11, 0x3a };
	/* The same fields backwards, with an unknown field of each wire type between. */
	static const uint8_t backwards[] = {
		0x35, 0xa6, 0x7b, 0x11, 0x3a, 0x58, 0x07, 0x28, 0x04, 0x62, 0x01, 0x00, 0x20, 0x0c,
		0x69, 1,    2,    3,	4,    5,    6,	  7,	8,    0x12, 0x04, 0x12, 0x02, 0x08,
		0x01, 0x75, 1,	  2,	3,    4,    0x08, 0x01
	};
	bool cut = true;

	tap_ok(ck_tf_entry_parse(ck_span(real, sizeof(real)), &e) && e.dtype == 1 && e.rank == 1 &&
		       e.dims[0] == 1 && e.shard_id == 0 && e.offset == 12 && e.size == 4 &&
		       e.crc32c == 0x3a117ba6 && e.shape_ok && e.elements == 1,
	       "an entry that TensorFlow wrote");
	tap_ok(ck_tf_entry_parse(ck_span(backwards, sizeof(backwards)), &e) && e.dtype == 1 &&
		       e.rank == 1 && e.offset == 12 && e.size == 4 && e.crc32c == 0x3a117ba6,
	       "fields in any order, unknown ones stepped over");
	for (size_t n = 0; n < sizeof(real); n++)
		if (n != 0 && n != 2 && n != 8 && n != 10 && n != 12)
			cut &= !ck_tf_entry_parse(ck_span(real, n), &e);
	tap_ok(cut, "an entry cut within a field is refused");
	tap_ok(ck_tf_header_parse(ck_span("\x08\x02\x1a\x02\x08\x01", 6), &h) && h.num_shards == 2 &&
		       h.producer == 1 && h.endianness == 0 && !h.bad_consumer,
	       "a header that TensorFlow wrote");
	tap_ok(ck_tf_header_parse(ck_span("\x1a\x04\x1a\x02\x05\x01", 6), &h) && h.bad_consumer,
	       "bad_consumers, packed");
	tap_ok(ck_tf_header_parse(ck_span("\x1a\x04\x18\x05\x18\x01", 6), &h) && h.bad_consumer,
	       "bad_consumers, unpacked");
	tap_ok(!ck_tf_header_parse(ck_span("\x0b\x0c", 2), &h), "groups are refused");
	tap_ok(!ck_tf_header_parse(ck_span("\x00\x01", 2), &h), "field number 0 is refused");
	tap_ok(ck_tf_entry_parse(ck_span("\x12\x0f\x12\x0d\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"
					 "\x12\x00",
					 17),
				 &e) == false ||
		       !e.shape_ok,
	       "a negative dimension is noticed");
}

/* One data file for all shards, from memory. */
struct files {
	const void *p;
	size_t n;
	int opened;
};

static int open_shard(void *arg, uint32_t id, uint32_t num, struct ck_source **ret,
		      struct ck_err *err)
{
	struct files *f = arg;

	(void)num;
	f->opened++;
	if (!f->p)
		return ck_fail(err, CK_CORRUPT, ENOENT, "shard %u is missing", id);
	return ck_source_mem(f->p, f->n, "t.data", ret, err);
}

static struct ck_model *load(const struct ck_buf *file, struct files *f, bool force,
			     struct ck_err *err)
{
	struct ck_model *m = ck_model_new("tensorflow", "t");
	struct ck_tf_shards shards = { open_shard, f };
	struct ck_source *s;
	int r;

	*err = (struct ck_err)CK_ERR_INIT;
	ck_source_mem(file->p, file->n, "t.index", &s, NULL);
	r = ck_tf_bundle_load(m, s, &shards, force, err);
	ck_source_unref(s);
	return r < 0 ? ck_model_unref(m) : m;
}

/* A whole checkpoint worked out by hand: p in two slices, s of two strings. */
static const uint8_t worked_data[48] =
	"\x00\x00\x80\x3f\x00\x00\x00\x40\x00\x00\x40\x40\x00\x00\x80\x40"
	"\x00\x00\xa0\x40\x00\x00\xc0\x40\x00\x00\xe0\x40\x00\x00\x00\x41"
	"\x05\x05\xb5\x6f\x99\x4fhelloworld";

static void worked_index(struct mkindex *t)
{
	static const struct {
		const char *key;
		size_t key_len;
		const char *value;
		size_t value_len;
	} rows[] = {
		{ "", 0, "\x08\x01\x1a\x02\x08\x01", 6 },
		{ "\x00p\x00\x01\x01\x02\x80\x82\x80\x7f", 10,
		  "\x08\x01\x12\x08\x12\x02\x08\x02\x12\x02\x08\x02\x28\x10\x35\x4c\x28\x98\x74",
		  19 },
		{ "\x00p\x00\x01\x01\x02\x82\x82\x80\x7f", 10,
		  "\x08\x01\x12\x08\x12\x02\x08\x02\x12\x02\x08\x02\x20\x10\x28\x10\x35\xeb\xd5\xbc"
		  "\x49",
		  21 },
		{ "p", 1,
		  "\x08\x01\x12\x08\x12\x02\x08\x04\x12\x02\x08\x02\x3a\x06\x0a\x02\x10\x02\x0a\x00"
		  "\x3a\x08\x0a\x04\x08\x02\x10\x02\x0a\x00",
		  30 },
		{ "s", 1, "\x08\x07\x12\x04\x12\x02\x08\x02\x20\x20\x28\x10\x35\x1b\x4c\xd6\x07",
		  17 },
	};

	mkindex_start(t);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct ck_buf value = CK_BUF_INIT;

		ck_buf_add(&value, rows[i].value, rows[i].value_len);
		mkindex_add(t, rows[i].key, rows[i].key_len, &value);
		ck_buf_done(&value);
	}
	mkindex_end(t);
}

static void test_worked(void)
{
	struct files f = { worked_data, sizeof(worked_data), 0 };
	struct mkindex t;
	struct ck_err err;
	struct ck_model *m;
	float p[8] = { 0 };
	char s[11] = "";
	uint64_t size = 0;

	worked_index(&t);
	m = load(&t.file, &f, false, &err);
	if (!tap_ok(m != NULL, "the worked-out checkpoint loads: %s", err.text)) {
		mkindex_done(&t);
		return;
	}
	tap_ok(m->nvars == 2 && m->nslices == 2 && f.opened == 1,
	       "its slices are no variables of their own");
	tap_ok(ck_var_read(m, 0, 0, p, 32, &err) == 0 && p[0] == 1 && p[3] == 4 && p[4] == 5 &&
		       p[7] == 8,
	       "p is joined from its slices");
	tap_ok(ck_var_size(m, 1, &size, &err) == 0 && size == 10, "s is as long as its strings");
	tap_ok(ck_var_read(m, 1, 0, s, 10, &err) == 0 && strcmp(s, "helloworld") == 0,
	       "s is its strings: %s", err.text);
	tap_ok(ck_var_verify(m, 0, &err) == 0 && ck_var_verify(m, 1, &err) == 0,
	       "all checksums match: %s", err.text);
	ck_model_unref(m);

	f.n = 40;
	tap_ok(!load(&t.file, &f, false, &err) && err.cls == CK_CORRUPT &&
		       strstr(err.text, "t.data: ends at byte 40, where variable \"s\" has 16 bytes"),
	       "a short data file: %s", err.text);
	m = load(&t.file, &f, true, &err);
	tap_ok(m && m->nvars == 2 && m->vars[1].flags & CK_VAR_DAMAGED &&
		       ck_var_read(m, 0, 0, p, 32, &err) == 0 &&
		       ck_var_readable(m, 1, &err) == -EIO,
	       "with force the rest is there: %s", err.text);
	ck_model_unref(m);
	f.p = NULL;
	tap_ok(!load(&t.file, &f, false, &err) && strstr(err.text, "missing"),
	       "a missing data file: %s", err.text);
	m = load(&t.file, &f, true, &err);
	tap_ok(m && m->nvars == 2 && m->nproblems == 3 && ck_model_problem(m, 0) &&
		       ck_model_problem(m, CK_NO_VAR),
	       "with force every variable in it is damaged");
	ck_model_unref(m);
	mkindex_done(&t);
}

struct fault {
	const char *what;
	unsigned dtype;
	uint64_t shape[2];
	unsigned rank;
	unsigned shard;
	uint64_t offset, size;
	const char *text; /* NULL: accepted */
};

static void test_faults(void)
{
	static const struct fault faults[] = {
		{ "a float vector", 1, { 4 }, 1, 0, 0, 16, NULL },
		{ "at the very end", 1, { 1 }, 1, 0, 44, 4, NULL },
		{ "past the end", 1, { 1 }, 1, 0, 45, 4, "was cut short" },
		{ "an unknown dtype", 99, { 4 }, 1, 0, 0, 5, NULL },
		{ "a variant", 21, { 1 }, 1, 0, 0, 7, NULL },
		{ "no elements", 1, { 0 }, 1, 0, 0, 0, NULL },
		{ "size too small", 1, { 4 }, 1, 0, 0, 12, "does not fit its dtype and shape" },
		{ "shape beyond all", 1, { 1ull << 62, 4 }, 2, 0, 0, 0, "impossible shape" },
		{ "bytes beyond all", 2, { 1ull << 62 }, 1, 0, 0, 0,
		  "does not fit its dtype and shape" },
		{ "no such shard", 1, { 4 }, 1, 3, 0, 16, "a shard that the checkpoint does not" },
		{ "negative offset", 1, { 4 }, 1, 0, 1ull << 63, 16, "impossible place" },
		{ "too few bytes for strings", 7, { 100 }, 1, 0, 0, 16, "number of strings" },
		{ "strings without end", 7, { 1ull << 60 }, 1, 0, 0, 16, "number of strings" },
	};
	static const uint8_t data[48];

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		const struct fault *w = &faults[i];
		struct files f = { data, sizeof(data), 0 };
		struct ck_buf header = CK_BUF_INIT, entry = CK_BUF_INIT;
		struct mkindex t;
		struct ck_model *m;
		struct ck_err err;

		mkindex_start(&t);
		put_header(&header, 2, false);
		put_entry(&entry, w->dtype, w->shape, w->rank, w->shard, w->offset, w->size, 0);
		mkindex_add(&t, "", 0, &header);
		mkindex_add(&t, "v", 1, &entry);
		mkindex_end(&t);
		m = load(&t.file, &f, false, &err);
		tap_ok(w->text ? !m && err.cls == CK_CORRUPT && strstr(err.text, w->text) : m != NULL,
		       "%s: %s", w->what, err.text);
		ck_model_unref(m);
		m = load(&t.file, &f, true, &err);
		tap_ok(m && m->nvars == 1 && !!(m->vars[0].flags & CK_VAR_DAMAGED) == !!w->text,
		       "%s: with force it is listed", w->what);
		ck_model_unref(m);
		mkindex_done(&t);
		ck_buf_done(&header);
		ck_buf_done(&entry);
	}
}

static void refuse_header(const char *what, const void *p, size_t n, enum ck_class cls,
			  const char *text)
{
	struct files f = { "", 0, 0 };
	struct ck_buf header = CK_BUF_INIT;
	struct mkindex t;
	struct ck_err err;

	mkindex_start(&t);
	ck_buf_add(&header, p, n);
	mkindex_add(&t, "", 0, &header);
	mkindex_end(&t);
	tap_ok(!load(&t.file, &f, false, &err) && err.cls == cls && strstr(err.text, text), "%s: %s",
	       what, err.text);
	mkindex_done(&t);
	ck_buf_done(&header);
}

/* A variable of [rows, 4] floats whose slices are rows [start, start + length) each. */
static void refuse_slices(const char *what, const int64_t (*slices)[2], unsigned n,
			  bool with_entries, const char *text)
{
	static const uint8_t data[256];
	struct files f = { data, sizeof(data), 0 };
	struct ck_buf header = CK_BUF_INIT, whole = CK_BUF_INIT;
	struct mkindex t;
	struct ck_model *m;
	struct ck_err err;

	mkindex_start(&t);
	put_header(&header, 1, false);
	mkindex_add(&t, "", 0, &header);
	put_entry(&whole, 1, (const uint64_t[]){ 8, 4 }, 2, 0, 0, 0, 0);
	for (unsigned i = 0; i < n; i++) {
		static struct ck_tf_slice s;
		struct ck_buf extent = CK_BUF_INIT, slice = CK_BUF_INIT, key = CK_BUF_INIT;
		struct ck_buf entry = CK_BUF_INIT;

		s = (struct ck_tf_slice){ .rank = 2,
					  .start = { slices[i][0], 0 },
					  .length = { slices[i][1], CK_TF_FULL } };
		put_varint_field(&extent, 1, (uint64_t)s.start[0]);
		put_varint_field(&extent, 2, (uint64_t)s.length[0]);
		put_bytes_field(&slice, 1, &extent);
		ck_buf_clear(&extent);
		put_bytes_field(&slice, 1, &extent);
		put_bytes_field(&whole, 7, &slice);
		ck_tf_slice_key(ck_span("v", 1), &s, &key);
		put_entry(&entry, 1, (const uint64_t[]){ (uint64_t)s.length[0], 4 }, 2, 0, 0,
			  16 * (uint64_t)s.length[0], 0);
		if (with_entries)
			mkindex_add(&t, key.p, key.n, &entry);
		ck_buf_done(&extent);
		ck_buf_done(&slice);
		ck_buf_done(&key);
		ck_buf_done(&entry);
	}
	mkindex_add(&t, "v", 1, &whole);
	mkindex_end(&t);
	m = load(&t.file, &f, false, &err);
	tap_ok(text ? !m && err.cls == CK_CORRUPT && strstr(err.text, text) : m && m->nvars == 1,
	       "%s: %s", what, err.text);
	ck_model_unref(m);
	mkindex_done(&t);
	ck_buf_done(&header);
	ck_buf_done(&whole);
}

int main(void)
{
	tap_plan(18 + 5 + 9 + 10 + 26 + 9 + 6);
	test_ordered_code();
	test_slice_key();
	test_messages();
	test_worked();
	test_faults();
	refuse_header("newer version", "\x08\x01\x1a\x04\x08\x05\x10\x02", 8, CK_UNSUPPORTED,
		      "get a newer");
	refuse_header("we are a bad consumer", "\x08\x01\x1a\x04\x08\x02\x18\x01", 8, CK_UNSUPPORTED,
		      "get a newer");
	refuse_header("V1", "\x0a\x02\x0a\x00", 4, CK_UNSUPPORTED, "V1 checkpoint");
	refuse_header("garbage", "\xff\xff", 2, CK_CORRUPT, "header cannot be read");
	refuse_header("negative shards", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11,
		      CK_CORRUPT, "makes no sense");
	refuse_header("endless shards", "\x08\xff\xff\xff\xff\x07", 6, CK_CORRUPT, "makes no sense");
	refuse_header("unknown byte order", "\x08\x01\x10\x02", 4, CK_CORRUPT, "makes no sense");
	{
		struct files f = { "", 0, 0 };
		struct mkindex t;
		struct ck_err err;
		struct ck_buf value = CK_BUF_INIT;

		mkindex_start(&t);
		mkindex_end(&t);
		tap_ok(!load(&t.file, &f, false, &err) && strstr(err.text, "no header"),
		       "an empty table: %s", err.text);
		mkindex_done(&t);
		mkindex_start(&t);
		ck_buf_str(&value, "x");
		mkindex_add(&t, "a", 1, &value);
		mkindex_end(&t);
		tap_ok(!load(&t.file, &f, false, &err) && strstr(err.text, "not the header"),
		       "a table without header: %s", err.text);
		mkindex_done(&t);
		ck_buf_done(&value);
	}
	refuse_slices("slices that tile", (const int64_t[][2]){ { 0, 3 }, { 3, 5 } }, 2, true, NULL);
	refuse_slices("slices that overlap", (const int64_t[][2]){ { 0, 4 }, { 3, 5 } }, 2, true,
		      "overlap");
	refuse_slices("slices with a gap", (const int64_t[][2]){ { 0, 3 }, { 4, 4 } }, 2, true,
		      "do not cover");
	refuse_slices("a slice outside", (const int64_t[][2]){ { 0, 3 }, { 3, 6 } }, 2, true,
		      "does not lie in its shape");
	refuse_slices("a slice of length 0", (const int64_t[][2]){ { 0, 0 }, { 0, 8 } }, 2, true,
		      "does not lie in its shape");
	refuse_slices("slices without entries", (const int64_t[][2]){ { 0, 3 }, { 3, 5 } }, 2, false,
		      "not in the index");
	return tap_done();
}
