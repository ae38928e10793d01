/*
 * tf_rewrite.h - a bundle's new index: the old one with some variables changed.
 *
 * The old index is walked from front to back and written out again; nothing but the changes is
 * held in memory (tf_plan.h; a walk before finds the entries that they name). Entries that no
 * change touches are copied as they are, with fields that this program does not know; the header
 * likewise, but for the number of shards. What is written new is encoded as TensorFlow's writer
 * would (tensor_bundle.cc: proto3, fields in rising order, zeros left out, the shape always
 * there). An index without changes comes out byte for byte as TensorFlow wrote it, where it was
 * written uncompressed.
 */
#ifndef CK_FORMAT_TF_REWRITE_H
#define CK_FORMAT_TF_REWRITE_H

#include "format/table_write.h"
#include "io/source.h"
#include "model/dtype.h"

/* Where the bytes of an entry lie now. */
struct ck_tf_place {
	uint32_t shard; /* id in the new index */
	uint64_t offset;
	uint64_t nbytes;
	uint32_t crc32c; /* unmasked */
};

/* One stored slice of a partitioned variable gets a new place. */
struct ck_tf_slice_place {
	uint32_t slice; /* number of the slice, as a model counts them from ck_var.offset on */
	struct ck_tf_place place;
};

/* One variable that is not as it was. */
struct ck_tf_change {
	struct ck_span old_name; /* its name in the old index; p == NULL: it was not there */
	struct ck_span new_name; /* p == NULL: it is deleted; not empty */

	/* What becomes of its entry: kept as it is (a rename); kept but for a new place (bytes
	 * changed, for a partitioned variable those of some slices); or written new. */
	enum { CK_TF_KEEP, CK_TF_MOVE, CK_TF_NEW } what;

	int32_t native; /* CK_TF_NEW: DataType's number ... */
	uint32_t rank;
	const uint64_t *shape;
	struct ck_tf_place place; /* CK_TF_NEW, and CK_TF_MOVE of a variable in one piece */
	const struct ck_tf_slice_place *slices; /* CK_TF_MOVE of a partitioned one, by number */
	uint32_t nslices;
};

struct ck_tf_rewrite {
	struct ck_source *old; /* the index that is there; NULL: none (a new checkpoint) */
	bool big_endian; /* where there is none */
	uint32_t num_shards; /* of the new index */
	struct ck_tf_change *changes; /* in any order; it is sorted by old_name */
	size_t nchanges;
	/* Gives every entry that no change touches (slices too) another shard number; NULL: shards
	 * keep their numbers. Indexed by old shard id, num_old of them. */
	const uint32_t *renumber;
	uint32_t num_old;
};

/*
 * Writes the new index to sink. Errors, with which the sink may have got a part of it:
 *
 *   CK_PUBLISH -EEXIST  two variables would have one name; names both
 *   CK_PUBLISH -ENOENT  old_name is no variable of the old index
 *   CK_PUBLISH -EINVAL  a change that cannot be: a size that does not fit the shape, a shard out of
 *                       range, an old_name changed twice, a place for what is in slices
 *   CK_CORRUPT, CK_UNSUPPORTED, CK_FOREIGN  as ck_tf_bundle_load() has them without force; a
 *                       damaged entry is in nobody's way if it is deleted or written new
 *   what the sink answers
 */
int ck_tf_rewrite(const struct ck_tf_rewrite *r, const struct ck_sink *sink, struct ck_err *err);

/* Appends the head of a string tensor: n lengths and their checksum, in the bundle's byte order.
 * *crc becomes the running checksum of the entry up to there (see core/strings.h). */
void ck_tf_put_lengths(const uint64_t *lengths, uint64_t n, bool big_endian, struct ck_buf *out,
		       uint32_t *crc);

#endif
