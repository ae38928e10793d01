/* tf_plan_slices.c - the partitioned variables among the changes. See tf_plan.h. */
#include "format/tf_check.h"
#include "format/tf_plan_private.h"
#include "format/tf_slicekey.h"
#include "model/dtype.h"

#include <errno.h>
#include <stdlib.h>

/* A slice that a variable's entry lists. */
struct listed {
	struct ck_tf_leaving *old; /* its own entry */
	bool twice; /* it was listed before: a variable without elements may do that */
	uint64_t first; /* where it begins in the variable, in elements */
	size_t key, key_len; /* its new key in the scratch buffer */
};

/* A variable's slices, in the order in which its entry lists them, then in that of the model. */
struct listing {
	struct listed *v;
	size_t n;
	struct ck_buf keys;
};

static struct ck_tf_leaving *find_slice(const struct ck_tf_plan *p, struct ck_span key)
{
	size_t lo = 0, hi = p->slices.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = ck_span_cmp(ck_tf_leaving_key(p, &p->slices.v[mid]), key);

		if (c == 0)
			return &p->slices.v[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static uint64_t first_element(const struct ck_tf_entry *e, const struct ck_tf_slice *s)
{
	uint64_t stride = 1, first = 0;

	for (unsigned i = s->rank < e->rank ? s->rank : e->rank; i-- > 0;) {
		first += (uint64_t)s->start[i] * stride;
		stride *= e->dims[i];
	}
	return first;
}

static int by_first(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* Lists the slices of the entry just parsed, and claims theirs. Answers with what is wrong, unless
 * l->keys has failed. */
static const char *list_slices(struct ck_tf_plan *p, const struct ck_tf_change *c,
			       struct listing *l)
{
	const struct ck_tf_entry *e = &p->entry;
	struct ck_span left = e->slices;
	const char *fault = NULL;
	int r;

	while ((r = ck_tf_slice_next(&left, &p->slice)) > 0) {
		struct listed *s = &l->v[l->n];

		s->key = l->keys.n;
		ck_tf_slice_key(c->old_name, &p->slice, &l->keys);
		if (ck_buf_failed(&l->keys))
			return NULL;
		s->old = find_slice(p, ck_span(l->keys.p + s->key, l->keys.n - s->key));
		l->keys.n = s->key;
		if (!s->old) {
			fault = "has a slice that is not in the index";
			continue;
		}
		s->twice = s->old->claimed;
		s->old->claimed = true;
		s->first = first_element(e, &p->slice);
		if (c->new_name.p)
			ck_tf_slice_key(c->new_name, &p->slice, &l->keys);
		s->key_len = l->keys.n - s->key;
		l->n++;
	}
	if (r < 0)
		fault = "has a slice that cannot be read";
	/* As tf_slices.c does, with the same exceptions. */
	if (e->elements && ck_dtype_info(ck_dtype_from_native(e->dtype))->size)
		qsort(l->v, l->n, sizeof(*l->v), by_first);
	return fault;
}

/* Slice i comes again under its new key; *next is the first of the change's places that is not
 * used yet. */
static int put_slice(struct ck_tf_plan *p, size_t change, const struct listing *l, size_t i,
		     uint32_t *next, struct ck_err *err)
{
	const struct ck_tf_change *c = &p->r->changes[change];
	const struct listed *s = &l->v[i];
	const struct ck_tf_place *place = NULL;
	size_t at;
	int r;

	if (c->what == CK_TF_MOVE && *next < c->nslices && c->slices[*next].slice == i)
		place = &c->slices[(*next)++].place;
	if (s->twice)
		return 0;
	ck_buf_add(&p->coming, l->keys.p + s->key, s->key_len);
	at = p->coming.n;
	r = ck_tf_plan_again(p, s->old->block, c->old_name, ck_tf_leaving_value(p, s->old), place,
			     err);
	return r < 0 ? r : ck_tf_plan_put(p, change, ck_span(NULL, s->key_len), at, err);
}

/* Plans one partitioned variable. */
static int plan_whole(struct ck_tf_plan *p, const struct ck_tf_leaving *whole, struct listing *l,
		      struct ck_err *err)
{
	const struct ck_tf_change *c = &p->r->changes[whole->change];
	struct ck_span value = ck_tf_leaving_value(p, whole);
	const char *fault;
	uint32_t next = 0;
	size_t at = p->coming.n;
	int r;

	if (!ck_tf_entry_parse(value, &p->entry)) /* it could be read a moment ago */
		return ck_tf_plan_damaged(p, whole->block, c->old_name, "cannot be read", err);
	l->v = calloc(p->entry.nslices, sizeof(*l->v));
	if (!l->v)
		return ck_fail_nomem(err, p->path);
	fault = list_slices(p, c, l);
	if (ck_buf_failed(&l->keys))
		return ck_fail_nomem(err, p->path);
	if (!ck_tf_change_keeps(c))
		return 0; /* its slices, as far as there are any, leave */
	if (fault)
		return ck_tf_plan_damaged(p, whole->block, c->old_name, fault, err);
	r = ck_tf_plan_again(p, whole->block, c->old_name, value, NULL, err);
	if (r == 0)
		r = ck_tf_plan_put(p, whole->change, c->new_name, at, err);
	for (size_t i = 0; i < l->n && r == 0; i++)
		r = put_slice(p, whole->change, l, i, &next, err);
	if (r == 0 && c->what == CK_TF_MOVE && next < c->nslices)
		r = ck_tf_plan_refuse(p, EINVAL, c->old_name, "has no slice of that number", err);
	return r;
}

int ck_tf_plan_slices(struct ck_tf_plan *p, struct ck_err *err)
{
	int r = 0;

	for (size_t i = 0; i < p->wholes.n && r == 0; i++) {
		struct listing l = { 0 };

		r = plan_whole(p, &p->wholes.v[i], &l, err);
		free(l.v);
		ck_buf_done(&l.keys);
	}
	return r;
}
