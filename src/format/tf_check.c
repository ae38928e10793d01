/* tf_check.c - see tf_check.h. */
#include "format/tf_check.h"

#include "model/dtype.h"

#include <errno.h>
#include <inttypes.h>

/* Shards are numbered densely; more than a million is no number that a writer made. */
#define SHARDS_MAX 1000000

int ck_tf_header_check(const char *path, uint64_t block, struct ck_span key, struct ck_span value,
		       struct ck_tf_header *ret, struct ck_err *err)
{
	struct ck_tf_header h;

	if (key.n)
		return ck_fail(err, CK_CORRUPT, EIO,
			       "%s: damaged at byte %" PRIu64 ": the first entry is not the header: "
			       "restore it from a backup or save it again", path, block);
	/* A V1 file's first value is a message whose field 1 is length-delimited. */
	if (value.n && value.p[0] == 0x0a)
		return ck_fail(err, CK_UNSUPPORTED, EOPNOTSUPP,
			       "%s: is a TensorFlow V1 checkpoint: this version reads V2 "
			       "checkpoints (tf.train.Saver's default since TensorFlow 1.0)", path);
	if (!ck_tf_header_parse(value, &h))
		return ck_fail(err, CK_CORRUPT, EIO,
			       "%s: damaged at byte 0: its header cannot be read: restore it from "
			       "a backup or save it again", path);
	if (h.min_consumer > CK_TF_BUNDLE_VERSION || h.bad_consumer)
		return ck_fail(err, CK_UNSUPPORTED, EOPNOTSUPP,
			       "%s: says that readers of format version %d must not read it (it was "
			       "written in version %d): get a newer ckptfuse", path,
			       CK_TF_BUNDLE_VERSION, h.producer);
	if (h.producer < 0 || h.num_shards < 0 || h.num_shards > SHARDS_MAX ||
	    (h.endianness != 0 && h.endianness != 1))
		return ck_fail(err, CK_CORRUPT, EIO,
			       "%s: damaged at byte 0: its header makes no sense (version %d, "
			       "%d shards, byte order %d): restore it from a backup or save it again",
			       path, h.producer, h.num_shards, h.endianness);
	*ret = h;
	return 0;
}

int ck_tf_header_missing(const char *path, struct ck_err *err)
{
	return ck_fail(err, CK_CORRUPT, EIO,
		       "%s: damaged: it holds no header: restore it from a backup or save it again",
		       path);
}

const char *ck_tf_entry_check(struct ck_span value, uint32_t num_shards, struct ck_tf_entry *e)
{
	enum ck_dtype t;
	uint64_t element, need;

	if (!ck_tf_entry_parse(value, e))
		return "has an entry that cannot be read";
	if (!e->shape_ok)
		return "has an impossible shape";
	if (e->nslices)
		return NULL; /* the rest is in its slices' entries */
	if (e->offset < 0 || e->size < 0 || e->offset > INT64_MAX - e->size)
		return "lies at an impossible place";
	if (e->shard_id < 0 || (uint32_t)e->shard_id >= num_shards)
		return "lies in a shard that the checkpoint does not have";
	t = ck_dtype_from_native(e->dtype);
	element = ck_dtype_info(t)->size;
	if (element && (!ck_mul_u64(e->elements, element, &need) || need != (uint64_t)e->size))
		return "has a size that does not fit its dtype and shape";
	/* Every string takes a length of a byte at least; four bytes of checksum follow. */
	if (t == CK_DT_STRING && (e->elements || e->size) &&
	    ((uint64_t)e->size < 4 || e->elements > (uint64_t)e->size - 4))
		return "is too small for its number of strings";
	return NULL;
}
