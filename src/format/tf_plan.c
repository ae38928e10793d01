/* tf_plan.c - see tf_plan.h. */
#include "format/tf_check.h"
#include "format/tf_plan_private.h"

#include <errno.h>
#include <stdlib.h>

/* Changes are numbered in 32 bits, as a bundle's variables are. */
#define CHANGES_MAX (UINT32_MAX - 1)

int ck_tf_plan_header(struct ck_tf_plan *p, uint64_t block, struct ck_span key,
		      struct ck_span value, struct ck_err *err)
{
	int r = ck_tf_header_check(p->path, block, key, value, &p->header, err);

	p->header_seen = r == 0;
	return r;
}

bool ck_tf_plan_drops(struct ck_tf_plan *p, struct ck_span key)
{
	const struct ck_tf_rewrite *r = p->r;
	int c = 1;

	while (p->change_at < r->nchanges &&
	       (c = ck_span_cmp(r->changes[p->change_at].old_name, key)) < 0)
		p->change_at++;
	if (p->change_at < r->nchanges && c == 0)
		return true;
	c = 1;
	while (p->slice_at < p->slices.n &&
	       (c = ck_span_cmp(ck_tf_leaving_key(p, &p->slices.v[p->slice_at]), key)) < 0)
		p->slice_at++;
	return p->slice_at < p->slices.n && c == 0 && p->slices.v[p->slice_at].claimed;
}

static int clash_of_puts(const struct ck_tf_plan *p, const struct ck_tf_put *a,
			 const struct ck_tf_put *b, struct ck_err *err)
{
	const struct ck_tf_change *c = &p->r->changes[a->change], *d = &p->r->changes[b->change];
	struct ck_span name = ck_span_cmp(c->new_name, d->new_name) == 0 ? c->new_name : a->key;
	char first[CK_QUOTE_ROOM], second[CK_QUOTE_ROOM], both[CK_QUOTE_ROOM];

	return ck_fail(err, CK_PUBLISH, EEXIST,
		       "%s: variables %s and %s would both be called %s: rename or delete one of "
		       "them", p->path,
		       ck_quote(first, sizeof(first), ck_tf_change_name(c).p,
				ck_tf_change_name(c).n),
		       ck_quote(second, sizeof(second), ck_tf_change_name(d).p,
				ck_tf_change_name(d).n),
		       ck_quote(both, sizeof(both), name.p, name.n));
}

int ck_tf_plan_clash(const struct ck_tf_plan *p, const struct ck_tf_put *put, struct ck_err *err)
{
	const struct ck_tf_change *c = &p->r->changes[put->change];
	char name[CK_QUOTE_ROOM], to[CK_QUOTE_ROOM], other[CK_QUOTE_ROOM];

	ck_quote(name, sizeof(name), ck_tf_change_name(c).p, ck_tf_change_name(c).n);
	ck_quote(to, sizeof(to), c->new_name.p, c->new_name.n);
	if (ck_span_cmp(put->key, c->new_name) == 0)
		return ck_fail(err, CK_PUBLISH, EEXIST,
			       "%s: variable %s cannot be called %s: there is another of that "
			       "name: rename or delete one of them", p->path, name, to);
	return ck_fail(err, CK_PUBLISH, EEXIST,
		       "%s: variable %s cannot be called %s: one of its slices would need the key "
		       "that is the name of variable %s: rename or delete one of them", p->path,
		       name, to, ck_quote(other, sizeof(other), put->key.p, put->key.n));
}

static int by_old_name(const void *a, const void *b)
{
	const struct ck_tf_change *x = a, *y = b;

	if (!x->old_name.p || !y->old_name.p)
		return !!x->old_name.p - !!y->old_name.p;
	return ck_span_cmp(x->old_name, y->old_name);
}

static int by_key(const void *a, const void *b)
{
	const struct ck_tf_put *x = a, *y = b;

	return ck_span_cmp(x->key, y->key);
}

/* Sorts the changes, and refuses what cannot be before anything is looked up. */
static int check_changes(struct ck_tf_plan *p, struct ck_err *err)
{
	const struct ck_tf_rewrite *r = p->r;

	if (r->nchanges > CHANGES_MAX)
		return ck_fail(err, CK_PUBLISH, EINVAL, "%s: too many changes at once", p->path);
	if (r->nchanges)
		qsort(r->changes, r->nchanges, sizeof(*r->changes), by_old_name);
	while (p->first_old < r->nchanges && !r->changes[p->first_old].old_name.p)
		p->first_old++;
	for (size_t i = 0; i < r->nchanges; i++) {
		const struct ck_tf_change *c = &r->changes[i];
		struct ck_span name = ck_tf_change_name(c);

		/* The empty key is the header's. */
		if (c->old_name.p && !c->old_name.n)
			return ck_tf_plan_refuse(p, ENOENT, name, "is not in it", err);
		if (c->new_name.p && !c->new_name.n)
			return ck_tf_plan_refuse(p, EINVAL, name,
						 "cannot have an empty name: no variable can", err);
		if (i > p->first_old && ck_span_cmp(r->changes[i - 1].old_name, c->old_name) == 0)
			return ck_tf_plan_refuse(p, EINVAL, name, "is changed twice", err);
		if (!c->old_name.p && ck_tf_change_keeps(c))
			return ck_tf_plan_refuse(p, EINVAL, name, "has no entry to keep", err);
	}
	return 0;
}

/* All is known that comes: keys get their addresses, and an order. */
static int sort_puts(struct ck_tf_plan *p, struct ck_err *err)
{
	for (size_t i = 0; i < p->nputs; i++)
		if (!p->puts[i].key.p)
			p->puts[i].key = ck_span(p->coming.p + p->puts[i].value -
							 p->puts[i].key.n, p->puts[i].key.n);
	if (p->nputs)
		qsort(p->puts, p->nputs, sizeof(*p->puts), by_key);
	for (size_t i = 1; i < p->nputs; i++)
		if (ck_span_cmp(p->puts[i - 1].key, p->puts[i].key) == 0)
			return clash_of_puts(p, &p->puts[i - 1], &p->puts[i], err);
	return 0;
}

int ck_tf_plan_make(struct ck_tf_plan *p, const struct ck_tf_rewrite *r, struct ck_err *err)
{
	int ret;

	p->r = r;
	p->path = r->old ? ck_source_path(r->old) : "the new index";
	ret = check_changes(p, err);
	if (ret < 0)
		return ret;
	p->found = calloc(r->nchanges ? r->nchanges : 1, sizeof(*p->found));
	if (!p->found)
		return ck_fail_nomem(err, p->path);
	ret = ck_tf_plan_walk(p, err);
	if (ret == 0)
		ret = ck_tf_plan_slices(p, err);
	for (size_t i = 0; i < r->nchanges && ret == 0; i++)
		if (r->changes[i].new_name.p && r->changes[i].what == CK_TF_NEW)
			ret = ck_tf_plan_new(p, i, err);
	if (ret == 0)
		ret = sort_puts(p, err);
	p->change_at = p->first_old;
	return ret;
}

void ck_tf_plan_done(struct ck_tf_plan *p)
{
	free(p->puts);
	free(p->found);
	free(p->slices.v);
	free(p->wholes.v);
	ck_buf_done(&p->coming);
	ck_buf_done(&p->leaving);
	ck_buf_done(&p->key);
	ck_buf_done(&p->carried);
	*p = (struct ck_tf_plan){ 0 };
}
