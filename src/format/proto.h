/*
 * proto.h - the protocol buffer wire format, read and written by hand.
 *
 * A message is a run of fields: a varint tag (field number << 3 | wire type) and a value. The
 * reader walks it in place without copying; a length-delimited value is a span of the message.
 * Fields come in any order and unknown ones are stepped over, as the encoding asks for.
 * https://protobuf.dev/programming-guides/encoding/
 *
 *   wire type 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes; 3 and 4 (groups) are
 *   obsolete and refused.
 */
#ifndef CK_FORMAT_PROTO_H
#define CK_FORMAT_PROTO_H

#include "util/buf.h"

enum ck_wire {
	CK_WIRE_VARINT = 0,
	CK_WIRE_I64 = 1,
	CK_WIRE_LEN = 2,
	CK_WIRE_I32 = 5,
};

struct ck_field {
	uint32_t number;
	enum ck_wire wire;
	uint64_t value; /* varint, I64 and I32 */
	struct ck_span bytes; /* LEN */
};

/* Takes the next field off *msg. 1: *ret holds it; 0: the message is at its end; -EBADMSG: what
 * follows is no field (msg then stands at the bad byte). */
int ck_proto_next(struct ck_span *msg, struct ck_field *ret);

/* Append a field. What is zero is written all the same: leaving it out is the caller's part. */
void ck_proto_put_varint(struct ck_buf *out, uint32_t number, uint64_t value);
void ck_proto_put_i32(struct ck_buf *out, uint32_t number, uint32_t value);
void ck_proto_put_bytes(struct ck_buf *out, uint32_t number, struct ck_span value);

#endif
