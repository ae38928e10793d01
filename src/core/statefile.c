/* statefile.c - see statefile.h. */
#include "core/statefile.h"

#include "io/source.h"
#include "util/buf.h"

#include <errno.h>
#include <stdlib.h>

static bool blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',' || c == ';';
}

/* Steps over blanks, separators and comments. */
static void skip(struct ck_span *s)
{
	while (s->n && (blank(*s->p) || *s->p == '#')) {
		if (*s->p == '#') {
			while (s->n && *s->p != '\n')
				s->p++, s->n--;
			continue;
		}
		s->p++, s->n--;
	}
}

/* A run of what names and numbers are made of. */
static struct ck_span word(struct ck_span *s)
{
	const uint8_t *p = s->p;

	while (s->n && !blank(*s->p) && !memchr(":#\"'{}<>", *s->p, 8))
		s->p++, s->n--;
	return ck_span(p, (size_t)(s->p - p));
}

static int digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

/* The byte that the escape at the front of *s, behind its backslash, stands for. */
static bool escape(struct ck_span *s, uint8_t *ret)
{
	static const char from[] = "abfnrtv", to[] = "\a\b\f\n\r\t\v";
	unsigned base = 8, most = 3, v = 0;
	const char *simple;
	uint8_t c;

	if (!s->n)
		return false;
	c = *s->p;
	simple = c ? strchr(from, c) : NULL;
	if (simple || digit(c) >= 8) {
		if (c != 'x' && c != 'X') {
			*ret = simple ? (uint8_t)to[simple - from] : c;
			s->p++, s->n--;
			return true;
		}
		base = 16;
		most = 2;
		s->p++, s->n--;
	}
	for (; most && s->n && digit(*s->p) < (int)base; most--) {
		v = v * base + (unsigned)digit(*s->p);
		s->p++, s->n--;
	}
	*ret = (uint8_t)v;
	return true;
}

/* Adjacent string literals, which are one string; *any is false where there is none. */
static bool strings(struct ck_span *s, struct ck_buf *out, bool *any)
{
	*any = false;
	skip(s);
	while (s->n && (*s->p == '"' || *s->p == '\'')) {
		uint8_t quote = *s->p, c;

		for (s->p++, s->n--; s->n && *s->p != quote;) {
			c = *s->p;
			s->p++, s->n--;
			if (c == '\\' && !escape(s, &c))
				return false;
			ck_buf_char(out, (char)c);
		}
		if (!s->n)
			return false;
		s->p++, s->n--;
		*any = true;
		skip(s);
	}
	return true;
}

/* Finds the field; false where the text is not of that format. */
static bool find(struct ck_span s, const char *field, struct ck_buf *out)
{
	for (skip(&s); s.n; skip(&s)) {
		struct ck_span name = word(&s);
		bool quoted;

		skip(&s);
		if (!name.n || !s.n || *s.p != ':')
			return false;
		s.p++, s.n--;
		ck_buf_clear(out);
		if (!strings(&s, out, &quoted) || (!quoted && !word(&s).n))
			return false;
		if (name.n == strlen(field) && memcmp(name.p, field, name.n) == 0)
			return out->n && strlen(out->p) == out->n; /* a path has no NUL */
	}
	return false;
}

int ck_statefile_latest(const char *path, char **ret, struct ck_err *err)
{
	ck_auto_buf struct ck_buf latest = CK_BUF_INIT;
	struct ck_source *s = NULL;
	uint8_t *text = NULL;
	uint64_t size;
	int r;

	r = ck_source_open(path, &s, err);
	if (r < 0)
		return r;
	size = ck_source_size(s);
	if (size > CK_STATEFILE_MAX) {
		r = ck_fail(err, CK_FOREIGN, EBADMSG, "%s: too large for a state file", path);
		goto out;
	}
	text = malloc(size + 1);
	if (!text) {
		r = ck_fail_nomem(err, path);
		goto out;
	}
	r = ck_source_read(s, 0, text, size, err);
	if (r < 0)
		goto out;
	if (!find(ck_span(text, size), "model_checkpoint_path", &latest)) {
		r = ck_fail(err, CK_FOREIGN, EBADMSG,
			    "%s: not a state file: it names no checkpoint", path);
		goto out;
	}
	if (ck_buf_failed(&latest)) {
		r = ck_fail_nomem(err, path);
		goto out;
	}
	*ret = latest.p;
	latest = (struct ck_buf)CK_BUF_INIT;
	r = 0;
out:
	free(text);
	ck_source_unref(s);
	return r;
}
