/* tf_slices.c - see tf_slices.h. */
#include "format/tf_slices.h"

#include "format/tf_slicekey.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* Comparing every slice with every other takes forever where a file says that there are a million;
 * real partitions need a few thousand comparisons. */
#define COMPARISONS_MAX 20000000u

static int note_ref(struct ck_tf_slices *t, const struct ck_tf_slice_ref *ref, struct ck_err *err)
{
	if (t->nrefs == t->room) {
		size_t room = t->room ? 2 * t->room : 64;
		struct ck_tf_slice_ref *p = realloc(t->refs, room * sizeof(*p));

		if (!p)
			return ck_fail_nomem(err, "reading the index");
		t->refs = p;
		t->room = room;
	}
	t->refs[t->nrefs++] = *ref;
	return 0;
}

/* Full extents become numbers; false where a slice does not lie in its variable. */
static bool resolve_extents(const struct ck_tf_entry *e, const struct ck_tf_slice *s,
			    uint64_t *start, uint64_t *extent)
{
	if (s->rank != e->rank)
		return false;
	for (unsigned i = 0; i < s->rank; i++) {
		if (s->start[i] < 0 || (s->length[i] <= 0 && s->length[i] != CK_TF_FULL))
			return false;
		start[i] = (uint64_t)s->start[i];
		extent[i] = s->length[i] == CK_TF_FULL ? e->dims[i] : (uint64_t)s->length[i];
		if (start[i] > e->dims[i] || extent[i] > e->dims[i] - start[i])
			return false;
	}
	return true;
}

/* Where the slice's first element lies in the variable, and the end of its last, in bytes. The
 * variable's size is known to fit. */
static void span_in_variable(const struct ck_tf_entry *e, const uint64_t *start,
			     const uint64_t *extent, uint64_t element, struct ck_slice *s)
{
	uint64_t stride = element, first = 0, last = 0;

	for (unsigned i = e->rank; i-- > 0;) {
		first += start[i] * stride;
		last += (start[i] + (extent[i] ? extent[i] - 1 : 0)) * stride;
		stride *= e->dims[i];
	}
	s->first = first;
	s->last = last + element;
}

int ck_tf_slices_note(struct ck_tf_slices *t, struct ck_builder *b, struct ck_span name,
		      const struct ck_tf_entry *e, struct ck_err *err)
{
	uint32_t var = b->m->nvars - 1;
	uint64_t element = ck_dtype_info(ck_dtype_from_native(e->dtype))->size, bytes;
	uint64_t start[CK_TF_RANK_MAX], extent[CK_TF_RANK_MAX];
	struct ck_span left = e->slices;
	struct ck_tf_slice s;
	char quoted[CK_QUOTE_ROOM];
	int r;

	ck_quote(quoted, sizeof(quoted), name.p, name.n);
	if (!ck_mul_u64(e->elements, element, &bytes) || bytes > INT64_MAX)
		return ck_builder_problem(b, var, err, "%s: variable %s is too large to exist",
					  ck_source_path(b->m->index), quoted);
	b->m->vars[var].offset = b->m->nslices;
	b->m->vars[var].nbytes = bytes;
	b->m->vars[var].shard = 0;
	while ((r = ck_tf_slice_next(&left, &s)) > 0) {
		struct ck_tf_slice_ref ref = { .var = var, .slice = b->m->nslices };
		struct ck_slice slice = { 0 };

		if (!resolve_extents(e, &s, start, extent))
			return ck_builder_problem(b, var, err,
						  "%s: variable %s has a slice that does not lie "
						  "in its shape: save the checkpoint again",
						  ck_source_path(b->m->index), quoted);
		span_in_variable(e, start, extent, element, &slice);
		r = ck_builder_dims(b, start, e->rank, &slice.start, err);
		if (r == 0)
			r = ck_builder_dims(b, extent, e->rank, &slice.extent, err);
		if (r == 0)
			r = ck_builder_slice(b, &slice, err);
		ref.key = t->keys.n;
		ck_tf_slice_key(name, &s, &t->keys);
		ref.key_len = (uint32_t)(t->keys.n - ref.key);
		if (r == 0 && ck_buf_failed(&t->keys))
			r = ck_fail_nomem(err, b->m->path);
		if (r == 0)
			r = note_ref(t, &ref, err);
		if (r < 0)
			return r;
		b->m->vars[var].shard++;
	}
	return r == 0 ? 0 : ck_builder_problem(b, var, err,
					       "%s: variable %s has a slice that cannot be read: "
					       "save the checkpoint again", ck_source_path(b->m->index), quoted);
}

