/*
 * tf_plan_private.h - what the files of the plan (tf_plan.h) know of each other.
 *
 * tf_plan.c makes the plan and answers what is asked of it, tf_plan_walk.c is the first walk over
 * the old index, tf_plan_slices.c plans the partitioned variables from what the walk remembered,
 * tf_plan_put.c writes the entries that come.
 */
#ifndef CK_FORMAT_TF_PLAN_PRIVATE_H
#define CK_FORMAT_TF_PLAN_PRIVATE_H

#include "format/tf_plan.h"

/* An entry that lists slices, or one whose key may be that of a listed slice. */
struct ck_tf_leaving {
	size_t key, value; /* where they start in ck_tf_plan.leaving */
	uint32_t key_len, value_len;
	uint32_t change;
	bool claimed; /* a slice that its variable lists */
	uint64_t block;
};

static inline struct ck_span ck_tf_leaving_key(const struct ck_tf_plan *p,
					       const struct ck_tf_leaving *l)
{
	return ck_span(p->leaving.p + l->key, l->key_len);
}

static inline struct ck_span ck_tf_leaving_value(const struct ck_tf_plan *p,
						 const struct ck_tf_leaving *l)
{
	return ck_span(p->leaving.p + l->value, l->value_len);
}

/* Whether the variable's new entry is made of its old one. */
static inline bool ck_tf_change_keeps(const struct ck_tf_change *c)
{
	return c->new_name.p && c->what != CK_TF_NEW;
}

/* What to call the variable in a message. */
static inline struct ck_span ck_tf_change_name(const struct ck_tf_change *c)
{
	return c->old_name.p ? c->old_name : c->new_name;
}

/* Finds in the old index what the changes name, and plans all but the partitioned variables. */
int ck_tf_plan_walk(struct ck_tf_plan *p, struct ck_err *err);
/* Then plans those. */
int ck_tf_plan_slices(struct ck_tf_plan *p, struct ck_err *err);

/* Appends an entry that is kept to p->coming: as it is (place NULL), or with a new place. */
int ck_tf_plan_again(struct ck_tf_plan *p, uint64_t block, struct ck_span name,
		     struct ck_span value, const struct ck_tf_place *place, struct ck_err *err);
/* What p->coming holds from `at` on is the value of an entry that comes. A key whose p is NULL is
 * the key.n bytes before it. */
int ck_tf_plan_put(struct ck_tf_plan *p, size_t change, struct ck_span key, size_t at,
		   struct ck_err *err);
/* Plans a variable that is written new. */
int ck_tf_plan_new(struct ck_tf_plan *p, size_t change, struct ck_err *err);

/* Makes room for one more element of that size in an array of n. */
int ck_tf_plan_grow(void *array, size_t n, size_t *room, size_t size, struct ck_err *err);

int ck_tf_plan_damaged(const struct ck_tf_plan *p, uint64_t block, struct ck_span name,
		       const char *fault, struct ck_err *err);
/* What was asked cannot be. */
int ck_tf_plan_refuse(const struct ck_tf_plan *p, int errnum, struct ck_span name,
		      const char *why, struct ck_err *err);

#endif
