/*
 * tf_messages.h - the two messages of a V2 bundle's index: its header and its entries.
 *
 * tensorflow/core/protobuf/tensor_bundle.proto, tensor_shape.proto, tensor_slice.proto,
 * versions.proto. Fields may come in any order; of a number that is there twice the last
 * counts, a message that is there twice is merged; unknown fields are stepped over.
 *
 *   BundleHeaderProto  1 num_shards int32, 2 endianness enum (0 little, 1 big), 3 version
 *   VersionDef         1 producer int32, 2 min_consumer int32, 3 bad_consumers repeated int32
 *   BundleEntryProto   1 dtype enum, 2 shape, 3 shard_id int32, 4 offset int64, 5 size int64,
 *                      6 crc32c fixed32 (masked), 7 slices repeated TensorSliceProto
 *   TensorShapeProto   2 dim repeated { 1 size int64, 2 name }, 3 unknown_rank bool
 *   TensorSliceProto   1 extent repeated { 1 start int64, 2 length int64 (absent: the whole) }
 */
#ifndef CK_FORMAT_TF_MESSAGES_H
#define CK_FORMAT_TF_MESSAGES_H

#include "util/bytes.h"

#define CK_TF_RANK_MAX 254 /* TensorShape's own limit */
#define CK_TF_BUNDLE_VERSION 1 /* kTensorBundleVersion */

struct ck_tf_header {
	int32_t num_shards;
	int32_t endianness;
	int32_t producer;
	int32_t min_consumer;
	bool bad_consumer; /* the writer says that readers of our version must not read it */
};

/* False: the bytes are no such message. */
bool ck_tf_header_parse(struct ck_span msg, struct ck_tf_header *ret);

struct ck_tf_entry {
	int32_t dtype; /* DataType's number */
	int32_t shard_id;
	int64_t offset;
	int64_t size;
	uint32_t crc32c; /* masked */
	bool shape_ok; /* every dimension >= 0, rank and element count within limits */
	unsigned rank;
	uint64_t dims[CK_TF_RANK_MAX];
	uint64_t elements; /* product of dims */
	unsigned nslices;
	struct ck_span slices; /* the whole message again, for ck_tf_slice_next */
};

bool ck_tf_entry_parse(struct ck_span msg, struct ck_tf_entry *ret);

/* length of an extent that is the whole dimension */
#define CK_TF_FULL (-1)

struct ck_tf_slice {
	unsigned rank;
	int64_t start[CK_TF_RANK_MAX];
	int64_t length[CK_TF_RANK_MAX]; /* or CK_TF_FULL */
};

/* Takes the next slice of an entry off *entry (begun with ck_tf_entry.slices). 1, 0 at the end,
 * -EBADMSG. */
int ck_tf_slice_next(struct ck_span *entry, struct ck_tf_slice *ret);

#endif
