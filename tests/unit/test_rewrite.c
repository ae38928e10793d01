/*
 * test_rewrite.c - a bundle's index written anew, against the index as it would be made directly.
 *
 * A checkpoint is an array of struct var here; build() makes its index. A change is made to the
 * array by hand and to the old index by ck_tf_rewrite(): both ways must lead to the same bytes,
 * and those must load.
 */
#include "format/table.h"
#include "format/tf_bundle.h"
#include "format/tf_rewrite.h"
#include "format/tf_slicekey.h"
#include "util/crc32c.h"

#include "mkindex.h"
#include "tap.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>

#define PARTS_MAX 4

/* A variable of bytes [shape] (dtype uint8), whole or in parts of its first dimension. */
struct var {
	char name[40];
	size_t len; /* of the name; 0: up to its NUL */
	uint64_t shape[2];
	unsigned parts; /* 0: whole */
	bool reversed; /* its entry lists the parts from the last to the first */
	struct ck_tf_place place[PARTS_MAX];
};

static struct ck_span name_of(const struct var *v)
{
	return ck_span(v->name, v->len ? v->len : strlen(v->name));
}

static uint64_t rows_of_part(const struct var *v, unsigned i)
{
	return v->shape[0] * (i + 1) / v->parts - v->shape[0] * i / v->parts;
}

static void put_extent(struct ck_buf *slice, uint64_t start, uint64_t length)
{
	struct ck_buf ck_auto_buf extent = CK_BUF_INIT;

	if (start)
		put_varint_field(&extent, 1, start);
	put_varint_field(&extent, 2, length);
	put_bytes_field(slice, 1, &extent);
}

static void add_var(struct mkrows *t, const struct var *v)
{
	struct ck_span name = name_of(v);
	struct ck_buf whole = CK_BUF_INIT;
	const struct ck_tf_place *p = v->place;

	if (!v->parts) {
		put_entry(mkrows_add(t, name.p, name.n), 4, v->shape, 2, p->shard, p->offset,
			  p->nbytes, p->crc32c);
		return;
	}
	put_entry(&whole, 4, v->shape, 2, 0, 0, 0, 0);
	whole.n -= 5; /* an entry that lists slices has no checksum */
	for (unsigned n = 0; n < v->parts; n++) {
		unsigned i = v->reversed ? v->parts - 1 - n : n;
		uint64_t start = v->shape[0] * i / v->parts, rows = rows_of_part(v, i);
		struct ck_buf ck_auto_buf slice = CK_BUF_INIT, key = CK_BUF_INIT;
		static struct ck_tf_slice s;

		put_extent(&slice, start, rows);
		put_extent(&slice, 0, v->shape[1]);
		put_bytes_field(&whole, 7, &slice);
		s = (struct ck_tf_slice){ .rank = 2,
					  .start = { (int64_t)start, 0 },
					  .length = { (int64_t)rows, (int64_t)v->shape[1] } };
		ck_tf_slice_key(name, &s, &key);
		p = &v->place[i];
		put_entry(mkrows_add(t, key.p, key.n), 4, (uint64_t[]){ rows, v->shape[1] }, 2,
			  p->shard, p->offset, p->nbytes, p->crc32c);
	}
	ck_buf_add(mkrows_add(t, name.p, name.n), whole.p, whole.n);
	ck_buf_done(&whole);
}

/* The index of one variable "v" with that header and entry. */
static void build_raw(struct ck_span header, struct ck_span entry, struct ck_buf *file)
{
	struct mkrows t = { 0 };

	ck_buf_add(mkrows_add(&t, "", 0), header.p, header.n);
	ck_buf_add(mkrows_add(&t, "v", 1), entry.p, entry.n);
	mkrows_finish(&t, file);
}

static void build(const struct var *v, size_t n, unsigned num_shards, struct ck_buf *file)
{
	struct mkrows t = { 0 };

	put_header(mkrows_add(&t, "", 0), num_shards, false);
	for (size_t i = 0; i < n; i++)
		if (v[i].name[0] || v[i].len) /* without a name: it is not there */
			add_var(&t, &v[i]);
	mkrows_finish(&t, file);
}

static int open_shard(void *arg, uint32_t id, uint32_t num, struct ck_source **ret,
		      struct ck_err *err)
{
	static const uint8_t data[1 << 16];

	(void)arg;
	(void)id;
	(void)num;
	return ck_source_mem(data, sizeof(data), "t.data", ret, err);
}

/* Number of variables that the loader finds; -1 where it does not load. */
static int load(const struct ck_buf *file, struct ck_err *err)
{
	struct ck_model *m = ck_model_new("tensorflow", "t");
	struct ck_tf_shards shards = { open_shard, NULL };
	struct ck_source *s;
	int n = -1;

	ck_source_mem(file->p, file->n, "new.index", &s, NULL);
	if (ck_tf_bundle_load(m, s, &shards, false, err) == 0)
		n = (int)m->nvars;
	ck_source_unref(s);
	ck_model_unref(m);
	return n;
}

