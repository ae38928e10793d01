/*
 * fuzz_rewrite.c - an index of arbitrary bytes, written anew with a few changes.
 *
 * The changes follow from a checksum of the input: some of its variables are renamed, deleted,
 * moved or replaced, some names are new, some are wrong. Whatever the input is, the answer has to
 * be an index that loads, or words.
 *
 * The input is every data file as well, as in fuzz_index.c, whose mutator this has too.
 */
#include "format/tf_bundle.h"
#include "format/tf_rewrite.h"
#include "util/crc32c.h"

#include "mkindex.h"
#include "repair.h"

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most) __attribute__((weak));

#define CHANGES_MAX 6
#define SLICES_MAX 3

struct input {
	struct ck_span data;
	uint32_t dice; /* the state of a generator */
};

static uint32_t roll(struct input *in, uint32_t n)
{
	in->dice = in->dice * 1664525u + 1013904223u;
	return (in->dice >> 8) % n;
}

static int open_shard(void *arg, uint32_t id, uint32_t num, struct ck_source **ret,
		      struct ck_err *err)
{
	const struct input *in = arg;

	(void)id;
	(void)num;
	return ck_source_mem(in->data.p, in->data.n, "data", ret, err);
}

/* NULL where it does not load. */
static struct ck_model *load(struct input *in, const void *p, size_t n, bool force)
{
	struct ck_tf_shards shards = { .open = open_shard, .arg = in };
	struct ck_model *m = ck_model_new("tensorflow", "fuzz");
	struct ck_source *s;
	int r;

	if (!m || ck_source_mem(p, n, "index", &s, NULL) < 0)
		abort();
	r = ck_tf_bundle_load(m, s, &shards, force, NULL);
	ck_source_unref(s);
	return r < 0 ? ck_model_unref(m) : m;
}

/* Somewhere in the data, and in a shard that is there. */
static struct ck_tf_place place(struct input *in, uint32_t num_shards, uint64_t nbytes)
{
	struct ck_tf_place p = { .shard = num_shards ? roll(in, num_shards) : 0, .nbytes = nbytes,
				 .crc32c = roll(in, 1000) };

	if (nbytes < in->data.n)
		p.offset = roll(in, (uint32_t)(in->data.n - nbytes));
	return p;
}

static struct ck_span new_name(struct input *in, const struct ck_model *m)
{
	static const char *const names[] = { "a", "new/name", "\xff", "~", "v" };
	const char *name = names[roll(in, 5)];

	if (m && m->nvars && roll(in, 3) == 0) /* taken, or free if that one is changed too */
		return ck_var_name(m, &m->vars[roll(in, m->nvars)]);
	if (roll(in, 20) == 0 && in->data.n > 4) /* the name of nothing, or a slice's key */
		return ck_span(in->data.p + in->data.n - 4, roll(in, 5));
	return ck_span(name, strlen(name));
}

static void make_change(struct input *in, const struct ck_model *m, uint32_t num_shards,
			struct ck_tf_change *c, struct ck_tf_slice_place *slices)
{
	static const uint64_t dims[] = { 2, 3 };
	const struct ck_var *v = m && m->nvars ? &m->vars[roll(in, m->nvars)] : NULL;

	*c = (struct ck_tf_change){ .native = 4, .rank = 2, .shape = dims, .what = CK_TF_NEW };
	c->place = place(in, num_shards, 6);
	if (v)
		c->old_name = ck_var_name(m, v);
	else if (roll(in, 2))
		c->old_name = new_name(in, NULL);
	if (roll(in, 5))
		c->new_name = roll(in, 2) || !v ? new_name(in, m) : c->old_name;
	if (roll(in, 6) == 0)
		c->old_name.p = NULL;
	else if (roll(in, 4))
		c->what = roll(in, 2) ? CK_TF_KEEP : CK_TF_MOVE;
	if (c->what != CK_TF_MOVE || !v)
		return;
	c->place = place(in, num_shards, v->nbytes);
	if (!(v->flags & CK_VAR_SLICED))
		return;
	c->slices = slices;
	for (uint32_t i = 0; i < v->shard && c->nslices < SLICES_MAX; i++)
		if (roll(in, 2))
			slices[c->nslices++] = (struct ck_tf_slice_place){
				i, place(in, num_shards, m->slices[v->offset + i].nbytes)
			};
}

/* Number of variables that there should be, if all goes well; changes may say nonsense. */
static uint32_t count(const struct ck_model *m, const struct ck_tf_change *c, size_t n)
{
	uint32_t vars = m->nvars;

	for (size_t i = 0; i < n; i++)
		vars += !!c[i].new_name.p - !!c[i].old_name.p;
	return vars;
}

static void rewrite(struct input *in, const struct ck_model *m, size_t nchanges)
{
	struct ck_tf_slice_place slices[CHANGES_MAX][SLICES_MAX];
	struct ck_tf_change changes[CHANGES_MAX];
	uint32_t numbers[64], num_old = m ? m->num_shards : 1;
	struct ck_buf ck_auto_buf out = CK_BUF_INIT;
	struct ck_sink sink = mkindex_sink(&out);
	struct ck_err err = CK_ERR_INIT;
	struct ck_tf_rewrite r = { .num_shards = num_old, .changes = changes,
				   .nchanges = nchanges };
	struct ck_model *after;
	int ret;

	if (num_old && num_old <= 64 && roll(in, 2)) {
		r.num_shards = num_old + roll(in, 3);
		for (uint32_t i = 0; i < num_old; i++)
			numbers[i] = roll(in, r.num_shards);
		r.renumber = numbers;
		r.num_old = num_old;
	}
	for (size_t i = 0; i < nchanges; i++)
		make_change(in, m, r.num_shards, &changes[i], slices[i]);
	if (ck_source_mem(in->data.p, in->data.n, "index", &r.old, NULL) < 0)
		abort();
	ret = ck_tf_rewrite(&r, &sink, &err);
	ck_source_unref(r.old);
	if (ret < 0) {
		/* With words, and not for damage where none is; without changes not at all. */
		if (!err.text[0] || (m && (err.cls != CK_PUBLISH || nchanges == 0)))
			abort();
		return;
	}
	/* An index that is damaged so that the rewriter does not see it, slices that do not tile
	 * their variable for instance, is no better afterwards, and no worse. */
	after = load(in, out.p, out.n, m == NULL);
	if (!after || (m && after->nvars != count(m, changes, nchanges)))
		abort();
	ck_model_unref(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { ck_span(data, size), ck_crc32c(data, size) };
	struct ck_model *m = load(&in, data, size, false);

	rewrite(&in, m, 0);
	for (size_t n = 1; n <= CHANGES_MAX; n++)
		rewrite(&in, m, n);
	ck_model_unref(m);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
	(void)seed;
	size = LLVMFuzzerMutate(data, size, most);
	repair_table(data, size);
	return size;
}
