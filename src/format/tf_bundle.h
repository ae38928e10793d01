/*
 * tf_bundle.h - a TensorFlow V2 checkpoint ("tensor bundle"): PREFIX.index into a model.
 *
 * The index is a sorted table (table.h) whose entries are, in key order
 *
 *   ""            the header
 *   00 ...        one for each slice of a partitioned variable (tf_slicekey.h)
 *   name          one for each variable; that of a partitioned one lists its slices
 *
 * (tensorflow/core/util/tensor_bundle/tensor_bundle.cc). The bytes lie in data files, which the
 * reader reaches by number only; a file that no entry points into may be missing.
 */
#ifndef CK_FORMAT_TF_BUNDLE_H
#define CK_FORMAT_TF_BUNDLE_H

#include "model/model.h"

/* How the loader reaches the data files. */
struct ck_tf_shards {
	/* Opens shard id of num: 0, or an error that says which file and why. */
	int (*open)(void *arg, uint32_t id, uint32_t num, struct ck_source **ret,
		    struct ck_err *err);
	void *arg;
};

/*
 * Fills the empty model m from the index; m takes a reference to it. With force, whatever is
 * damaged is noted in the model's problems and the rest is loaded.
 *
 * Errors: CK_FOREIGN (no table), CK_UNSUPPORTED (a V1 file, a newer version), CK_CORRUPT, and
 * what shards->open answers.
 */
int ck_tf_bundle_load(struct ck_model *m, struct ck_source *index,
		      const struct ck_tf_shards *shards, bool force, struct ck_err *err);

#endif