/* What is asked for beside the changes; all zero: 1 shard before and after. */
struct how {
	unsigned old_shards, num_shards;
	const uint32_t *renumber;
};

static int rewrite(const struct ck_buf *old, struct ck_tf_change *changes, size_t nchanges,
		   const struct how *how, struct ck_buf *file, struct ck_err *err)
{
	struct ck_tf_rewrite r = {
		.num_shards = how && how->num_shards ? how->num_shards : 1,
		.changes = changes,
		.nchanges = nchanges,
		.renumber = how ? how->renumber : NULL,
		.num_old = how ? how->old_shards : 0,
	};
	struct ck_sink sink = mkindex_sink(file);
	int ret;

	ck_source_mem(old->p, old->n, "old.index", &r.old, NULL);
	ret = ck_tf_rewrite(&r, &sink, err);
	ck_source_unref(r.old);
	return ret;
}

/* That old, with the changes, is want. */
static void same(const char *what, const struct var *old, size_t nold, struct ck_tf_change *changes,
		 size_t nchanges, const struct how *how, const struct var *want, size_t nwant)
{
	struct ck_buf ck_auto_buf before = CK_BUF_INIT, after = CK_BUF_INIT, direct = CK_BUF_INIT;
	struct ck_err err = CK_ERR_INIT;
	size_t present = 0;
	int r, n;

	build(old, nold, how && how->old_shards ? how->old_shards : 1, &before);
	build(want, nwant, how && how->num_shards ? how->num_shards : 1, &direct);
	for (size_t i = 0; i < nwant; i++)
		present += want[i].name[0] || want[i].len;
	r = rewrite(&before, changes, nchanges, how, &after, &err);
	n = r == 0 ? load(&after, &err) : -1;
	tap_ok(r == 0 && after.n == direct.n && memcmp(after.p, direct.p, after.n) == 0 &&
		       n == (int)present,
	       "%s%s%s", what, err.text[0] ? ": " : "", err.text);
}

/* That the changes are refused in these words. */
static void refused(const char *what, const struct ck_buf *old, struct ck_tf_change *changes,
		    size_t nchanges, int r, enum ck_class cls, const char *text)
{
	struct ck_buf ck_auto_buf file = CK_BUF_INIT;
	struct ck_err err = CK_ERR_INIT;
	int got = rewrite(old, changes, nchanges, NULL, &file, &err);

	tap_ok(got == r && err.cls == cls && strstr(err.text, text), "%s: %s", what, err.text);
}

#define S(text) ck_span(text, sizeof(text) - 1)
#define LEN(a) (sizeof(a) / sizeof(*(a)))
#define H1 "\x08\x01\x1a\x02\x08\x01" /* a header of one shard */
#define SHAPE "\x12\x04\x12\x02\x08\x02" /* [2] */

/* Changes, and how many. */
#define THESE(...) \
	(struct ck_tf_change[]){ __VA_ARGS__ }, LEN(((struct ck_tf_change[]){ __VA_ARGS__ }))
#define RENAME(from, to) { .old_name = S(from), .new_name = S(to), .what = CK_TF_KEEP }
#define DELETE(name) { .old_name = S(name) }
#define MOVE(from, to, ...) \
	{ .old_name = S(from), .new_name = S(to), .what = CK_TF_MOVE, __VA_ARGS__ }
/* bytes [2] */
#define NEW(name) \
	{ .new_name = S(name), .what = CK_TF_NEW, .native = 4, .rank = 1, \
	  .shape = (const uint64_t[]){ 2 }, .place = { .nbytes = 2 } }

static const struct var base[] = {
	{ "a", 0, { 2, 3 }, 0, false, { { 0, 0, 6, 0x11111111 } } },
	{ "b", 0, { 1, 200 }, 0, false, { { 0, 6, 200, 0x22222222 } } },
	{ "c/d", 0, { 0, 7 }, 0, false, { { 0, 300, 0, 0 } } },
	{ "p", 0, { 5, 4 }, 2, false, { { 0, 400, 8, 0x31 }, { 0, 408, 12, 0x32 } } },
	{ "q", 0, { 9, 2 }, 3, true,
	  { { 0, 500, 6, 0x41 }, { 0, 506, 6, 0x42 }, { 0, 512, 6, 0x43 } } },
	{ "z", 0, { 1, 1 }, 0, false, { { 0, 700, 1, 0x55555555 } } },
};
enum { A, B, C, P, Q, Z, N };

#define COPY(v) struct var v[N + 3]; memset(v, 0, sizeof(v)); memcpy(v, base, sizeof(base))
#define SAME(what, changes, how, want) same(what, base, N, changes, how, want, N + 3)

