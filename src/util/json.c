/* json.c - see json.h. */
#include "util/json.h"

#include "util/utf8.h"

#include <inttypes.h>

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

static void base64(struct ck_span s, struct ck_buf *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

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

void ck_json_numbers(const uint64_t *v, size_t n, struct ck_buf *out)
{
	ck_buf_char(out, '[');
	for (size_t i = 0; i < n; i++)
		ck_buf_printf(out, i ? ", %" PRIu64 : "%" PRIu64, v[i]);
	ck_buf_char(out, ']');
}
