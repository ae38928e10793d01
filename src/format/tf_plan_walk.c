/* tf_plan_walk.c - the first walk over the old index. See tf_plan.h. */
#include "format/table.h"
#include "format/tf_check.h"
#include "format/tf_plan_private.h"
#include "format/tf_slicekey.h"

#include <errno.h>

/* The change of that old name, or nchanges. */
static size_t find_change(const struct ck_tf_plan *p, struct ck_span name)
{
	size_t lo = p->first_old, hi = p->r->nchanges;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = ck_span_cmp(p->r->changes[mid].old_name, name);

		if (c == 0)
			return mid;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return p->r->nchanges;
}

static int remember(struct ck_tf_plan *p, struct ck_tf_leavings *l, size_t change, uint64_t block,
		    struct ck_span key, struct ck_span value, struct ck_err *err)
{
	int r = ck_tf_plan_grow(&l->v, l->n, &l->room, sizeof(*l->v), err);

	if (r < 0)
		return r;
	l->v[l->n++] = (struct ck_tf_leaving){
		.key = p->leaving.n,
		.value = p->leaving.n + key.n,
		.key_len = (uint32_t)key.n, /* the table's lengths are of 32 bits */
		.value_len = (uint32_t)value.n,
		.change = (uint32_t)change,
		.block = block,
	};
	ck_buf_add(&p->leaving, key.p, key.n);
	ck_buf_add(&p->leaving, value.p, value.n);
	return ck_buf_failed(&p->leaving) ? ck_fail_nomem(err, p->path) : 0;
}

/* The entry of a variable that a change names. One that is not kept may be damaged as it will; its
 * slices are believed in as far as the loader does. */
static int meet(struct ck_tf_plan *p, size_t change, uint64_t block, struct ck_span key,
		struct ck_span value, struct ck_err *err)
{
	const struct ck_tf_change *c = &p->r->changes[change];
	const char *fault = ck_tf_entry_check(value, (uint32_t)p->header.num_shards, &p->entry);
	bool sliced = p->entry.nslices > 0, keeps = ck_tf_change_keeps(c);
	size_t at = p->coming.n;
	int r;

	p->found[change] = true;
	if (!keeps && (fault || !sliced))
		return 0;
	if (fault && sliced)
		return ck_tf_plan_damaged(p, block, key, fault, err);
	if (keeps && sliced && c->what == CK_TF_MOVE && !c->nslices)
		return ck_tf_plan_refuse(p, EINVAL, key,
					 "is stored in slices, and has no place of its own", err);
	if (sliced)
		return remember(p, &p->wholes, change, block, key, value, err);
	if (c->what == CK_TF_MOVE && c->nslices)
		return ck_tf_plan_refuse(p, EINVAL, key, "is not stored in slices", err);
	r = ck_tf_plan_again(p, block, key, value, c->what == CK_TF_MOVE ? &c->place : NULL, err);
	return r < 0 ? r : ck_tf_plan_put(p, change, c->new_name, at, err);
}

/* Whether a change names a slice of this entry, which is no variable. */
static int names_slice(struct ck_tf_plan *p, struct ck_span name, struct ck_span value,
		       struct ck_err *err)
{
	struct ck_span left;

	if (ck_tf_entry_check(value, (uint32_t)p->header.num_shards, &p->entry))
		return 0;
	left = p->entry.slices;
	while (ck_tf_slice_next(&left, &p->slice) > 0) {
		struct ck_span key;

		ck_buf_clear(&p->key);
		ck_tf_slice_key(name, &p->slice, &p->key);
		if (ck_buf_failed(&p->key))
			return ck_fail_nomem(err, p->path);
		key = ck_span(p->key.p, p->key.n);
		if (find_change(p, key) < p->r->nchanges)
			return ck_tf_plan_refuse(p, ENOENT, key,
						 "is a slice of another, and no variable", err);
	}
	return 0;
}

/* A key that says whose slice it is. */
static int meet_slice(struct ck_tf_plan *p, uint64_t block, struct ck_span key,
		      struct ck_span value, struct ck_err *err)
{
	size_t change;

	ck_buf_clear(&p->key);
	if (!ck_tf_slice_key_name(key, &p->key))
		return 0;
	if (ck_buf_failed(&p->key))
		return ck_fail_nomem(err, p->path);
	change = find_change(p, ck_span(p->key.p, p->key.n));
	if (change == p->r->nchanges)
		return 0;
	return remember(p, &p->slices, change, block, key, value, err);
}

static int first_walk(void *arg, uint64_t block, struct ck_span key, struct ck_span value,
		      struct ck_err *err)
{
	struct ck_tf_plan *p = arg;
	const struct ck_tf_change *changes = p->r->changes;
	size_t n = p->r->nchanges;
	int c = 1, r = 0;

	if (!p->header_seen)
		return ck_tf_plan_header(p, block, key, value, err);
	if (key.p[0] == 0x00) /* keys rise, and the header's is the empty one */
		r = meet_slice(p, block, key, value, err);
	if (r == 0 && changes[p->first_old].old_name.p[0] == 0x00)
		r = names_slice(p, key, value, err);
	while (p->change_at < n && (c = ck_span_cmp(changes[p->change_at].old_name, key)) < 0)
		p->change_at++;
	if (r == 0 && p->change_at < n && c == 0)
		r = meet(p, p->change_at, block, key, value, err);
	return r;
}

int ck_tf_plan_walk(struct ck_tf_plan *p, struct ck_err *err)
{
	struct ck_table_visitor v = { .entry = first_walk, .arg = p };
	const struct ck_tf_rewrite *r = p->r;
	int ret = 0;

	p->change_at = p->first_old;
	if (r->old && p->first_old < r->nchanges)
		ret = ck_table_walk(r->old, &v, err);
	for (size_t i = p->first_old; i < r->nchanges && ret == 0; i++)
		if (!p->found[i])
			ret = ck_tf_plan_refuse(p, ENOENT, r->changes[i].old_name,
						"is not in it", err);
	return ret;
}