static void test_rename(void)
{
	{
		COPY(w);
		strcpy(w[B].name, "x/y");
		SAME("a rename", THESE(RENAME("b", "x/y")), NULL, w);
	}
	{
		COPY(w);
		strcpy(w[Z].name, "Z");
		SAME("a rename to the front", THESE(RENAME("z", "Z")), NULL, w);
	}
	{
		COPY(w);
		strcpy(w[A].name, "b");
		strcpy(w[B].name, "a");
		SAME("two change names", THESE(RENAME("b", "a"), RENAME("a", "b")), NULL, w);
	}
	{
		COPY(w);
		strcpy(w[Z].name, "p");
		strcpy(w[P].name, "q");
		strcpy(w[Q].name, "z");
		SAME("three in a ring, two of them partitioned",
		     THESE(RENAME("z", "p"), RENAME("p", "q"), RENAME("q", "z")), NULL, w);
	}
	{
		COPY(w);
		strcpy(w[A].name, "b");
		w[B].name[0] = 0;
		SAME("a rename onto one that is deleted", THESE(DELETE("b"), RENAME("a", "b")),
		     NULL, w);
	}
	{
		COPY(w);
		SAME("a rename to the same name", THESE(RENAME("p", "p"), RENAME("a", "a")), NULL,
		     w);
	}
	{
		COPY(w);
		memcpy(w[Q].name, "\0\xff\1", 3);
		w[Q].len = 3;
		memcpy(w[A].name, "\0", 1);
		w[A].len = 1;
		SAME("names of strange bytes", THESE(RENAME("q", "\0\xff\1"), RENAME("a", "\0")),
		     NULL, w);
		same("and back", w, N + 3, THESE(RENAME("\0", "a"), RENAME("\0\xff\1", "q")),
		     NULL, base, N);
	}
}

static void test_delete(void)
{
	struct ck_tf_change all[N] = { 0 };
	struct var none[N] = { 0 };

	for (int i = 0; i < N; i++) {
		struct ck_tf_change c = { .old_name = name_of(&base[i]) };
		COPY(w);

		w[i].name[0] = 0;
		same("a variable is deleted", base, N, &c, 1, NULL, w, N);
		all[i] = c;
	}
	same("all are deleted", base, N, all, N, NULL, none, N);
	{
		COPY(w);
		SAME("neither old nor new: nothing", THESE({ .old_name = { 0 } }), NULL, w);
	}
}

static void test_move(void)
{
	const struct how how = { .old_shards = 1, .num_shards = 3 };
	struct ck_tf_slice_place places[] = { { 0, { 2, 1000, 6, 7 } }, { 2, { 1, 1006, 6, 8 } } };

	{
		COPY(w);
		w[A].place[0] = (struct ck_tf_place){ 2, 1000, 6, 99 };
		SAME("a variable with a new place",
		     THESE(MOVE("a", "a", .place = { 2, 1000, 6, 99 })), &how, w);
	}
	{
		COPY(w);
		strcpy(w[B].name, "bb");
		w[B].place[0] = (struct ck_tf_place){ 0, 0, 200, 0 };
		SAME("and a new name; zeros are left out",
		     THESE(MOVE("b", "bb", .place = { 0, 0, 200, 0 })), &how, w);
	}
	{
		COPY(w);
		w[C].place[0] = (struct ck_tf_place){ 0, 0, 0, 0xffffffffu };
		SAME("no bytes, and a checksum whose masked form is another",
		     THESE(MOVE("c/d", "c/d", .place = { 0, 0, 0, 0xffffffffu })), NULL, w);
	}
	{
		COPY(w);
		w[Q].place[0] = places[0].place;
		w[Q].place[2] = places[1].place;
		SAME("slices by the model's numbers, listed the other way round",
		     THESE(MOVE("q", "q", .slices = places, .nslices = 2)), &how, w);
		strcpy(w[Q].name, "ab");
		SAME("and with a new name",
		     THESE(MOVE("q", "ab", .slices = places, .nslices = 2)), &how, w);
	}
}

static void test_new(void)
{
	const uint64_t shape[] = { 3, 3 };
	const struct ck_tf_change fresh = { .new_name = S("n"), .what = CK_TF_NEW, .native = 4,
					    .rank = 2, .shape = shape,
					    .place = { 0, 2000, 9, 0x1234 } };
	static const char *const names[] = { "!", "bz", "c/d/e", "~" };

	for (size_t i = 0; i < LEN(names); i++) {
		struct ck_tf_change c = fresh;
		COPY(w);

		c.new_name = ck_span(names[i], strlen(names[i]));
		strcpy(w[N].name, names[i]);
		memcpy(w[N].shape, shape, sizeof(shape));
		w[N].place[0] = fresh.place;
		same("a new variable", base, N, &c, 1, NULL, w, N + 1);
	}
	for (int i = 0; i < N; i++) {
		struct ck_tf_change c = fresh;
		COPY(w);

		c.old_name = name_of(&base[i]);
		c.new_name = i % 2 ? name_of(&base[i]) : S("other");
		if (i % 2 == 0)
			strcpy(w[i].name, "other");
		memcpy(w[i].shape, shape, sizeof(shape));
		w[i].parts = 0;
		w[i].place[0] = fresh.place;
		same("a variable is replaced", base, N, &c, 1, NULL, w, N);
	}
}

