/* cmd_discard.c - ckptctl discard: what is staged is dropped. */
#include "cli/cli.h"

#include "cli/editor.h"
#include "cli/staged.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

/* Some can go back only after others have: they are tried again as long as that helps. */
static int discard_each(struct ck_editor *e, const struct ck_namelist *staged,
			const struct ck_selection *s, struct ck_err *err)
{
	uint32_t left = s->n, before;
	uint8_t *done = calloc((size_t)s->n + 1, 1);
	struct ck_err why = CK_ERR_INIT;
	int r = done ? 0 : ck_fail_nomem(err, ck_editor_where(e));

	if (!done)
		return r;
	do {
		before = left;
		r = 0;
		for (uint32_t i = 0; i < s->n && (r == 0 || r == -EEXIST); i++) {
			struct ck_err this = CK_ERR_INIT;
			int one;

			if (done[i])
				continue;
			one = ck_editor_discard(e, ck_namelist_name(staged, s->vars[i]), &this);
			done[i] = one == 0 || one == -ENOENT; /* it went along with another */
			left -= done[i];
			if (!done[i]) {
				r = one;
				why = this;
			}
		}
	} while (r == -EEXIST && left < before);
	free(done);
	return r < 0 ? ck_fail(err, why.cls, why.errnum, "%s", why.text) : 0;
}

static int discard(struct ck_editor *e, const struct ck_args *args, struct ck_buf *out,
		   struct ck_err *err)
{
	const char *where = ck_editor_where(e);
	json_t *status = ck_editor_status(e, err);
	struct ck_namelist staged = { 0 };
	struct ck_selection s = { 0 };
	int r = status ? ck_staged_names(status, where, &staged, err) : -EIO;

	json_decref(status);
	if (r == 0)
		r = ck_staged_select(&staged, where, args, &s, err);
	if (r == 0 && !args->nnames)
		r = ck_editor_discard(e, ck_span(NULL, 0), err);
	if (r == 0 && args->nnames)
		r = discard_each(e, &staged, &s, err);
	ck_buf_printf(out, "%s: ", where);
	if (s.n) {
		ck_cli_count(s.n, "variable", out);
		ck_buf_str(out, s.n == 1 ? " is as it was published\n" : " are as they were published\n");
	} else {
		ck_buf_str(out, "nothing is staged\n");
	}
	ck_selection_done(&s);
	ck_namelist_done(&staged);
	return r;
}

static int run(const struct ck_args *args)
{
	struct ck_editor_options o = {
		.source = args->source, .command = args->command, .discard_lost = !args->nnames
	};
	struct ck_buf ck_auto_buf out = CK_BUF_INIT;
	struct ck_err err = CK_ERR_INIT;
	struct ck_editor *e = NULL;
	int r = ck_editor_open(&o, &e, &err);

	if (r == 0)
		r = discard(e, args, &out, &err);
	if (r == 0)
		r = ck_cli_flush(&out, true, &err);
	return ck_editor_close(e, r, &err);
}

const struct ck_command ck_cmd_discard = {
	.name = "discard",
	.operands = "SOURCE [NAME...]",
	.summary = "drops what is staged",
	.help = "Drops what is staged, all of it or that of the variables that a NAME means: they\n"
		"are again as they were published. SOURCE may be the mount point. Without a NAME,\n"
		"edits in a journal that cannot be found any more are given up too.",
	.max_names = INT_MAX,
	.run = run,
};
