/* tf_bundle.c - see tf_bundle.h. */
#include "format/tf_bundle.h"

#include "format/table.h"
#include "format/tf_check.h"
#include "format/tf_slices.h"
#include "util/crc32c.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

struct load {
	struct ck_builder b;
	struct ck_tf_slices slices;
	struct ck_tf_entry entry; /* too large for the stack of a deep call */
	const char *path; /* the index's */
	bool header_seen;
};

static int load_header(struct load *l, uint64_t block, struct ck_span key, struct ck_span value,
		       struct ck_err *err)
{
	struct ck_model *m = l->b.m;
	struct ck_tf_header h;
	int r = ck_tf_header_check(l->path, block, key, value, &h, err);

	if (r < 0)
		return r;
	m->producer = h.producer;
	m->num_shards = (uint32_t)h.num_shards;
	m->big_endian = h.endianness == 1;
	l->header_seen = true;
	return 0;
}

static int load_entry(void *arg, uint64_t block, struct ck_span key, struct ck_span value,
		      struct ck_err *err)
{
	struct load *l = arg;
	struct ck_tf_entry *e = &l->entry;
	struct ck_var v = { 0 };
	char quoted[CK_QUOTE_ROOM];
	const char *fault;
	int r;

	if (!l->header_seen)
		return load_header(l, block, key, value, err);
	fault = ck_tf_entry_check(value, l->b.m->num_shards, e);
	if (!e->shape_ok || (fault && e->nslices))
		e->rank = e->nslices = 0; /* listed as damaged, without a shape */
	v.native = e->dtype;
	v.dtype = (uint8_t)ck_dtype_from_native(e->dtype);
	v.rank = (uint8_t)e->rank;
	v.offset = fault ? 0 : (uint64_t)e->offset;
	v.nbytes = fault ? 0 : (uint64_t)e->size;
	v.shard = fault ? 0 : (uint32_t)e->shard_id;
	v.crc32c = ck_crc32c_unmask(e->crc32c);
	v.flags = e->nslices ? CK_VAR_SLICED : 0;
	r = ck_builder_dims(&l->b, e->dims, e->rank, &v.shape, err);
	if (r == 0)
		r = ck_builder_var(&l->b, key, &v, err);
	if (r == 0 && fault)
		r = ck_builder_problem(&l->b, l->b.m->nvars - 1, err,
				       "%s: damaged at byte %" PRIu64 ": variable %s %s: restore "
				       "it from a backup or save it again", l->path, block,
				       ck_quote(quoted, sizeof(quoted), key.p, key.n), fault);
	if (r == 0 && e->nslices)
		r = ck_tf_slices_note(&l->slices, &l->b, key, e, err);
	return r;
}

static int note_damage(void *arg, const struct ck_err *why)
{
	struct load *l = arg;

	/* Without the header nothing can be read, and a foreign file is no damaged one. */
	if (!l->header_seen || why->cls != CK_CORRUPT)
		return -EIO;
	return ck_builder_problem(&l->b, CK_NO_VAR, NULL, "%s; its variables are missing here",
				  why->text);
}

/* Which of the model's shards holds shard id; opened when it is first asked for. */
struct shard_table {
	const struct ck_tf_shards *files;
	uint32_t *slot; /* by id: index in the model's shards + 1, 0 when not opened */
};

static int shard_slot(struct load *l, struct shard_table *t, uint32_t id, uint32_t *ret,
		      struct ck_err *err)
{
	struct ck_model *m = l->b.m;
	struct ck_err why = CK_ERR_INIT;
	struct ck_source *s = NULL;
	struct ck_shard *p;
	int r;

	if (t->slot[id]) {
		*ret = t->slot[id] - 1;
		return 0;
	}
	r = t->files->open(t->files->arg, id, m->num_shards, &s, &why);
	if (r < 0) {
		if (!l->b.force || why.errnum == EMFILE || why.errnum == ENOMEM)
			return ck_fail(err, why.cls, why.errnum, "%s", why.text);
		r = ck_builder_problem(&l->b, CK_NO_VAR, err, "%s", why.text);
		if (r < 0)
			return r;
	}
	p = realloc(m->shards, (m->nshards + 1) * sizeof(*p));
	if (!p) {
		ck_source_unref(s);
		return ck_fail_nomem(err, m->path);
	}
	m->shards = p;
	p[m->nshards] = (struct ck_shard){ .source = s, .id = id };
	*ret = m->nshards++;
	t->slot[id] = m->nshards;
	return 0;
}

