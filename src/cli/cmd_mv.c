/* cmd_mv.c - ckptctl mv: a variable, or a whole scope, by another name. */
#include "cli/cli.h"

#include "cli/editor.h"

#include <errno.h>

static bool is_scope(struct ck_span name)
{
	return name.n && name.p[name.n - 1] == '/';
}

/* Says why OLD means nothing, which takes a list of what there is. */
static int none(struct ck_editor *e, const char *operand, struct ck_err *err)
{
	struct ck_namelist all = { 0 };
	struct ck_catalog c;
	char quoted[CK_QUOTE_ROOM];
	size_t n = strlen(operand);
	int r = ck_editor_names(e, &all, err);

	if (r < 0)
		return r;
	c = ck_catalog_of_list(&all, ck_editor_where(e));
	ck_quote(quoted, sizeof(quoted), operand, n);
	if (n && operand[n - 1] == '/')
		r = ck_fail(err, CK_USAGE, ENOENT,
			    "%s: there is no scope %s: ckptctl ls shows what there is", c.where,
			    quoted);
	else
		r = ck_select_none(&c, operand, err);
	ck_namelist_done(&all);
	return r;
}

static int check_scope(struct ck_editor *e, struct ck_span old, struct ck_span new,
		       struct ck_err *err)
{
	char from[CK_QUOTE_ROOM], to[CK_QUOTE_ROOM];
	bool there;
	int r;

	ck_quote(from, sizeof(from), old.p, old.n);
	ck_quote(to, sizeof(to), new.p, new.n);
	if (new.n > old.n && memcmp(new.p, old.p, old.n) == 0)
		return ck_fail(err, CK_USAGE, EINVAL,
			       "%s: the scope %s cannot become one in itself, %s",
			       ck_editor_where(e), from, to);
	if (ck_editor_is_long(new))
		return ck_fail(err, CK_UNSUPPORTED, ENAMETOOLONG,
			       "%s: %s is too long for a scope: a part of it takes over 250 bytes",
			       ck_editor_where(e), to);
	r = ck_editor_has(e, new, &there, err);
	if (r == 0 && there)
		r = ck_fail(err, CK_USAGE, EEXIST,
			    "%s: there is a scope %s already: rename the variables of %s one by "
			    "one, or remove those of %s first",
			    ck_editor_where(e), to, from, to);
	return r;
}

/* OLD as it is in the checkpoint: byte for byte, or with "=" for "\=". */
static int find_old(struct ck_editor *e, const char *operand, struct ck_buf *old,
		    struct ck_err *err)
{
	bool there;
	int r;

	ck_buf_str(old, operand);
	if (ck_buf_failed(old))
		return ck_fail_nomem(err, ck_editor_where(e));
	r = ck_editor_has(e, ck_span(old->p, old->n), &there, err);
	if (r < 0 || there)
		return r;
	ck_buf_clear(old);
	ck_select_plain(operand, strlen(operand), old);
	if (ck_buf_failed(old))
		return ck_fail_nomem(err, ck_editor_where(e));
	r = old->n ? ck_editor_has(e, ck_span(old->p, old->n), &there, err) : 0;
	return r < 0 || there ? r : none(e, operand, err);
}

static int move(struct ck_editor *e, const struct ck_args *args, struct ck_err *err)
{
	struct ck_buf ck_auto_buf from = CK_BUF_INIT, to = CK_BUF_INIT;
	struct ck_span old, new;
	int r = find_old(e, args->names[0], &from, err);

	if (r < 0)
		return r;
	old = ck_span(from.p, from.n);
	ck_select_plain(args->names[1], strlen(args->names[1]), &to);
	if (is_scope(old) && (!to.n || to.p[to.n - 1] != '/'))
		ck_buf_char(&to, '/');
	if (ck_buf_failed(&to))
		return ck_fail_nomem(err, ck_editor_where(e));
	new = ck_span(to.p ? to.p : "", to.n);
	if (!new.n || (is_scope(old) && new.n == 1))
		return ck_fail(err, CK_USAGE, EINVAL, "%s: the new name is empty",
			       ck_editor_where(e));
	if (!is_scope(old) && is_scope(new))
		return ck_fail(err, CK_USAGE, EINVAL,
			       "%s: %s is a variable, and %s a scope's name: give the whole new name",
			       ck_editor_where(e), args->names[0], args->names[1]);
	if (ck_span_cmp(old, new) == 0)
		return 0;
	if (is_scope(old))
		r = check_scope(e, old, new, err);
	return r < 0 ? r : ck_editor_rename(e, old, new, err);
}

static int run(const struct ck_args *args)
{
	struct ck_editor_options o = { .source = args->source, .command = args->command };
	struct ck_err err = CK_ERR_INIT;
	struct ck_editor *e = NULL;
	int r = ck_editor_open(&o, &e, &err);

	if (r == 0)
		r = move(e, args, &err);
	return ck_editor_end(e, r, &err);
}

const struct ck_command ck_cmd_mv = {
	.name = "mv",
	.operands = "SOURCE OLD NEW",
	.summary = "renames a variable, or a scope (OLD ends in /)",
	.help = "Renames the variable OLD and publishes; a variable NEW is replaced. Where OLD\n"
		"ends in /, it is a scope, and all variables in it are renamed. No data is copied.\n"
		"A = in a name may be written \\=.",
	.min_names = 2,
	.max_names = 2,
	.run = run,
};
