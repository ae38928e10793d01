/*
 * tf_slicekey.h - the index key under which one slice of a partitioned variable is stored.
 *
 * EncodeTensorNameSlice (tensorflow/core/util/saved_tensor_slice_util.cc) in ordered code
 * (tensorflow/core/lib/strings/ordered_code.cc), concatenated without padding:
 *
 *   00
 *   name, 00 -> 00 ff, ff -> ff 00, closed by 00 01
 *   rank: one length byte, then that many bytes big endian without leading zeros
 *   for each dimension: start, length as signed ordered numbers; the whole dimension is 0, -1
 */
#ifndef CK_FORMAT_TF_SLICEKEY_H
#define CK_FORMAT_TF_SLICEKEY_H

#include "format/tf_messages.h"
#include "util/buf.h"

/* Appends the key to *out. */
void ck_tf_slice_key(struct ck_span name, const struct ck_tf_slice *s, struct ck_buf *out);

/* Appends the name that a key of this form begins with; false (with part of a name appended) where
 * it has none. What follows the name is not looked at. */
bool ck_tf_slice_key_name(struct ck_span key, struct ck_buf *out);

/* Appends v in the signed ordered code (exposed for its test). */
void ck_tf_put_signed(int64_t v, struct ck_buf *out);

#endif
