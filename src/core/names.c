/* names.c - see names.h. */
#include "core/names.h"

#include "util/utf8.h"

#include <stdio.h>

#define CUT_AT (CK_SPELLING_MAX - 18) /* "%~" and 16 digits follow */

static const char *const suffixes[] = { ".json", ".npy", ".txt", ".d" };

static bool ends_with(struct ck_span s, const char *suffix)
{
	size_t n = strlen(suffix);

	return s.n >= n && memcmp(s.p + s.n - n, suffix, n) == 0;
}

static bool equals(struct ck_span s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

/* The positions (besides those of %, NUL and /) whose bytes must be encoded: at most four. */
struct marks {
	size_t at[4];
	unsigned n;
};

static void mark(struct marks *m, size_t at)
{
	m->at[m->n++] = at;
}

static struct marks find_marks(struct ck_span c, unsigned flags)
{
	struct marks m = { .n = 0 };

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++)
		if (ends_with(c, suffixes[i]))
			mark(&m, c.n - strlen(suffixes[i]));
	if ((flags & CK_NAME_ROOT) && equals(c, ".ckptfuse"))
		mark(&m, 0);
	if (!(flags & CK_NAME_LAST) || !c.n)
		return m;
	if (c.p[0] == '.')
		mark(&m, 0);
	if (c.p[c.n - 1] == '~')
		mark(&m, c.n - 1);
	if (ends_with(c, ".swp"))
		mark(&m, c.n - 4);
	if (c.n >= 2 && c.p[0] == '#' && c.p[c.n - 1] == '#') {
		mark(&m, 0);
		mark(&m, c.n - 1);
	}
	return m;
}

static bool marked(const struct marks *m, size_t at)
{
	for (unsigned i = 0; i < m->n; i++)
		if (m->at[i] == at)
			return true;
	return false;
}

static void encode_whole(struct ck_span c, unsigned flags, struct ck_buf *out)
{
	struct marks m;

	if (!c.n) {
		ck_buf_str(out, "%-");
		return;
	}
	if (equals(c, ".") || equals(c, "..")) {
		ck_buf_str(out, c.n == 1 ? "%2E" : "%2E%2E");
		return;
	}
	m = find_marks(c, flags);
	for (size_t i = 0; i < c.n; i++) {
		uint8_t b = c.p[i];

		if (b == '%' || b == '\0' || b == '/' || marked(&m, i))
			ck_buf_printf(out, "%%%02X", b);
		else
			ck_buf_char(out, (char)b);
	}
}

/* FNV-1a, 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t fnv1a(struct ck_span s)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ s.p[i]) * 0x100000001b3ull;
	return h;
}

/* How much of a whole spelling is kept: no %XX and no UTF-8 character is cut through. */
static size_t cut_length(struct ck_span whole)
{
	size_t cut = CUT_AT;

	if (whole.p[cut - 1] == '%')
		return cut - 1;
	if (whole.p[cut - 2] == '%')
		return cut - 2;
	for (size_t back = 1; back <= 3; back++) {
		size_t n = ck_utf8_len(ck_span(whole.p + cut - back, whole.n - (cut - back)));

		if (n > 1)
			return n > back ? cut - back : cut;
	}
	return cut;
}

void ck_name_encode(struct ck_span component, unsigned flags, bool cut, struct ck_buf *out)
{
	size_t start = out->n;
	struct ck_span whole;
	uint64_t hash;

	encode_whole(component, flags, out);
	if (!cut || ck_buf_failed(out) || out->n - start <= CK_SPELLING_MAX)
		return;
	whole = ck_span(out->p + start, out->n - start);
	hash = fnv1a(whole);
	out->n = start + cut_length(whole);
	ck_buf_printf(out, "%%~%016llx", (unsigned long long)hash);
}

bool ck_name_long_hash(struct ck_span component, unsigned flags, uint64_t *ret)
{
	struct ck_buf ck_auto_buf whole = CK_BUF_INIT;

	if (component.n <= CK_SPELLING_MAX / 3) /* a byte takes three at most */
		return false;
	encode_whole(component, flags, &whole);
	if (ck_buf_failed(&whole) || whole.n <= CK_SPELLING_MAX)
		return false;
	*ret = fnv1a(ck_span(whole.p, whole.n));
	return true;
}

static int hex(uint8_t c, const char *digits)
{
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* "...%~" and 16 digits at the end. */
static bool is_cut(struct ck_span s, uint64_t *hash)
{
	uint64_t h = 0;

	if (s.n < 18 || s.p[s.n - 18] != '%' || s.p[s.n - 17] != '~')
		return false;
	for (size_t i = s.n - 16; i < s.n; i++) {
		int d = hex(s.p[i], "0123456789abcdef");

		if (d < 0)
			return false;
		h = h << 4 | (uint64_t)d;
	}
	*hash = h;
	return true;
}

enum ck_name_kind ck_name_decode(struct ck_span s, unsigned flags, struct ck_buf *ret,
				 uint64_t *hash)
{
	struct ck_buf ck_auto_buf again = CK_BUF_INIT;
	size_t start = ret->n;
	struct ck_span got;

	if (is_cut(s, hash))
		return CK_NAME_CUT;
	if (!s.n || s.n > CK_SPELLING_MAX)
		return CK_NAME_BAD;
	if (!equals(s, "%-")) {
		for (size_t i = 0; i < s.n; i++) {
			int hi, lo;

			if (s.p[i] != '%') {
				ck_buf_char(ret, (char)s.p[i]);
				continue;
			}
			if (s.n - i < 3 || (hi = hex(s.p[i + 1], "0123456789ABCDEF")) < 0 ||
			    (lo = hex(s.p[i + 2], "0123456789ABCDEF")) < 0)
				return CK_NAME_BAD;
			ck_buf_char(ret, (char)(hi << 4 | lo));
			i += 2;
		}
	}
	/* One component, one spelling: what is not how we would write it is nobody's. */
	got = ck_span(ret->p ? ret->p + start : "", ret->n - start);
	encode_whole(got, flags, &again);
	if (ck_buf_failed(ret) || ck_buf_failed(&again) ||
	    ck_span_cmp(ck_span(again.p, again.n), s) != 0) {
		ret->n = start;
		return CK_NAME_BAD;
	}
	return CK_NAME_PLAIN;
}