static void test_renumber(void)
{
	const uint32_t to[] = { 2, 0 };
	const struct how how = { .old_shards = 2, .num_shards = 3, .renumber = to };
	struct ck_tf_slice_place place = { 1, { 1, 2000, 12, 0x77 } };
	struct var old[N], want[N];

	memcpy(old, base, sizeof(base));
	for (int i = 0; i < N; i++)
		for (unsigned k = 0; k == 0 || k < old[i].parts; k++)
			old[i].place[k].shard = (unsigned)(i + (int)k) % 2;
	memcpy(want, old, sizeof(base));
	for (int i = 0; i < N; i++)
		for (unsigned k = 0; k == 0 || k < old[i].parts; k++)
			want[i].place[k].shard = to[old[i].place[k].shard];
	same("every entry gets its shard's new number", old, N, NULL, 0, &how, want, N);
	strcpy(want[Q].name, "aa");
	strcpy(want[A].name, "r");
	want[P].place[1] = place.place;
	same("renamed ones too; a place that is given stays", old, N,
	     THESE(RENAME("q", "aa"), MOVE("p", "p", .slices = &place, .nslices = 1),
		   RENAME("a", "r")),
	     &how, want, N);
}

/* A variable without elements may list a slice twice. */
static void test_twice(void)
{
#define KEY(name) "\0" name "\0\1\1\2\x80\x7f\x80\x7f"
#define TWICE "\x08\x04\x12\x06\x12\x00\x12\x02\x08\x04" "\x3a\x04\x0a\x00\x0a\x00" \
	      "\x3a\x04\x0a\x00\x0a\x00"
	struct ck_buf file[2] = { CK_BUF_INIT, CK_BUF_INIT };
	struct ck_buf ck_auto_buf after = CK_BUF_INIT;
	struct ck_tf_change changes[] = { RENAME("v", "w"), DELETE("v") };
	struct ck_err err = CK_ERR_INIT;

	for (int i = 0; i < 2; i++) {
		struct mkrows t = { 0 };
		struct ck_buf *slice;

		ck_buf_add(mkrows_add(&t, "", 0), H1, 6);
		slice = mkrows_add(&t, i ? KEY("w") : KEY("v"), 10);
		ck_buf_add(slice, "\x08\x04\x12\x06\x12\x00\x12\x02\x08\x04", 10);
		ck_buf_add(mkrows_add(&t, i ? "w" : "v", 1), TWICE, sizeof(TWICE) - 1);
		mkrows_finish(&t, &file[i]);
	}
	tap_ok(load(&file[0], &err) == 1 &&
		       rewrite(&file[0], changes, 1, NULL, &after, &err) == 0 &&
		       after.n == file[1].n && memcmp(after.p, file[1].p, after.n) == 0,
	       "a slice that is listed twice comes once: %s", err.text);
	ck_buf_clear(&after);
	tap_ok(rewrite(&file[0], changes + 1, 1, NULL, &after, &err) == 0 &&
		       load(&after, &err) == 0,
	       "and leaves: %s", err.text);
	ck_buf_done(&file[0]);
	ck_buf_done(&file[1]);
}

/* Keys of the form of a slice's that no variable lists are variables. */
static void test_unclaimed(void)
{
	/* p's slice of rows 2..5, but of 3 columns: p has none such. */
	static const char key[] = "\x00p\x00\x01\x01\x02\x82\x83\x80\x83";
	struct var old[N + 1], want[N + 1];

	memcpy(old, base, sizeof(base));
	old[N] = (struct var){ .len = sizeof(key) - 1, .shape = { 1, 2 },
			       .place = { { 0, 800, 2, 9 } } };
	memcpy(old[N].name, key, sizeof(key));
	memcpy(want, old, sizeof(old));
	strcpy(want[P].name, "s");
	same("it stays when the variable in its name is renamed", old, N + 1,
	     THESE(RENAME("p", "s")), NULL, want, N + 1);
	memcpy(want, old, sizeof(old));
	want[P].name[0] = 0;
	same("or deleted", old, N + 1, THESE(DELETE("p")), NULL, want, N + 1);
	memcpy(want, old, sizeof(old));
	want[N].len = 0;
	strcpy(want[N].name, "s");
	same("it is renamed itself", old, N + 1, THESE(RENAME(key, "s")), NULL, want, N + 1);
	strcpy(want[P].name, "t");
	same("both are renamed", old, N + 1, THESE(RENAME(key, "s"), RENAME("p", "t")), NULL,
	     want, N + 1);
}

