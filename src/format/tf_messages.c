/* tf_messages.c - see tf_messages.h. */
#include "format/tf_messages.h"

#include "format/proto.h"
#include "util/varint.h"

#include <errno.h>

static bool is(const struct ck_field *f, uint32_t number, enum ck_wire wire)
{
	return f->number == number && f->wire == wire;
}

static void bad_consumer(struct ck_tf_header *h, uint64_t version)
{
	if ((int32_t)version == CK_TF_BUNDLE_VERSION)
		h->bad_consumer = true;
}

static bool parse_version(struct ck_span msg, struct ck_tf_header *h)
{
	struct ck_field f;
	uint64_t v;
	int r;

	while ((r = ck_proto_next(&msg, &f)) > 0) {
		if (is(&f, 1, CK_WIRE_VARINT))
			h->producer = (int32_t)f.value;
		else if (is(&f, 2, CK_WIRE_VARINT))
			h->min_consumer = (int32_t)f.value;
		else if (is(&f, 3, CK_WIRE_VARINT))
			bad_consumer(h, f.value);
		else if (is(&f, 3, CK_WIRE_LEN)) /* packed */
			while (f.bytes.n) {
				if (!ck_varint64(&f.bytes, &v))
					return false;
				bad_consumer(h, v);
			}
	}
	return r == 0;
}

bool ck_tf_header_parse(struct ck_span msg, struct ck_tf_header *ret)
{
	struct ck_tf_header h = { 0 };
	struct ck_field f;
	int r;

	while ((r = ck_proto_next(&msg, &f)) > 0) {
		if (is(&f, 1, CK_WIRE_VARINT))
			h.num_shards = (int32_t)f.value;
		else if (is(&f, 2, CK_WIRE_VARINT))
			h.endianness = (int32_t)f.value;
		else if (is(&f, 3, CK_WIRE_LEN) && !parse_version(f.bytes, &h))
			return false;
	}
	if (r == 0)
		*ret = h;
	return r == 0;
}

/* Adds one dimension; a shape that breaks a limit is remembered as bad, not refused here, so that
 * the entry can still be named in a message. */
static bool parse_dim(struct ck_span msg, struct ck_tf_entry *e)
{
	struct ck_field f;
	int64_t size = 0;
	int r;

	while ((r = ck_proto_next(&msg, &f)) > 0)
		if (is(&f, 1, CK_WIRE_VARINT))
			size = (int64_t)f.value;
	if (r < 0)
		return false;
	if (size < 0 || e->rank == CK_TF_RANK_MAX)
		e->shape_ok = false;
	else
		e->dims[e->rank++] = (uint64_t)size;
	return true;
}

/* A message that is there twice counts as one with the fields of both, so nothing is reset here. */
static bool parse_shape(struct ck_span msg, struct ck_tf_entry *e)
{
	struct ck_field f;
	int r;

	while ((r = ck_proto_next(&msg, &f)) > 0) {
		if (is(&f, 2, CK_WIRE_LEN)) {
			if (!parse_dim(f.bytes, e))
				return false;
		} else if (is(&f, 3, CK_WIRE_VARINT) && f.value) {
			e->shape_ok = false;
		}
	}
	return r == 0;
}

/* The product has to fit int64, as TensorShape demands; a zero anywhere makes it zero only if
 * the rest fits, which is stricter than needed for nobody. */
static void count_elements(struct ck_tf_entry *e)
{
	bool zero = false;

	e->elements = 1;
	for (unsigned i = 0; i < e->rank; i++) {
		if (e->dims[i] == 0)
			zero = true;
		else if (!ck_mul_u64(e->elements, e->dims[i], &e->elements) ||
			 e->elements > INT64_MAX)
			e->shape_ok = false;
	}
	if (zero || !e->shape_ok)
		e->elements = 0;
}

bool ck_tf_entry_parse(struct ck_span msg, struct ck_tf_entry *e)
{
	struct ck_field f;
	int r;

	e->dtype = e->shard_id = 0;
	e->offset = e->size = 0;
	e->crc32c = 0;
	e->shape_ok = true;
	e->rank = e->nslices = 0;
	e->slices = msg;
	while ((r = ck_proto_next(&msg, &f)) > 0) {
		if (is(&f, 1, CK_WIRE_VARINT))
			e->dtype = (int32_t)f.value;
		else if (is(&f, 2, CK_WIRE_LEN) && !parse_shape(f.bytes, e))
			return false;
		else if (is(&f, 3, CK_WIRE_VARINT))
			e->shard_id = (int32_t)f.value;
		else if (is(&f, 4, CK_WIRE_VARINT))
			e->offset = (int64_t)f.value;
		else if (is(&f, 5, CK_WIRE_VARINT))
			e->size = (int64_t)f.value;
		else if (is(&f, 6, CK_WIRE_I32))
			e->crc32c = (uint32_t)f.value;
		else if (is(&f, 7, CK_WIRE_LEN))
			e->nslices++;
	}
	count_elements(e);
	return r == 0;
}

static bool parse_extent(struct ck_span msg, struct ck_tf_slice *s)
{
	struct ck_field f;
	int r;

	if (s->rank == CK_TF_RANK_MAX)
		return false;
	s->start[s->rank] = 0;
	s->length[s->rank] = CK_TF_FULL;
	while ((r = ck_proto_next(&msg, &f)) > 0) {
		if (is(&f, 1, CK_WIRE_VARINT))
			s->start[s->rank] = (int64_t)f.value;
		else if (is(&f, 2, CK_WIRE_VARINT))
			s->length[s->rank] = (int64_t)f.value;
	}
	s->rank++;
	return r == 0;
}

int ck_tf_slice_next(struct ck_span *entry, struct ck_tf_slice *ret)
{
	struct ck_field f, g;
	int r;

	while ((r = ck_proto_next(entry, &f)) > 0) {
		if (!is(&f, 7, CK_WIRE_LEN))
			continue;
		ret->rank = 0;
		while ((r = ck_proto_next(&f.bytes, &g)) > 0)
			if (is(&g, 1, CK_WIRE_LEN) && !parse_extent(g.bytes, ret))
				return -EBADMSG;
		return r < 0 ? r : 1;
	}
	return r;
}
