/* varmeta_list.c - see varmeta_list.h. */
#include "saver/varmeta_list.h"

#include <errno.h>
#include <stdlib.h>

/* Positions are indices of the text; behind its end there is a NUL. */
static uint8_t at(struct ck_span text, size_t i)
{
	return i < text.n ? text.p[i] : 0;
}

static size_t skip_space(struct ck_span text, size_t i)
{
	while (at(text, i) == ' ' || at(text, i) == '\n' || at(text, i) == '\t' ||
	       at(text, i) == '\r')
		i++;
	return i;
}

/* From a quote to behind the one that ends the string. */
static size_t skip_string(struct ck_span text, size_t i)
{
	for (i++; i < text.n && text.p[i] != '"'; i++)
		if (text.p[i] == '\\')
			i++;
	return i + 1;
}

/* Where the member "lengths" of the outermost object has its '['; the text's length: nowhere. A
 * name that is spelt otherwise (\u006c) is not found here, but is by jansson. */
static size_t find(struct ck_span text)
{
	static const char name[] = "\"lengths\"";
	const size_t len = sizeof(name) - 1;
	int64_t depth = 0;

	for (size_t i = 0; i < text.n;) {
		uint8_t c = text.p[i];
		size_t end = c == '"' ? skip_string(text, i) : i + 1, colon;

		depth += (c == '{' || c == '[') - (c == '}' || c == ']');
		if (c == '"' && depth == 1 && end - i == len && end <= text.n &&
		    memcmp(text.p + i, name, len) == 0) {
			colon = skip_space(text, end);
			end = skip_space(text, colon + 1);
			if (at(text, colon) == ':')
				return at(text, end) == '[' ? end : text.n;
			end = colon;
		}
		i = end;
	}
	return text.n;
}

/* A number as JSON has it: without sign, fraction, exponent and zeros in front. */
static bool number(struct ck_span text, size_t *i, uint64_t *ret)
{
	size_t from = *i;
	uint64_t v = 0;

	for (; at(text, *i) >= '0' && at(text, *i) <= '9'; ++*i)
		if (!ck_mul_u64(v, 10, &v) || !ck_add_u64(v, text.p[*i] - (uint8_t)'0', &v) ||
		    v > INT64_MAX)
			return false;
	*ret = v;
	return *i > from && (*i - from == 1 || text.p[from] != '0');
}

/* Counts the numbers from '[' at i on to ']' and, unless v is NULL, keeps them; *end is behind. */
static bool list(struct ck_span text, size_t i, uint64_t *v, uint64_t *n, size_t *end)
{
	uint64_t value;

	*n = 0;
	i = skip_space(text, i + 1);
	if (at(text, i) != ']') {
		for (;; i = skip_space(text, i + 1)) {
			if (!number(text, &i, &value))
				return false;
			if (v)
				v[*n] = value;
			++*n;
			i = skip_space(text, i);
			if (at(text, i) != ',')
				break;
		}
	}
	*end = i + 1;
	return at(text, i) == ']';
}

static bool too_much(const char *p, size_t n)
{
	size_t commas = 0;

	for (size_t i = 0; i < n; i++)
		commas += p[i] == ',';
	return commas >= CK_META_VALUES_MAX;
}

static int take(struct ck_span text, size_t from, size_t to, struct ck_varmeta_list *l)
{
	l->v = calloc(l->n + 1, sizeof(*l->v));
	l->rest = malloc(text.n);
	if (!l->v || !l->rest)
		return -ENOMEM;
	list(text, from, l->v, &l->n, &to);
	memcpy(l->rest, text.p, text.n);
	for (size_t i = from + 1; i < to - 1; i++)
		if (l->rest[i] != '\n')
			l->rest[i] = ' ';
	return 0;
}

int ck_varmeta_list(struct ck_span text, struct ck_varmeta_list *ret)
{
	struct ck_varmeta_list l = { 0 };
	size_t from = find(text), to;
	int r = 0;

	if (from < text.n && list(text, from, NULL, &l.n, &to))
		r = take(text, from, to, &l);
	if (r == 0 && too_much(l.rest ? l.rest : (const char *)text.p, text.n))
		r = -E2BIG;
	if (r < 0) {
		free(l.v);
		free(l.rest);
	} else {
		*ret = l;
	}
	return r;
}