/* --- what is refused ------------------------------------------------------------------------- */

static void test_clashes(void)
{
	struct ck_buf ck_auto_buf old = CK_BUF_INIT;
	struct var with[N + 1];
	static const char key[] = "\x00n\x00\x01\x01\x02\x82\x83\x80\x84"; /* n's rows 2..5 */

	build(base, N, 1, &old);
	refused("a name that is taken", &old, THESE(RENAME("a", "b")), -EEXIST, CK_PUBLISH,
		"old.index: variable \"a\" cannot be called \"b\": there is another");
	refused("by a partitioned one", &old, THESE(RENAME("a", "p")), -EEXIST, CK_PUBLISH,
		"variable \"a\" cannot be called \"p\"");
	refused("for a partitioned one", &old, THESE(RENAME("p", "q")), -EEXIST, CK_PUBLISH,
		"variable \"p\" cannot be called \"q\"");
	refused("for a new one", &old, THESE(NEW("b")), -EEXIST, CK_PUBLISH,
		"variable \"b\" cannot be called \"b\"");
	refused("two get one name", &old, THESE(RENAME("a", "n"), RENAME("z", "n")), -EEXIST,
		CK_PUBLISH, "would both be called \"n\"");
	refused("two partitioned ones", &old, THESE(RENAME("p", "n"), RENAME("q", "n")), -EEXIST,
		CK_PUBLISH, "would both be called \"n\"");
	refused("a rename and a new one", &old, THESE(DELETE("b"), RENAME("a", "b"), NEW("b")),
		-EEXIST, CK_PUBLISH, "would both be called \"b\"");
	memcpy(with, base, sizeof(base));
	with[N] = (struct var){ .len = sizeof(key) - 1, .shape = { 1, 2 },
				.place = { { 0, 800, 2, 9 } } };
	memcpy(with[N].name, key, sizeof(key));
	ck_buf_clear(&old);
	build(with, N + 1, 1, &old);
	refused("a variable in the way of a slice", &old, THESE(RENAME("p", "n")), -EEXIST,
		CK_PUBLISH,
		"variable \"p\" cannot be called \"n\": one of its slices would need the key");
}

static void test_refusals(void)
{
	struct ck_buf ck_auto_buf old = CK_BUF_INIT;
	struct ck_tf_slice_place place = { 3, { 0, 0, 6, 0 } };
	const uint64_t shape[] = { 1ull << 40, 1ull << 40 };
	struct ck_tf_change fresh = NEW("n");
	/* the key of p's first slice */
	static const char key[] = "\x00p\x00\x01\x01\x02\x80\x82\x80\x84";

	build(base, N, 1, &old);
	refused("no such variable", &old, THESE(RENAME("y", "n")), -ENOENT, CK_PUBLISH,
		"old.index: cannot be written anew: variable \"y\" is not");
	refused("none at the end", &old, THESE(DELETE("zz")), -ENOENT, CK_PUBLISH,
		"variable \"zz\"");
	refused("the header is no variable", &old, THESE(RENAME("", "n")), -ENOENT, CK_PUBLISH,
		"variable \"\" is not in it");
	refused("a slice is no variable", &old, THESE(DELETE(key)), -ENOENT, CK_PUBLISH,
		"is a slice of another");
	refused("not even beside its variable", &old, THESE(DELETE(key), RENAME("p", "n")),
		-ENOENT, CK_PUBLISH, "is a slice of another");
	refused("the empty name", &old, THESE(RENAME("a", "")), -EINVAL, CK_PUBLISH,
		"cannot have an empty name");
	refused("twice", &old, THESE(RENAME("a", "n"), RENAME("a", "m")), -EINVAL, CK_PUBLISH,
		"is changed twice");
	refused("nothing to keep", &old, THESE({ .new_name = S("n") }), -EINVAL,
		CK_PUBLISH, "has no entry to keep");
	refused("a size that does not fit", &old, THESE(MOVE("a", "a", .place = { 0, 0, 7, 0 })),
		-EINVAL, CK_PUBLISH, "has a size that does not fit");
	refused("a shard beyond all", &old, THESE(MOVE("a", "a", .place = { 1, 0, 6, 0 })),
		-EINVAL, CK_PUBLISH, "lies in a shard that the checkpoint does not have");
	refused("one place for slices", &old, THESE(MOVE("p", "p", .place = { 0, 0, 20, 0 })),
		-EINVAL, CK_PUBLISH, "is stored in slices");
	refused("slices of what has none", &old,
		THESE(MOVE("a", "a", .slices = &place, .nslices = 1)), -EINVAL, CK_PUBLISH,
		"is not stored in slices");
	refused("a slice that it does not have", &old,
		THESE(MOVE("q", "q", .slices = &place, .nslices = 1)), -EINVAL, CK_PUBLISH,
		"no slice of that number");
	fresh.shape = shape;
	refused("a new one of the wrong size", &old, &fresh, 1, -EINVAL, CK_PUBLISH,
		"variable \"n\" has a size that does not fit");
	fresh.rank = 2;
	refused("of a shape beyond all", &old, &fresh, 1, -EINVAL, CK_PUBLISH, "impossible shape");
	fresh.rank = 255;
	refused("of too many dimensions", &old, &fresh, 1, -EINVAL, CK_PUBLISH,
		"too many dimensions");
	{
		const uint32_t to[] = { 0, 7 };
		const struct how away = { .old_shards = 2, .num_shards = 2, .renumber = to };
		const struct how few = { .old_shards = 0, .num_shards = 2, .renumber = to };
		const struct how less = { .num_shards = 1 };
		struct var two[1] = { base[A] };
		struct ck_buf ck_auto_buf file = CK_BUF_INIT;
		struct ck_err err = CK_ERR_INIT;

		two[0].place[0].shard = 1;
		ck_buf_clear(&old);
		build(two, 1, 2, &old);
		tap_ok(rewrite(&old, NULL, 0, &away, &file, &err) == -EINVAL,
		       "a shard that goes: %s", err.text);
		tap_ok(rewrite(&old, NULL, 0, &few, &file, NULL) == -EINVAL, "a list too short");
		tap_ok(rewrite(&old, NULL, 0, &less, &file, NULL) == -EINVAL, "fewer shards");
	}
}