static int problem(struct ck_builder *b, uint32_t var, const char *what, struct ck_err *err)
{
	struct ck_span name = ck_var_name(b->m, &b->m->vars[var]);
	char quoted[CK_QUOTE_ROOM];

	if (b->m->vars[var].flags & CK_VAR_DAMAGED)
		return 0; /* said already */
	return ck_builder_problem(b, var, err, "%s: partitioned variable %s: %s: "
				  "save the checkpoint again", ck_source_path(b->m->index),
				  ck_quote(quoted, sizeof(quoted), name.p, name.n), what);
}

/* Moves what the slice's own entry says into the slice; false where it does not fit. */
static bool adopt(struct ck_model *m, const struct ck_var *whole, struct ck_slice *s,
		  const struct ck_var *entry)
{
	if (entry->dtype != whole->dtype || entry->native != whole->native ||
	    entry->rank != whole->rank || (entry->flags & CK_VAR_SLICED))
		return false;
	for (unsigned i = 0; i < entry->rank; i++)
		if (m->dims[entry->shape + i] != m->dims[s->extent + i])
			return false;
	s->offset = entry->offset;
	s->nbytes = entry->nbytes;
	s->shard = entry->shard;
	s->crc32c = entry->crc32c;
	return true;
}

static int by_first(const void *a, const void *b)
{
	const struct ck_slice *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

static bool overlap(const struct ck_model *m, unsigned rank, const struct ck_slice *a,
		    const struct ck_slice *b)
{
	for (unsigned i = 0; i < rank; i++) {
		uint64_t s = m->dims[a->start + i], t = m->dims[b->start + i];

		if (s + m->dims[a->extent + i] <= t || t + m->dims[b->extent + i] <= s)
			return false;
	}
	return true;
}

/* Sorts a variable's slices by place, and says what keeps them from tiling it (NULL: nothing). */
static const char *tile(struct ck_model *m, const struct ck_var *v, unsigned *comparisons)
{
	struct ck_slice *s = m->slices + v->offset;
	uint64_t covered = 0;

	if (v->nbytes == 0 || !ck_dtype_info(v->dtype)->size)
		return NULL;
	qsort(s, v->shard, sizeof(*s), by_first);
	for (uint32_t i = 0; i < v->shard; i++) {
		for (uint32_t j = i + 1; j < v->shard && s[j].first < s[i].last; j++) {
			if (++*comparisons > COMPARISONS_MAX)
				return "has too many slices to check";
			if (overlap(m, v->rank, &s[i], &s[j]))
				return "its slices overlap";
		}
		covered += s[i].nbytes; /* no overlap so far: cannot exceed the variable's bytes */
	}
	return covered < v->nbytes ? "its slices do not cover it" : NULL;
}

int ck_tf_slices_resolve(struct ck_tf_slices *t, struct ck_builder *b, struct ck_err *err)
{
	struct ck_model *m = b->m;
	unsigned comparisons = 0;
	bool *claimed;
	int r = 0;

	if (!t->nrefs)
		return 0;
	claimed = calloc(m->nvars, sizeof(*claimed));
	if (!claimed)
		return ck_fail_nomem(err, m->path);
	for (size_t i = 0; i < t->nrefs && r == 0; i++) {
		const struct ck_tf_slice_ref *ref = &t->refs[i];
		uint32_t at = ck_model_find(m, ck_span(t->keys.p + ref->key, ref->key_len));

		if (at == CK_NO_VAR) {
			r = problem(b, ref->var, "one of its slices is not in the index", err);
		} else if (!adopt(m, &m->vars[ref->var], &m->slices[ref->slice], &m->vars[at])) {
			r = problem(b, ref->var, "one of its slices has another shape or dtype", err);
		} else {
			claimed[at] = true;
			if (m->vars[at].flags & CK_VAR_DAMAGED)
				r = problem(b, ref->var, "one of its slices is damaged", err);
		}
	}
	for (uint32_t i = 0; i < m->nvars && r == 0; i++) {
		const struct ck_var *v = &m->vars[i];
		const char *why = NULL;

		if (v->flags == CK_VAR_SLICED)
			why = tile(m, v, &comparisons);
		if (why)
			r = problem(b, i, why, err);
	}
	if (r == 0)
		ck_builder_drop(b, claimed);
	free(claimed);
	return r;
}

void ck_tf_slices_done(struct ck_tf_slices *t)
{
	free(t->refs);
	ck_buf_done(&t->keys);
	*t = (struct ck_tf_slices){ 0 };
}
