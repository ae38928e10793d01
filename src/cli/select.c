/* select.c - see select.h. */
#include "cli/select.h"

#include "core/tree.h"
#include "util/buf.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>

static struct ck_span model_name(const void *self, uint32_t i)
{
	const struct ck_model *m = self;

	return ck_var_name(m, &m->vars[i]);
}

struct ck_catalog ck_catalog_of_model(const struct ck_model *m)
{
	return (struct ck_catalog){
		.where = m->path,
		.noun = "variable",
		.hint = CK_CATALOG_HINT,
		.n = m->nvars,
		.self = m,
		.name = model_name,
	};
}

/* The first name that is not before this one. */
static uint32_t lower_bound(const struct ck_catalog *c, struct ck_span name)
{
	uint32_t lo = 0, hi = c->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (ck_span_cmp(c->name(c->self, mid), name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uint32_t ck_catalog_find(const struct ck_catalog *c, struct ck_span name)
{
	uint32_t at = lower_bound(c, name);

	return at < c->n && ck_span_cmp(c->name(c->self, at), name) == 0 ? at : CK_NO_NAME;
}

bool ck_catalog_has_scope(const struct ck_catalog *c, struct ck_span scope)
{
	uint32_t at = lower_bound(c, scope);
	struct ck_span s;

	if (at == c->n)
		return false;
	s = c->name(c->self, at);
	return s.n > scope.n && memcmp(s.p, scope.p, scope.n) == 0;
}

/* Marks every name that the pattern fits; answers how many there are. */
static int mark_matches(const struct ck_catalog *c, const char *pattern, uint8_t *marks,
			uint32_t *ret, struct ck_err *err)
{
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;

	*ret = 0;
	for (uint32_t i = 0; i < c->n; i++) {
		struct ck_span name = c->name(c->self, i);

		ck_buf_clear(&text);
		ck_buf_add(&text, name.p, name.n);
		if (ck_buf_failed(&text))
			return ck_fail_nomem(err, c->where);
		if (fnmatch(pattern, text.p, 0) == 0) {
			marks[i] = 1;
			++*ret;
		}
	}
	return 0;
}

/* Whether a name with that ending is there. */
static bool exists_with(const struct ck_catalog *c, const char *name, const char *ending)
{
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;

	ck_buf_str(&text, name);
	ck_buf_str(&text, ending);
	return !ck_buf_failed(&text) && ck_catalog_find(c, ck_span(text.p, text.n)) != CK_NO_NAME;
}

static bool is_scope(const struct ck_catalog *c, const char *name, size_t n)
{
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;

	ck_buf_add(&text, name, n);
	ck_buf_char(&text, '/');
	return n && !ck_buf_failed(&text) && ck_catalog_has_scope(c, ck_span(text.p, text.n));
}

int ck_select_none(const struct ck_catalog *c, const char *operand, struct ck_err *err)
{
	size_t n = strlen(operand), scope = n;
	char quoted[CK_QUOTE_ROOM];

	ck_quote(quoted, sizeof(quoted), operand, n);
	if (exists_with(c, operand, CK_TF2_SUFFIX))
		return ck_fail(err, CK_USAGE, ENOENT,
			       "%s: there is no %s %s: give its whole name, %s" CK_TF2_SUFFIX,
			       c->where, c->noun, quoted, operand);
	while (scope && operand[scope - 1] == '/')
		scope--;
	if (is_scope(c, operand, scope))
		return ck_fail(err, CK_USAGE, ENOENT,
			       "%s: %s is a scope, not a variable: give '%.*s/*' for what lies in "
			       "it",
			       c->where, quoted, (int)scope, operand);
	return ck_fail(err, CK_USAGE, ENOENT, "%s: there is no %s %s: %s", c->where, c->noun,
		       quoted, c->hint);
}

/* "\=" stands for "=", which divides names where a command takes two of them. */
void ck_select_plain(const char *operand, size_t n, struct ck_buf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (operand[i] == '\\' && i + 1 < n && operand[i + 1] == '=')
			i++;
		ck_buf_char(out, operand[i]);
	}
}

uint32_t ck_select_exact(const struct ck_catalog *c, const char *operand)
{
	struct ck_buf ck_auto_buf plain = CK_BUF_INIT;
	uint32_t found = ck_catalog_find(c, ck_span(operand, strlen(operand)));

	if (found != CK_NO_NAME)
		return found;
	ck_select_plain(operand, strlen(operand), &plain);
	return plain.n && !ck_buf_failed(&plain) ? ck_catalog_find(c, ck_span(plain.p, plain.n)) :
						   CK_NO_NAME;
}

/* Marks what one NAME means: the variable of that name, else those it fits as a glob. */
static int mark_name(const struct ck_catalog *c, const char *name, uint8_t *marks,
		     struct ck_err *err)
{
	struct ck_buf ck_auto_buf plain = CK_BUF_INIT;
	uint32_t exact = ck_select_exact(c, name), matches;
	int r;

	if (exact != CK_NO_NAME) {
		marks[exact] = 1;
		return 0;
	}
	ck_select_plain(name, strlen(name), &plain);
	if (ck_buf_failed(&plain))
		return ck_fail_nomem(err, c->where);
	r = mark_matches(c, plain.n ? plain.p : "", marks, &matches, err);
	return r == 0 && !matches ? ck_select_none(c, name, err) : r;
}

int ck_select(const struct ck_catalog *c, char **names, int nnames, struct ck_selection *ret,
	      struct ck_err *err)
{
	struct ck_selection s = { 0 };
	uint8_t *marks = calloc((size_t)c->n + 1, 1);
	int r = 0;

	s.vars = malloc(((size_t)c->n + 1) * sizeof(*s.vars));
	if (!marks || !s.vars)
		r = ck_fail_nomem(err, c->where);
	for (int k = 0; k < nnames && r == 0; k++)
		r = mark_name(c, names[k], marks, err);
	for (uint32_t i = 0; i < c->n && r == 0; i++) {
		if (!nnames || marks[i])
			s.vars[s.n++] = i;
	}
	free(marks);
	if (r < 0)
		ck_selection_done(&s);
	else
		*ret = s;
	return r;
}

void ck_selection_done(struct ck_selection *s)
{
	free(s->vars);
	*s = (struct ck_selection){ 0 };
}

int ck_on_selection(const struct ck_args *args,
		    int (*fn)(struct ck_model *m, const struct ck_selection *s,
			      const struct ck_args *args, struct ck_err *bad, struct ck_err *err))
{
	struct ck_err err = CK_ERR_INIT, bad = CK_ERR_INIT;
	struct ck_model *m = ck_cli_open(args, &err);
	struct ck_selection s = { 0 };
	struct ck_catalog c;
	int r = m ? 0 : -EIO;

	if (r == 0) {
		c = ck_catalog_of_model(m);
		r = ck_select(&c, args->names, args->nnames, &s, &err);
	}
	if (r == 0)
		r = fn(m, &s, args, &bad, &err);
	ck_selection_done(&s);
	ck_model_unref(m);
	if (r < 0)
		return ck_cli_fail(&err);
	return bad.cls != CK_OK ? ck_cli_fail(&bad) : 0;
}
