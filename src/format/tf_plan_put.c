/* tf_plan_put.c - the entries that come, and what is refused. See tf_plan.h. */
#include "format/tf_check.h"
#include "format/tf_encode.h"
#include "format/tf_plan_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

int ck_tf_plan_damaged(const struct ck_tf_plan *p, uint64_t block, struct ck_span name,
		       const char *fault, struct ck_err *err)
{
	char quoted[CK_QUOTE_ROOM];

	return ck_fail(err, CK_CORRUPT, EIO,
		       "%s: damaged at byte %" PRIu64 ": variable %s %s: delete it, or restore the "
		       "checkpoint from a backup", p->path, block,
		       ck_quote(quoted, sizeof(quoted), name.p, name.n), fault);
}

int ck_tf_plan_refuse(const struct ck_tf_plan *p, int errnum, struct ck_span name,
		      const char *why, struct ck_err *err)
{
	char quoted[CK_QUOTE_ROOM];

	return ck_fail(err, CK_PUBLISH, errnum, "%s: cannot be written anew: variable %s %s",
		       p->path, ck_quote(quoted, sizeof(quoted), name.p, name.n), why);
}

int ck_tf_plan_grow(void *array, size_t n, size_t *room, size_t size, struct ck_err *err)
{
	void **a = array, *q;
	size_t more = *room ? 2 * *room : 64;

	if (n < *room)
		return 0;
	q = reallocarray(*a, more, size);
	if (!q)
		return ck_fail_nomem(err, "rewriting the index");
	*a = q;
	*room = more;
	return 0;
}

int ck_tf_plan_put(struct ck_tf_plan *p, size_t change, struct ck_span key, size_t at,
		   struct ck_err *err)
{
	int r = ck_tf_plan_grow(&p->puts, p->nputs, &p->puts_room, sizeof(*p->puts), err);

	if (r < 0)
		return r;
	if (ck_buf_failed(&p->coming))
		return ck_fail_nomem(err, p->path);
	if (p->coming.n - at > UINT32_MAX)
		return ck_tf_plan_refuse(p, EFBIG, ck_tf_change_name(&p->r->changes[change]),
					 "would have an entry of over 4 GiB", err);
	p->puts[p->nputs++] = (struct ck_tf_put){
		.key = key,
		.value = at,
		.value_len = (uint32_t)(p->coming.n - at),
		.change = (uint32_t)change,
	};
	return 0;
}

int ck_tf_plan_carry(struct ck_tf_plan *p, uint64_t block, struct ck_span key,
		     struct ck_span value, struct ck_span *ret, struct ck_err *err)
{
	const struct ck_tf_rewrite *r = p->r;
	const char *fault = ck_tf_entry_check(value, (uint32_t)p->header.num_shards, &p->entry);
	uint32_t shard = (uint32_t)p->entry.shard_id, to = shard;

	if (fault)
		return ck_tf_plan_damaged(p, block, key, fault, err);
	if (r->renumber)
		to = shard < r->num_old ? r->renumber[shard] : UINT32_MAX;
	if (p->entry.nslices) {
		/* No reader asks for the shard of an entry that lists slices. Most have none, but
		 * MergeBundles leaves a number there, and believes it later. */
		if (r->renumber && (!shard || to >= r->num_shards))
			to = 0;
	} else if (to >= r->num_shards) {
		return ck_tf_plan_refuse(p, EINVAL, key,
					 "would lie in a shard that is not there any more", err);
	}
	*ret = value;
	if (to == shard)
		return 0;
	ck_buf_clear(&p->carried);
	ck_tf_put_with(value, 3, to, &p->carried);
	if (ck_buf_failed(&p->carried))
		return ck_fail_nomem(err, p->path);
	*ret = ck_span(p->carried.p, p->carried.n);
	return 0;
}

/* What was appended from `at` on, or why that is no entry of the new index. */
static const char *check_coming(struct ck_tf_plan *p, size_t at)
{
	return ck_tf_entry_check(ck_span(p->coming.p + at, p->coming.n - at), p->r->num_shards,
				 &p->entry);
}

int ck_tf_plan_again(struct ck_tf_plan *p, uint64_t block, struct ck_span name,
		     struct ck_span value, const struct ck_tf_place *place, struct ck_err *err)
{
	size_t at = p->coming.n;
	const char *fault;
	int r;

	if (!place) {
		r = ck_tf_plan_carry(p, block, name, value, &value, err);
		if (r == 0)
			ck_buf_add(&p->coming, value.p, value.n);
		return r;
	}
	/* Where it was does not matter any more: a place that cannot be is healed by a new one. */
	if (!ck_tf_entry_parse(value, &p->entry) || !p->entry.shape_ok)
		return ck_tf_plan_damaged(p, block, name, "has an entry that cannot be read", err);
	ck_tf_put_moved(value, place, &p->coming);
	if (ck_buf_failed(&p->coming))
		return ck_fail_nomem(err, p->path);
	fault = check_coming(p, at);
	return fault ? ck_tf_plan_refuse(p, EINVAL, name, fault, err) : 0;
}

int ck_tf_plan_new(struct ck_tf_plan *p, size_t change, struct ck_err *err)
{
	const struct ck_tf_change *c = &p->r->changes[change];
	const char *fault = "has too many dimensions";
	size_t at = p->coming.n;

	if (c->rank <= CK_TF_RANK_MAX) {
		ck_tf_put_entry(c->native, c->rank, c->shape, &c->place, &p->coming);
		if (ck_buf_failed(&p->coming))
			return ck_fail_nomem(err, p->path);
		fault = check_coming(p, at);
	}
	if (fault)
		return ck_tf_plan_refuse(p, EINVAL, c->new_name, fault, err);
	return ck_tf_plan_put(p, change, c->new_name, at, err);
}
