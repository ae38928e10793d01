/*
 * tf_slices.h - joins the slices of partitioned variables with their variables.
 *
 * While the index is walked, an entry that lists slices is noted with the keys that these are
 * stored under. Once all entries are known the keys are looked up, the slices are checked to tile
 * the variable exactly (nothing outside, no overlap, no gap), and their own entries leave the list
 * of variables. A key of that form which no variable claims stays a variable of its own, as it
 * does for TensorFlow.
 */
#ifndef CK_FORMAT_TF_SLICES_H
#define CK_FORMAT_TF_SLICES_H

#include "format/tf_messages.h"
#include "model/builder.h"
#include "util/buf.h"

struct ck_tf_slice_ref {
	uint32_t var;
	uint32_t slice; /* its record in the model */
	uint64_t key; /* where its key starts in the pool */
	uint32_t key_len;
};

struct ck_tf_slices {
	struct ck_tf_slice_ref *refs;
	size_t nrefs, room;
	struct ck_buf keys;
};

/* Notes the slices of the variable last added, whose entry is e. */
int ck_tf_slices_note(struct ck_tf_slices *t, struct ck_builder *b, struct ck_span name,
		      const struct ck_tf_entry *e, struct ck_err *err);

/* Looks them all up and checks them. Slices then hold the shard's id, like variables. */
int ck_tf_slices_resolve(struct ck_tf_slices *t, struct ck_builder *b, struct ck_err *err);

void ck_tf_slices_done(struct ck_tf_slices *t);

#endif
