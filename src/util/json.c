/* json.c - see json.h. */
#include "util/json.h"

#include "util/utf8.h"

static void escaped(uint8_t c, struct ck_buf *out)
{
	static const char letters[] = "btn\0fr"; /* for 8 .. 13 */

	if (c == '"' || c == '\\')
		ck_buf_printf(out, "\\%c", c);
	else if (c >= 8 && c <= 13 && letters[c - 8])
		ck_buf_printf(out, "\\%c", letters[c - 8]);
	else
		ck_buf_printf(out, "\\u%04x", c);
}

void ck_json_string(struct ck_span s, struct ck_buf *out)
{
	size_t plain = 0;

	ck_buf_char(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] >= 0x20 && s.p[i] != '"' && s.p[i] != '\\' && s.p[i] != 0x7f)
			continue;
		ck_buf_add(out, s.p + plain, i - plain);
		escaped(s.p[i], out);
		plain = i + 1;
	}
	ck_buf_add(out, s.p + plain, s.n - plain);
	ck_buf_char(out, '"');
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void base64(struct ck_span s, struct ck_buf *out)
{
	for (size_t i = 0; i < s.n; i += 3) {
		size_t n = s.n - i < 3 ? s.n - i : 3;
		uint32_t v = (uint32_t)s.p[i] << 16;

		if (n > 1)
			v |= (uint32_t)s.p[i + 1] << 8;
		if (n > 2)
			v |= s.p[i + 2];
		ck_buf_char(out, digits[v >> 18]);
		ck_buf_char(out, digits[v >> 12 & 63]);
		ck_buf_char(out, n > 1 ? digits[v >> 6 & 63] : '=');
		ck_buf_char(out, n > 2 ? digits[v & 63] : '=');
	}
}

void ck_json_bytes(struct ck_span s, struct ck_buf *out)
{
	if (ck_utf8_valid(s)) {
		ck_json_string(s, out);
		return;
	}
	ck_buf_str(out, "{\"base64\": \"");
	base64(s, out);
	ck_buf_str(out, "\"}");
}

/* The value of n digits at p, which are followed by padding; -1 where one is no digit. */
static int32_t value_of(const uint8_t *p, size_t n)
{
	uint32_t v = 0;

	for (size_t i = 0; i < 4; i++) {
		const char *digit = i < n ? memchr(digits, p[i], 64) : digits;

		if (!digit || (i >= n && p[i] != '='))
			return -1;
		v = v << 6 | (uint32_t)(digit - digits);
	}
	return (int32_t)v;
}

bool ck_json_unbase64(struct ck_span text, struct ck_buf *out)
{
	if (text.n % 4)
		return false;
	for (size_t i = 0; i < text.n; i += 4) {
		const uint8_t *p = text.p + i;
		size_t n = i + 4 < text.n || p[3] != '=' ? 4 : p[2] != '=' ? 3 : 2;
		int32_t v = value_of(p, n);

		if (v < 0 || v & (n == 4 ? 0 : n == 3 ? 0xff : 0xffff))
			return false; /* bits past the last byte have to be 0 */
		ck_buf_char(out, (char)(v >> 16));
		if (n > 2)
			ck_buf_char(out, (char)(v >> 8));
		if (n > 3)
			ck_buf_char(out, (char)v);
	}
	return true;
}

/* By hand: a string tensor may have a million lengths. */
void ck_json_number(uint64_t v, struct ck_buf *out)
{
	char text[20];
	size_t at = sizeof(text);

	do
		text[--at] = (char)('0' + v % 10);
	while (v /= 10);
	ck_buf_add(out, text + at, sizeof(text) - at);
}

void ck_json_numbers(const uint64_t *v, size_t n, struct ck_buf *out)
{
	ck_buf_char(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			ck_buf_str(out, ", ");
		ck_json_number(v[i], out);
	}
	ck_buf_char(out, ']');
}
