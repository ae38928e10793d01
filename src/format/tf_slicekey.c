/* tf_slicekey.c - see tf_slicekey.h. */
#include "format/tf_slicekey.h"

static void put_string(struct ck_span s, struct ck_buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		ck_buf_char(out, (char)s.p[i]);
		if (s.p[i] == 0x00)
			ck_buf_char(out, (char)0xff);
		else if (s.p[i] == 0xff)
			ck_buf_char(out, 0x00);
	}
	ck_buf_add(out, "\x00\x01", 2);
}

static void put_unsigned(uint64_t v, struct ck_buf *out)
{
	unsigned n = 0;

	while (n < 8 && v >> (8 * n))
		n++;
	ck_buf_char(out, (char)n);
	while (n--)
		ck_buf_char(out, (char)(v >> (8 * n)));
}

/*
 * The smallest n bytes, big endian in two's complement, whose value fits 7n - 1 bits and a sign;
 * then the leading bits are turned into a header of n ones (and a zero), so that longer encodings
 * sort behind shorter ones of the same sign. Negative numbers come out complemented by the same
 * exclusive or.
 */
void ck_tf_put_signed(int64_t v, struct ck_buf *out)
{
	uint64_t magnitude = v < 0 ? ~(uint64_t)v : (uint64_t)v;
	uint8_t bytes[10];
	unsigned n = 1;

	while (n < 10 && magnitude >> (7 * n - 1))
		n++;
	for (unsigned i = 0; i < n; i++) {
		unsigned shift = 8 * (n - 1 - i);

		bytes[i] = shift < 64 ? (uint8_t)((uint64_t)v >> shift) : v < 0 ? 0xff : 0;
	}
	if (n <= 8) {
		bytes[0] ^= (uint8_t)(0xff00 >> n);
	} else {
		bytes[0] ^= 0xff;
		bytes[1] ^= (uint8_t)(0xff00 >> (n - 8));
	}
	ck_buf_add(out, bytes, n);
}

void ck_tf_slice_key(struct ck_span name, const struct ck_tf_slice *s, struct ck_buf *out)
{
	ck_buf_char(out, 0x00);
	put_string(name, out);
	put_unsigned(s->rank, out);
	for (unsigned i = 0; i < s->rank; i++) {
		ck_tf_put_signed(s->start[i], out);
		ck_tf_put_signed(s->length[i], out);
	}
}

bool ck_tf_slice_key_name(struct ck_span key, struct ck_buf *out)
{
	if (!key.n || key.p[0] != 0x00)
		return false;
	for (size_t i = 1; i + 1 < key.n; i++) {
		uint8_t c = key.p[i];

		if (c == 0x00 && key.p[i + 1] == 0x01)
			return true;
		if ((c == 0x00 || c == 0xff) && (key.p[++i] ^ c) != 0xff)
			return false;
		ck_buf_char(out, (char)c);
	}
	return false;
}
