/* proto.c - see proto.h. */
#include "format/proto.h"

#include "util/varint.h"

#include <errno.h>

int ck_proto_next(struct ck_span *msg, struct ck_field *ret)
{
	struct ck_span s = *msg, raw;
	struct ck_field f = { 0 };
	uint64_t tag, n;

	if (!s.n)
		return 0;
	if (!ck_varint64(&s, &tag) || tag >> 3 == 0 || tag >> 3 > (1u << 29) - 1)
		return -EBADMSG;
	f.number = (uint32_t)(tag >> 3);
	f.wire = (enum ck_wire)(tag & 7);
	switch (f.wire) {
	case CK_WIRE_VARINT:
		if (!ck_varint64(&s, &f.value))
			return -EBADMSG;
		break;
	case CK_WIRE_I64:
		if (!ck_span_take(&s, 8, &raw))
			return -EBADMSG;
		f.value = ck_le64(raw.p);
		break;
	case CK_WIRE_LEN:
		if (!ck_varint64(&s, &n) || n > s.n || !ck_span_take(&s, (size_t)n, &f.bytes))
			return -EBADMSG;
		break;
	case CK_WIRE_I32:
		if (!ck_span_take(&s, 4, &raw))
			return -EBADMSG;
		f.value = ck_le32(raw.p);
		break;
	default:
		return -EBADMSG;
	}
	*msg = s;
	*ret = f;
	return 1;
}

/* The tag, and the varint that follows it: the value, or how long it is. */
static void put_tag(struct ck_buf *out, uint32_t number, enum ck_wire wire, uint64_t value)
{
	uint8_t p[20];
	size_t n = ck_varint_put(p, (uint64_t)number << 3 | wire);

	n += ck_varint_put(p + n, value);
	ck_buf_add(out, p, n);
}

void ck_proto_put_varint(struct ck_buf *out, uint32_t number, uint64_t value)
{
	put_tag(out, number, CK_WIRE_VARINT, value);
}

void ck_proto_put_i32(struct ck_buf *out, uint32_t number, uint32_t value)
{
	uint8_t p[14];
	size_t n = ck_varint_put(p, (uint64_t)number << 3 | CK_WIRE_I32);

	ck_put_le32(p + n, value);
	ck_buf_add(out, p, n + 4);
}

void ck_proto_put_bytes(struct ck_buf *out, uint32_t number, struct ck_span value)
{
	put_tag(out, number, CK_WIRE_LEN, value.n);
	ck_buf_add(out, value.p, value.n);
}