static void test_damage(void)
{
	struct ck_buf ck_auto_buf old = CK_BUF_INIT, file = CK_BUF_INIT;
	struct ck_tf_change rename = RENAME("v", "w"), gone = DELETE("v");
	struct ck_tf_change move = MOVE("v", "v", .place = { .nbytes = 2 });
	struct ck_err err = CK_ERR_INIT;
	const struct ck_span faults[] = {
		S("\x08\x04" SHAPE "\x28\x03"), /* size */
		S("\x08\x04" SHAPE "\x18\x01\x28\x02"), /* shard */
		S("\x08\x04" SHAPE "\x28\x02\x3f"), /* no field */
		S("\x08\x04\x12\x04\x18\x01\x10\x07\x28\x02"), /* unknown rank */
		S("\x08\x04\x12\x02\x18\x01\x3a\x02\x0a\x00"), /* the same, with slices */
		S("\x08\x04" SHAPE "\x3a\x05\x0a\x03\x10\x02\x08"), /* a slice that is cut short */
		S("\x08\x04" SHAPE "\x3a\x02\x0a\x00"), /* a slice that is not there */
	};

	for (size_t i = 0; i < LEN(faults); i++) {
		ck_buf_clear(&old);
		build_raw(S(H1), faults[i], &old);
		if (i == 2)
			refused("that is moved", &old, &move, 1, -EIO, CK_CORRUPT,
				"has an entry that cannot be read");
		if (i < 5)
			refused("a damaged entry", &old, NULL, 0, -EIO, CK_CORRUPT,
				"old.index: damaged at byte 0: variable \"v\"");
		refused("that is renamed", &old, &rename, 1, -EIO, CK_CORRUPT,
			"old.index: damaged at byte 0: variable \"v\"");
		ck_buf_clear(&file);
		tap_ok(rewrite(&old, &gone, 1, NULL, &file, &err) == 0 && load(&file, &err) == 0,
		       "can be deleted: %s", err.text);
	}
	ck_buf_clear(&old);
	build_raw(S("\x0a\x02\x0a\x00"), S(""), &old);
	refused("a V1 file", &old, NULL, 0, -EOPNOTSUPP, CK_UNSUPPORTED, "V1 checkpoint");
	refused("also when something is looked for", &old, &gone, 1, -EOPNOTSUPP, CK_UNSUPPORTED,
		"V1 checkpoint");
	ck_buf_clear(&old);
	build_raw(S("\x08"), S(""), &old);
	refused("a header", &old, NULL, 0, -EIO, CK_CORRUPT, "header cannot be read");
	{
		struct mkrows t = { 0 };

		ck_buf_clear(&old);
		mkrows_finish(&t, &old);
		refused("no header", &old, NULL, 0, -EIO, CK_CORRUPT, "holds no header");
		ck_buf_clear(&old);
		mkrows_add(&t, "a", 1);
		mkrows_finish(&t, &old);
		refused("something else first", &old, NULL, 0, -EIO, CK_CORRUPT,
			"first entry is not the header");
	}
	ck_buf_clear(&old);
	build(base, N, 1, &old);
	old.p[40] ^= 1;
	refused("a checksum", &old, NULL, 0, -EIO, CK_CORRUPT, "checksum does not match");
	old.p[old.n - 1] ^= 1;
	refused("no table", &old, NULL, 0, -EINVAL, CK_FOREIGN, "does not end like");
}