/* Opens the shard that *shard names by id, sets it to the slot, and checks the range. */
static int place(struct load *l, struct shard_table *t, uint32_t var, uint32_t *shard,
		 uint64_t offset, uint64_t nbytes, struct ck_err *err)
{
	struct ck_model *m = l->b.m;
	struct ck_span name = ck_var_name(m, &m->vars[var]);
	struct ck_source *s;
	char quoted[CK_QUOTE_ROOM];
	int r;

	r = shard_slot(l, t, *shard, shard, err);
	if (r < 0)
		return r;
	s = m->shards[*shard].source;
	if (s && offset <= ck_source_size(s) && nbytes <= ck_source_size(s) - offset)
		return 0;
	ck_quote(quoted, sizeof(quoted), name.p, name.n);
	if (!s)
		return ck_builder_problem(&l->b, var, err,
					  "%s: variable %s lies in shard %" PRIu32
					  ", which cannot be read", l->path, quoted,
					  m->shards[*shard].id);
	return ck_builder_problem(&l->b, var, err,
				  "%s: ends at byte %" PRIu64 ", where variable %s has %" PRIu64
				  " bytes at %" PRIu64 ": the file was cut short; copy or download "
				  "it again", ck_source_path(s), ck_source_size(s), quoted, nbytes,
				  offset);
}

static int place_slices(struct load *l, struct shard_table *t, uint32_t var, struct ck_err *err)
{
	struct ck_model *m = l->b.m;
	uint32_t n = m->vars[var].shard;

	for (uint32_t i = 0; i < n; i++) {
		struct ck_slice *s = &m->slices[m->vars[var].offset + i];
		bool said = m->vars[var].flags & CK_VAR_DAMAGED;
		int r = said ? 0 : place(l, t, var, &s->shard, s->offset, s->nbytes, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int place_all(struct load *l, const struct ck_tf_shards *files, struct ck_err *err)
{
	struct ck_model *m = l->b.m;
	struct shard_table t = { .files = files };
	int r = 0;

	t.slot = calloc(m->num_shards ? m->num_shards : 1, sizeof(*t.slot));
	if (!t.slot)
		return ck_fail_nomem(err, m->path);
	for (uint32_t i = 0; i < m->nvars && r == 0; i++) {
		struct ck_var *v = &m->vars[i];

		if (v->flags & CK_VAR_DAMAGED)
			continue;
		if (v->flags & CK_VAR_SLICED)
			r = place_slices(l, &t, i, err);
		else
			r = place(l, &t, i, &v->shard, v->offset, v->nbytes, err);
	}
	free(t.slot);
	return r;
}

int ck_tf_bundle_load(struct ck_model *m, struct ck_source *index,
		      const struct ck_tf_shards *shards, bool force, struct ck_err *err)
{
	struct load *l = calloc(1, sizeof(*l));
	struct ck_table_visitor v = {
		.entry = load_entry,
		.damage = force ? note_damage : NULL,
		.arg = l,
	};
	int r;

	if (!l)
		return ck_fail_nomem(err, m->path);
	l->path = ck_source_path(index);
	m->index = ck_source_ref(index);
	m->mtime = ck_source_stat(index)->st_mtim;
	ck_builder_init(&l->b, m, force);
	r = ck_table_walk(index, &v, err);
	if (r == 0 && !l->header_seen)
		r = ck_tf_header_missing(l->path, err);
	if (r == 0)
		r = ck_tf_slices_resolve(&l->slices, &l->b, err);
	if (r == 0)
		r = place_all(l, shards, err);
	if (r == 0)
		r = ck_builder_finish(&l->b, err);
	ck_tf_slices_done(&l->slices);
	free(l);
	return r;
}
