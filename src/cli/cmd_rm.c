/* cmd_rm.c - ckptctl rm: variables go. */
#include "cli/cli.h"

#include "cli/editor.h"

#include <limits.h>

static int remove_all(struct ck_editor *e, const struct ck_namelist *names, struct ck_err *err)
{
	int r = 0;

	for (uint32_t i = 0; i < names->n && r == 0; i++) {
		r = ck_editor_interrupted(err);
		if (r == 0)
			r = ck_editor_remove(e, ck_namelist_name(names, i), err);
	}
	return r;
}

static int run(const struct ck_args *args)
{
	struct ck_editor_options o = { .source = args->source, .command = args->command };
	struct ck_buf ck_auto_buf out = CK_BUF_INIT;
	struct ck_err err = CK_ERR_INIT;
	struct ck_namelist names = { 0 };
	struct ck_editor *e = NULL;
	int r = ck_editor_open(&o, &e, &err), status;

	if (r == 0)
		r = ck_editor_select(e, args->names, args->nnames, &names, &err);
	if (r == 0)
		r = remove_all(e, &names, &err);
	if (r == 0) {
		ck_buf_printf(&out, "%s: ", ck_editor_where(e));
		ck_cli_count(names.n, "variable", &out);
		ck_buf_str(&out, " removed\n");
	}
	ck_namelist_done(&names);
	status = ck_editor_end(e, r, &err);
	if (status == 0 && ck_cli_flush(&out, true, &err) < 0)
		status = ck_cli_fail(&err);
	return status;
}

const struct ck_command ck_cmd_rm = {
	.name = "rm",
	.operands = "SOURCE NAME...",
	.summary = "removes variables",
	.help = "Removes the variables that a NAME means, publishes, and says how many they were.\n"
		"Their bytes stay in the data files until ckptctl compact, or until they are\n"
		"written over by later edits.",
	.min_names = 1,
	.max_names = INT_MAX,
	.run = run,
};