static int full(void *arg, const void *p, size_t n, struct ck_err *err)
{
	(void)arg;
	(void)p;
	(void)n;
	return ck_fail(err, CK_PUBLISH, ENOSPC, "the disk is full");
}

static void test_sink(void)
{
	struct ck_buf ck_auto_buf old = CK_BUF_INIT;
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;
	struct ck_tf_change c = NEW("");
	struct ck_tf_rewrite r = { .num_shards = 1 };
	struct ck_sink sink = { full, NULL };
	struct ck_err err = CK_ERR_INIT;

	build(base, N, 1, &old);
	ck_source_mem(old.p, old.n, "old.index", &r.old, NULL);
	tap_ok(ck_tf_rewrite(&r, &sink, &err) == -ENOSPC &&
		       strcmp(err.text, "the disk is full") == 0,
	       "a full disk");
	/* An entry that is so large that it is written at once. */
	while (name.n < CK_TABLE_BLOCK_SIZE)
		ck_buf_char(&name, 'A');
	c.new_name = ck_span(name.p, name.n);
	r.changes = &c;
	r.nchanges = 1;
	tap_ok(ck_tf_rewrite(&r, &sink, NULL) == -ENOSPC,
	       "before a block of the old one is through");
	ck_source_unref(r.old);
}

/* --- large, random, real --------------------------------------------------------------------- */

static uint32_t random_state = 1;

static uint32_t roll(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % n;
}

static struct ck_tf_place random_place(uint64_t nbytes)
{
	return (struct ck_tf_place){
		.shard = roll(3),
		.offset = roll(3) ? roll(50000) : 0,
		.nbytes = nbytes,
		.crc32c = roll(5) * roll(999),
	};
}

static uint64_t bytes_of_part(const struct var *v, unsigned i)
{
	return (v->parts ? rows_of_part(v, i) : v->shape[0]) * v->shape[1];
}

static void random_var(struct var *v, unsigned i)
{
	static const char *const scopes[] = { "m/", "", "m/layer/", "\xff\xfe", "opt\x01/" };

	memset(v, 0, sizeof(*v));
	snprintf(v->name, sizeof(v->name), "%s%u_%u", scopes[roll(5)], roll(50), i);
	v->shape[0] = roll(6) ? 4 + roll(20) : 0;
	v->shape[1] = 1 + roll(9);
	v->parts = v->shape[0] && roll(3) == 0 ? 1 + roll(PARTS_MAX) : 0;
	v->reversed = roll(2);
	for (unsigned k = 0; k == 0 || k < v->parts; k++)
		v->place[k] = random_place(bytes_of_part(v, k));
}

enum { MANY = 500 };

/* Changes some of n variables: want is what they should become. */
static size_t random_changes(const struct var *old, struct var *want, struct ck_tf_change *changes,
			     struct ck_tf_slice_place (*places)[PARTS_MAX])
{
	size_t n = 0;
	unsigned swap = MANY; /* one that another may take the name of */

	for (unsigned i = 0; i < MANY; i++) {
		struct ck_tf_change *c = &changes[n];
		unsigned kind = roll(12);

		*c = (struct ck_tf_change){ .old_name = name_of(&old[i]) };
		if (kind < 4)
			continue; /* untouched */
		n++;
		if (kind < 6) { /* deleted */
			want[i].name[0] = 0;
			continue;
		}
		if (kind == 6 && swap < MANY) {
			memcpy(want[i].name, old[swap].name, sizeof(want[i].name));
			memcpy(want[swap].name, old[i].name, sizeof(want[i].name));
			changes[n] = (struct ck_tf_change){ .old_name = name_of(&old[swap]),
							    .new_name = name_of(&want[swap]) };
			n++;
			swap = MANY;
		} else if (kind == 7 && swap == MANY) {
			n--; /* left for a later one to swap with */
			swap = i;
			continue;
		} else if (kind < 9) {
			snprintf(want[i].name, sizeof(want[i].name), "r%u/%u", roll(100), i);
		}
		if (kind >= 8 && !want[i].parts) {
			c->what = CK_TF_MOVE;
			c->place = want[i].place[0] = random_place(bytes_of_part(&want[i], 0));
		} else if (kind >= 8) {
			c->what = CK_TF_MOVE;
			c->slices = places[i];
			for (unsigned k = 0; k < want[i].parts; k++)
				if (roll(2) || (k == 0)) {
					want[i].place[k] =
						random_place(bytes_of_part(&want[i], k));
					places[i][c->nslices++] = (struct ck_tf_slice_place){
						k, want[i].place[k] };
				}
		}
		if (kind == 11) { /* written new, and whole */
			want[i].parts = 0;
			want[i].shape[0] = roll(9);
			want[i].place[0] = random_place(bytes_of_part(&want[i], 0));
			c->what = CK_TF_NEW;
			c->native = 4;
			c->rank = 2;
			c->shape = want[i].shape;
			c->place = want[i].place[0];
		}
		c->new_name = name_of(&want[i]);
	}
	return n;
}

