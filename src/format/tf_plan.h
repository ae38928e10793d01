/*
 * tf_plan.h - what a set of changes to a bundle comes to, entry by entry of its index.
 *
 * A change names a variable; the index has its entry, and those of its slices under keys of their
 * own (tf_slicekey.h). A first walk over the old index finds the entries that are meant, and from
 * them the plan: which keys leave, and which entries (puts) come. A variable that is renamed, or
 * changed under its name, is one that leaves and one that comes. Every other entry is carried
 * over.
 *
 * Invariants
 *   1. The changes are sorted by old name, the puts by key; no two puts have one key.
 *   2. Every put is an entry that the loader takes (tf_check.h) in a bundle of the new number of
 *      shards.
 *
 * Memory grows with the changes, and with the slices of changed variables. Not thread-safe.
 */
#ifndef CK_FORMAT_TF_PLAN_H
#define CK_FORMAT_TF_PLAN_H

#include "format/tf_messages.h"
#include "format/tf_rewrite.h"

/* An entry that comes. */
struct ck_tf_put {
	struct ck_span key;
	size_t value; /* where it starts in ck_tf_plan.coming */
	uint32_t value_len;
	uint32_t change; /* whose it is */
};

/* Entries of the old index that are remembered. */
struct ck_tf_leaving;
struct ck_tf_leavings {
	struct ck_tf_leaving *v;
	size_t n, room;
};

struct ck_tf_plan {
	const struct ck_tf_rewrite *r;
	const char *path; /* of the old index, for messages */
	struct ck_tf_header header; /* of the old index ... */
	bool header_seen; /* ... once a walk has met it */

	struct ck_tf_put *puts;
	size_t nputs, puts_room;
	struct ck_buf coming; /* their values, and keys that are made */

	size_t first_old; /* the changes before it have no old name */
	bool *found; /* by change: its old name was met */
	struct ck_tf_leavings slices; /* what may be slices of changed variables, by key */
	struct ck_tf_leavings wholes; /* the entries that list them */
	struct ck_buf leaving; /* keys and values of both */

	size_t change_at, slice_at; /* how far a walk is */
	struct ck_tf_entry entry; /* scratch: too large for the stack, like the next */
	struct ck_tf_slice slice;
	struct ck_buf key, carried;
};

/* Makes the plan; sorts r->changes, holds on to r. *p is to be zero before, and to be done with
 * afterwards whatever the answer. Errors: those of ck_tf_rewrite(). */
int ck_tf_plan_make(struct ck_tf_plan *p, const struct ck_tf_rewrite *r, struct ck_err *err);

/* The first entry of a walk over the old index. */
int ck_tf_plan_header(struct ck_tf_plan *p, uint64_t block, struct ck_span key,
		      struct ck_span value, struct ck_err *err);

/* Whether the entry of that key leaves. Asked for keys that rise. */
bool ck_tf_plan_drops(struct ck_tf_plan *p, struct ck_span key);

/* Checks an entry that stays, and gives it its shard's new number. *ret is valid until the next
 * call. */
int ck_tf_plan_carry(struct ck_tf_plan *p, uint64_t block, struct ck_span key,
		     struct ck_span value, struct ck_span *ret, struct ck_err *err);

/* -EEXIST: the put has the key of an entry that stays. */
int ck_tf_plan_clash(const struct ck_tf_plan *p, const struct ck_tf_put *put, struct ck_err *err);

void ck_tf_plan_done(struct ck_tf_plan *p);

#endif
