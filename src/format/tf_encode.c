/* tf_encode.c - see tf_encode.h. */
#include "format/tf_encode.h"

#include "format/proto.h"
#include "format/tf_messages.h"
#include "util/crc32c.h"
#include "util/varint.h"

void ck_tf_put_header(uint32_t num_shards, bool big_endian, struct ck_buf *out)
{
	uint8_t version[2] = { 1 << 3 | CK_WIRE_VARINT, CK_TF_BUNDLE_VERSION }; /* producer */

	if (num_shards)
		ck_proto_put_varint(out, 1, num_shards);
	if (big_endian)
		ck_proto_put_varint(out, 2, 1);
	ck_proto_put_bytes(out, 3, ck_span(version, sizeof(version)));
}

static void put_place(const struct ck_tf_place *place, struct ck_buf *out)
{
	uint32_t masked = ck_crc32c_mask(place->crc32c);

	if (place->shard)
		ck_proto_put_varint(out, 3, place->shard);
	if (place->offset)
		ck_proto_put_varint(out, 4, place->offset);
	if (place->nbytes)
		ck_proto_put_varint(out, 5, place->nbytes);
	if (masked)
		ck_proto_put_i32(out, 6, masked);
}

/* A dimension is at most a tag and 10 bytes, in a message of at most 11. */
#define DIM_MAX 13

static size_t put_dim(uint8_t *p, uint64_t size)
{
	size_t n = 2;

	if (size) {
		p[n++] = 1 << 3 | CK_WIRE_VARINT;
		n += ck_varint_put(p + n, size);
	}
	p[0] = 2 << 3 | CK_WIRE_LEN;
	p[1] = (uint8_t)(n - 2);
	return n;
}

void ck_tf_put_entry(int32_t native, uint32_t rank, const uint64_t *shape,
		     const struct ck_tf_place *place, struct ck_buf *out)
{
	uint8_t dims[DIM_MAX * CK_TF_RANK_MAX];
	size_t n = 0;

	for (uint32_t i = 0; i < rank && i < CK_TF_RANK_MAX; i++)
		n += put_dim(dims + n, shape[i]);
	if (native)
		ck_proto_put_varint(out, 1, (uint64_t)(int64_t)native);
	ck_proto_put_bytes(out, 2, ck_span(dims, n));
	put_place(place, out);
}

void ck_tf_put_with(struct ck_span msg, uint32_t number, uint64_t value, struct ck_buf *out)
{
	bool there = false, done = value == 0;
	struct ck_span left = msg;
	struct ck_field f;

	while (ck_proto_next(&left, &f) > 0)
		there |= f.number == number && f.wire == CK_WIRE_VARINT;
	for (left = msg; ck_proto_next(&msg, &f) > 0; left = msg) {
		bool it = f.number == number && f.wire == CK_WIRE_VARINT;

		if (!done && (there ? it : f.number > number)) {
			ck_proto_put_varint(out, number, value);
			done = true;
		}
		if (!it)
			ck_buf_add(out, left.p, left.n - msg.n);
	}
	if (!done)
		ck_proto_put_varint(out, number, value);
}

/* What part of a canonical entry a field belongs to. */
enum part { DTYPE, SHAPE, PLACE, SLICES, OTHER };

static enum part part_of(const struct ck_field *f)
{
	static const struct {
		enum ck_wire wire;
		enum part part;
	} known[] = {
		[1] = { CK_WIRE_VARINT, DTYPE }, [2] = { CK_WIRE_LEN, SHAPE },
		[3] = { CK_WIRE_VARINT, PLACE }, [4] = { CK_WIRE_VARINT, PLACE },
		[5] = { CK_WIRE_VARINT, PLACE }, [6] = { CK_WIRE_I32, PLACE },
		[7] = { CK_WIRE_LEN, SLICES },
	};

	if (f->number >= sizeof(known) / sizeof(*known) || f->wire != known[f->number].wire)
		return OTHER;
	return known[f->number].part;
}

static void put_part(struct ck_span entry, enum part part, struct ck_buf *out)
{
	struct ck_span left = entry;
	struct ck_field f;

	for (; ck_proto_next(&entry, &f) > 0; left = entry)
		if (part_of(&f) == part)
			ck_buf_add(out, left.p, left.n - entry.n);
}

void ck_tf_put_moved(struct ck_span entry, const struct ck_tf_place *place, struct ck_buf *out)
{
	put_part(entry, DTYPE, out);
	put_part(entry, SHAPE, out);
	put_place(place, out);
	put_part(entry, SLICES, out);
	put_part(entry, OTHER, out);
}

static void put_word(uint8_t *p, uint64_t v, size_t n, bool big_endian)
{
	for (size_t i = 0; i < n; i++)
		p[big_endian ? n - 1 - i : i] = (uint8_t)(v >> (8 * i));
}

void ck_tf_put_lengths(const uint64_t *lengths, uint64_t n, bool big_endian, struct ck_buf *out,
		       uint32_t *crc)
{
	uint32_t c = 0;
	uint8_t word[8], varint[10];

	for (uint64_t i = 0; i < n; i++) {
		size_t size = lengths[i] > UINT32_MAX ? 8 : 4;

		ck_buf_add(out, varint, ck_varint_put(varint, lengths[i]));
		put_word(word, lengths[i], size, big_endian);
		c = ck_crc32c_extend(c, word, size);
	}
	put_word(word, ck_crc32c_mask(c), 4, big_endian);
	ck_buf_add(out, word, 4);
	*crc = ck_crc32c_extend(c, word, 4);
}