static void test_random(void)
{
	static struct var old[MANY], want[MANY + 50];
	static struct ck_tf_change changes[2 * MANY + 50];
	static struct ck_tf_slice_place places[MANY][PARTS_MAX];
	static const uint32_t numbers[] = { 2, 0, 3 };

	for (unsigned round = 0; round < 20; round++) {
		struct how how = { .old_shards = 3, .num_shards = 4,
				   .renumber = round % 2 ? numbers : NULL };
		size_t n;
		char what[64];

		for (unsigned i = 0; i < MANY; i++)
			random_var(&old[i], i);
		memset(want, 0, sizeof(want));
		memcpy(want, old, sizeof(old));
		for (unsigned i = 0; i < MANY && how.renumber; i++)
			for (unsigned k = 0; k < PARTS_MAX; k++)
				want[i].place[k].shard = numbers[old[i].place[k].shard];
		n = random_changes(old, want, changes, places);
		for (unsigned i = MANY; i < MANY + 50; i++) {
			random_var(&want[i], i);
			want[i].parts = 0;
			want[i].place[0].nbytes = bytes_of_part(&want[i], 0);
			changes[n++] = (struct ck_tf_change){
				.new_name = name_of(&want[i]), .what = CK_TF_NEW, .native = 4,
				.rank = 2, .shape = want[i].shape, .place = want[i].place[0]
			};
		}
		for (size_t i = n; i > 1; i--) { /* in any order */
			size_t k = roll((uint32_t)i);
			struct ck_tf_change c = changes[k];

			changes[k] = changes[i - 1];
			changes[i - 1] = c;
		}
		snprintf(what, sizeof(what), "%zu changes of %d variables", n, MANY);
		same(what, old, MANY, changes, n, &how, want, MANY + 50);
	}
}

static int copy_entry(void *arg, uint64_t block, struct ck_span key, struct ck_span value,
		      struct ck_err *err)
{
	(void)block;
	return ck_table_writer_add(arg, key, value, err);
}

static int first_value(void *arg, uint64_t block, struct ck_span key, struct ck_span value,
		       struct ck_err *err)
{
	(void)block;
	(void)key;
	(void)err;
	return ck_tf_header_parse(value, arg) ? 1 : -EIO;
}

/* Without changes a real index comes out with every entry as it was (that the table then is byte
 * for byte the same, test_table_write shows). */
static void test_real(const char *path)
{
	struct ck_buf ck_auto_buf file = CK_BUF_INIT, copy = CK_BUF_INIT;
	struct ck_sink sink = mkindex_sink(&file), to = mkindex_sink(&copy);
	struct ck_err err = CK_ERR_INIT;
	struct ck_tf_rewrite r = { 0 };
	struct ck_tf_header h = { 0 };
	struct ck_table_visitor first = { .entry = first_value, .arg = &h }, v = { 0 };
	struct ck_table_writer *w = NULL;
	bool ok = ck_source_open(path, &r.old, &err) == 0 &&
		  ck_table_walk(r.old, &first, &err) == 1;

	r.num_shards = (uint32_t)h.num_shards;
	if (ok && ck_table_writer_new(&to, &w, &err) == 0) {
		v = (struct ck_table_visitor){ .entry = copy_entry, .arg = w };
		ok = ck_table_walk(r.old, &v, &err) == 0 && ck_table_writer_finish(w, &err) == 0;
	}
	ok &= ck_tf_rewrite(&r, &sink, &err) == 0 && file.n == copy.n &&
	      memcmp(file.p, copy.p, file.n) == 0;
	tap_ok(ok, "%s: %s", strstr(path, "tests/data"), err.text[0] ? err.text : "as it was");
	ck_table_writer_free(w);
	ck_source_unref(r.old);
}

int main(void)
{
	const char *src = getenv("SRCDIR");
	char pattern[2][4096];
	glob_t g = { 0 };

	snprintf(pattern[0], sizeof(pattern[0]), "%s/tests/data/*/*.index", src ? src : ".");
	snprintf(pattern[1], sizeof(pattern[1]), "%s/tests/data/*/*/*.index", src ? src : ".");
	glob(pattern[0], 0, NULL, &g);
	glob(pattern[1], GLOB_APPEND, NULL, &g);
	tap_plan(8 + 8 + 5 + 10 + 2 + 2 + 4 + 8 + 19 + 27 + 2 + 20 + (int)g.gl_pathc);
	test_rename();
	test_delete();
	test_move();
	test_new();
	test_renumber();
	test_twice();
	test_unclaimed();
	test_clashes();
	test_refusals();
	test_damage();
	test_sink();
	test_random();
	for (size_t i = 0; i < g.gl_pathc; i++)
		test_real(g.gl_pathv[i]);
	globfree(&g);
	return tap_done();
}
