/*
 * tf_encode.h - the messages of a V2 bundle's index (tf_messages.h), written.
 *
 * What is made new is encoded as TensorFlow's writer does it: fields in rising order, zeros left
 * out, but for the shape of an entry, which is always there. What is changed keeps the bytes of
 * all fields that are not meant, those that this program does not know among them.
 */
#ifndef CK_FORMAT_TF_ENCODE_H
#define CK_FORMAT_TF_ENCODE_H

#include "format/tf_rewrite.h"

/* All of these append to *out. */

/* The header of a new bundle. */
void ck_tf_put_header(uint32_t num_shards, bool big_endian, struct ck_buf *out);

/* The entry of a variable, or of a slice. */
void ck_tf_put_entry(int32_t native, uint32_t rank, const uint64_t *shape,
		     const struct ck_tf_place *place, struct ck_buf *out);

/* The message (which can be read) with another value of one varint field, at the place where that
 * field was; where it was not, before the first one of a higher number. */
void ck_tf_put_with(struct ck_span msg, uint32_t number, uint64_t value, struct ck_buf *out);

/* The entry (which can be read) with another place, in canonical order: the fields that are known
 * by number, then the others as they came. */
void ck_tf_put_moved(struct ck_span entry, const struct ck_tf_place *place, struct ck_buf *out);

#endif
