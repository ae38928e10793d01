/* test_util.c - varints, CRC-32C and its algebra, UTF-8, natural order, JSON text, quoting. */
#include "base/err.h"
#include "util/buf.h"
#include "util/crc32c.h"
#include "util/json.h"
#include "util/natural.h"
#include "util/utf8.h"
#include "util/varint.h"

#include "tap.h"

#include <stdlib.h>

static struct ck_span text(const char *s)
{
	return ck_span(s, strlen(s));
}

static void test_varint(void)
{
	static const uint64_t values[] = { 0, 1, 127, 128, 16383, 16384, UINT32_MAX,
					   (uint64_t)UINT32_MAX + 1, INT64_MAX, UINT64_MAX };
	bool same = true, cut = true;
	uint8_t p[10];
	struct ck_span s;
	uint64_t v;
	uint32_t w;

	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		size_t n = ck_varint_put(p, values[i]);

		s = ck_span(p, n);
		same &= ck_varint64(&s, &v) && v == values[i] && s.n == 0;
		for (size_t k = 0; k < n; k++) {
			s = ck_span(p, k);
			cut &= !ck_varint64(&s, &v) && s.n == k;
		}
	}
	tap_ok(same, "varint64: what is written reads back");
	tap_ok(cut, "varint64: a cut one is refused and not consumed");
	s = ck_span("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10);
	tap_ok(!ck_varint64(&s, &v), "varint64: a 65th bit is refused");
	s = ck_span("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11);
	tap_ok(!ck_varint64(&s, &v), "varint64: eleven bytes are refused");
	s = ck_span("\xff\xff\xff\xff\x0f", 5);
	tap_ok(ck_varint32(&s, &w) && w == UINT32_MAX, "varint32: the largest");
	s = ck_span("\xff\xff\xff\xff\x1f", 5);
	tap_ok(!ck_varint32(&s, &w), "varint32: a 33rd bit is refused");
}

static void test_crc32c(void)
{
	uint8_t data[4096];
	bool joins = true, masks = true;

	tap_is_u64(ck_crc32c("123456789", 9), 0xe3069283, "crc32c: check value");
	tap_is_u64(ck_crc32c("", 0), 0, "crc32c: of nothing");
	tap_is_u64(ck_crc32c_mask(0xe3069283), 0xc78ab0e5, "crc32c: masked check value");
	tap_is_u64(ck_crc32c_mask(0), 0xa282ead8, "crc32c: masked zero");
	srand(1);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)rand();
	for (int i = 0; i < 2000; i++) {
		size_t n = (size_t)rand() % sizeof(data), k = n ? (size_t)rand() % n : 0;
		uint32_t a = ck_crc32c(data, k), b = ck_crc32c(data + k, n - k);
		uint32_t whole = ck_crc32c(data, n);

		joins &= ck_crc32c_combine(a, b, n - k) == whole &&
			 ck_crc32c_extend(a, data + k, n - k) == whole;
		masks &= ck_crc32c_unmask(ck_crc32c_mask(whole)) == whole;
	}
	tap_ok(joins, "crc32c: combine and extend agree with the whole, 2000 random splits");
	tap_ok(masks, "crc32c: unmask undoes mask");
	memset(data, 0, sizeof(data));
	{
		/* 2^32 zero bytes by doubling, against the same through combine's length. */
		uint32_t doubled = ck_crc32c(data, 4096), one = ck_crc32c("x", 1), zeros = one;

		for (int i = 12; i < 32; i++)
			doubled = ck_crc32c_combine(doubled, doubled, 1ull << i);
		zeros = ck_crc32c_combine(one, doubled, 1ull << 32);
		for (int i = 0; i < 2; i++) {
			uint32_t half = ck_crc32c(data, 4096);

			for (int k = 12; k < 31; k++)
				half = ck_crc32c_combine(half, half, 1ull << k);
			one = ck_crc32c_combine(one, half, 1ull << 31);
		}
		tap_is_u64(one, zeros, "crc32c: combine over 4 GiB in one and in two steps");
	}
}

