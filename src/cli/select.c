/* select.c - see select.h. */
#include "cli/select.h"

#include "core/tree.h"
#include "util/buf.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>

/* Marks every variable that the pattern fits; answers how many there are. */
static int mark_matches(const struct ck_model *m, const char *pattern, uint8_t *marks,
			uint32_t *ret, struct ck_err *err)
{
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;

	*ret = 0;
	for (uint32_t i = 0; i < m->nvars; i++) {
		struct ck_span name = ck_var_name(m, &m->vars[i]);

		ck_buf_clear(&text);
		ck_buf_add(&text, name.p, name.n);
		if (ck_buf_failed(&text))
			return ck_fail_nomem(err, m->path);
		if (fnmatch(pattern, text.p, 0) == 0) {
			marks[i] = 1;
			++*ret;
		}
	}
	return 0;
}

/* Whether a variable of that name and ending exists. */
static bool exists_with(const struct ck_model *m, const char *name, const char *ending)
{
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;

	ck_buf_str(&text, name);
	ck_buf_str(&text, ending);
	return !ck_buf_failed(&text) && ck_model_find(m, ck_span(text.p, text.n)) != CK_NO_VAR;
}

static int no_match(const struct ck_model *m, const char *name, struct ck_err *err)
{
	size_t n = strlen(name), scope = n;
	char quoted[CK_QUOTE_ROOM];

	ck_quote(quoted, sizeof(quoted), name, n);
	if (exists_with(m, name, CK_TF2_SUFFIX))
		return ck_fail(err, CK_USAGE, ENOENT,
			       "%s: there is no variable %s: give its whole name, %s" CK_TF2_SUFFIX,
			       m->path, quoted, name);
	while (scope && name[scope - 1] == '/')
		scope--;
	for (uint32_t i = 0; scope && i < m->nvars; i++) {
		struct ck_span s = ck_var_name(m, &m->vars[i]);

		if (s.n > scope && memcmp(s.p, name, scope) == 0 && s.p[scope] == '/')
			return ck_fail(err, CK_USAGE, ENOENT,
				       "%s: %s is a scope, not a variable: give '%.*s/*' for what "
				       "lies in it",
				       m->path, quoted, (int)scope, name);
	}
	return ck_fail(err, CK_USAGE, ENOENT,
		       "%s: there is no variable %s: ckptctl ls shows what there is", m->path,
		       quoted);
}

/* "\=" stands for "=", which divides names where a command takes two of them. */
static void undo_escapes(const char *name, struct ck_buf *ret)
{
	ck_buf_clear(ret);
	for (; *name; name++) {
		if (name[0] == '\\' && name[1] == '=')
			name++;
		ck_buf_char(ret, *name);
	}
}

/* Marks what one NAME means: the variable of that name, else those it fits as a glob. */
static int mark_name(const struct ck_model *m, const char *name, uint8_t *marks, struct ck_err *err)
{
	struct ck_buf ck_auto_buf plain = CK_BUF_INIT;
	uint32_t var, matches;
	int r;

	undo_escapes(name, &plain);
	if (ck_buf_failed(&plain))
		return ck_fail_nomem(err, m->path);
	var = ck_model_find(m, ck_span(name, strlen(name)));
	if (var == CK_NO_VAR && plain.n)
		var = ck_model_find(m, ck_span(plain.p, plain.n));
	if (var != CK_NO_VAR) {
		marks[var] = 1;
		return 0;
	}
	r = mark_matches(m, plain.n ? plain.p : "", marks, &matches, err);
	return r == 0 && !matches ? no_match(m, name, err) : r;
}

int ck_select(const struct ck_model *m, char **names, int nnames, struct ck_selection *ret,
	      struct ck_err *err)
{
	struct ck_selection s = { 0 };
	uint8_t *marks = calloc((size_t)m->nvars + 1, 1);
	int r = 0;

	s.vars = malloc(((size_t)m->nvars + 1) * sizeof(*s.vars));
	if (!marks || !s.vars)
		r = ck_fail_nomem(err, m->path);
	for (int k = 0; k < nnames && r == 0; k++)
		r = mark_name(m, names[k], marks, err);
	for (uint32_t i = 0; i < m->nvars && r == 0; i++) {
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
	int r = m ? ck_select(m, args->names, args->nnames, &s, &err) : -EIO;

	if (r == 0)
		r = fn(m, &s, args, &bad, &err);
	ck_selection_done(&s);
	ck_model_unref(m);
	if (r < 0)
		return ck_cli_fail(&err);
	return bad.cls != CK_OK ? ck_cli_fail(&bad) : 0;
}