static void test_utf8(void)
{
	tap_ok(ck_utf8_valid(text("a\xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80")), "utf8: valid");
	tap_ok(!ck_utf8_valid(text("\xc0\xaf")), "utf8: overlong two bytes");
	tap_ok(!ck_utf8_valid(text("\xe0\x80\xaf")), "utf8: overlong three bytes");
	tap_ok(!ck_utf8_valid(text("\xed\xa0\x80")), "utf8: surrogate");
	tap_ok(!ck_utf8_valid(text("\xf4\x90\x80\x80")), "utf8: above U+10FFFF");
	tap_ok(!ck_utf8_valid(text("\xe6\x97")), "utf8: cut character");
	tap_ok(!ck_utf8_valid(text("\x80")), "utf8: lone continuation");
}

static int sign(int v)
{
	return (v > 0) - (v < 0);
}

static void test_natural(void)
{
	/* 01 and 1, a02 and a2 are the same number: memcmp order decides between them. */
	static const char *const rising[] = { "",	 "0",	    "01",     "1",     "1a",
					      "2",	 "10",	    "a",      "a1",    "a1b",
					      "a02",	 "a2",	    "a10",    "layer", "layer2",
					      "layer10", "layer10a" };
	const int n = (int)(sizeof(rising) / sizeof(*rising));
	bool right = true;

	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++)
			right &= sign(ck_natural_cmp(text(rising[i]), text(rising[j]))) ==
				 sign(i - j);
	tap_ok(right, "natural: the table is in order, both ways");
	tap_ok(ck_natural_cmp(text("x99999999999999999999999"), text("x100000000000000000000000")) <
		       0, "natural: numbers longer than any integer");
}

static void test_json(void)
{
	struct ck_buf b = CK_BUF_INIT;
	char quoted[32];

	ck_json_bytes(ck_span("a\"\\\n\x01/\xc3\xa9\x7f", 9), &b);
	tap_is_str(b.p, "\"a\\\"\\\\\\n\\u0001/\xc3\xa9\\u007f\"", "json: escapes");
	ck_buf_clear(&b);
	ck_json_bytes(ck_span("\xff", 1), &b);
	tap_is_str(b.p, "{\"base64\": \"/w==\"}", "json: one byte that is not UTF-8");
	ck_buf_clear(&b);
	ck_json_bytes(ck_span("\xff\0a", 3), &b);
	tap_is_str(b.p, "{\"base64\": \"/wBh\"}", "json: three bytes");
	ck_buf_clear(&b);
	ck_json_numbers((const uint64_t[]){ 0, UINT64_MAX }, 2, &b);
	tap_is_str(b.p, "[0, 18446744073709551615]", "json: numbers");
	ck_buf_clear(&b);
	ck_json_numbers(NULL, 0, &b);
	tap_is_str(b.p, "[]", "json: no numbers");
	ck_buf_done(&b);
	tap_is_str(ck_quote(quoted, sizeof(quoted), "a\n\"\xff\xc3\xa9", 6),
		   "\"a\\x0a\\\"\\xff\xc3\xa9\"", "quote: control bytes and what is not UTF-8");
	ck_quote(quoted, sizeof(quoted), "0123456789012345678901234567890123456789", 40);
	tap_ok(strlen(quoted) < sizeof(quoted) && strcmp(quoted + strlen(quoted) - 4, "...\"") == 0,
	       "quote: a long name is cut: %s", quoted);
}

int main(void)
{
	tap_plan(32);
	test_varint();
	test_crc32c();
	test_utf8();
	test_natural();
	test_json();
	{
		struct ck_err err = CK_ERR_INIT;

		tap_ok(ck_fail(&err, CK_CORRUPT, 5, "first %d", 1) == -5 && err.cls == CK_CORRUPT,
		       "err: class and errno");
		ck_fail(&err, CK_USAGE, 22, "second");
		tap_is_str(err.text, "first 1", "err: the first one stays");
	}
	tap_ok(ck_fail(NULL, CK_USAGE, 22, "x") == -22, "err: NULL is allowed");
	return tap_done();
}
