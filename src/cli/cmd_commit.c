/* cmd_commit.c - ckptctl commit: what is staged becomes part of the checkpoint. */
#include "cli/cli.h"

#include "cli/editor.h"

static void add_report(const struct ck_publish_report *r, const char *where, struct ck_buf *out)
{
	ck_buf_printf(out, "%s: ", where);
	if (r->nothing) {
		ck_buf_str(out, "nothing is staged\n");
		return;
	}
	ck_cli_count(r->variables, "variable", out);
	ck_buf_str(out, " published");
	if (*r->how)
		ck_buf_printf(out, " (%s)", r->how);
	ck_buf_char(out, '\n');
}

static int run(const struct ck_args *args)
{
	struct ck_editor_options o = { .source = args->source, .command = args->command };
	struct ck_buf ck_auto_buf out = CK_BUF_INIT;
	struct ck_publish_report report;
	struct ck_err err = CK_ERR_INIT;
	struct ck_editor *e = NULL;
	int r = ck_editor_how(args, &o, &err);

	if (r == 0)
		r = ck_editor_open(&o, &e, &err);
	if (r == 0) {
		r = ck_editor_publish(e, &report, &err);
		if (r < 0)
			err.cls = CK_PUBLISH;
		ck_meter_clear(ck_editor_meter(e));
	}
	if (r == 0) {
		add_report(&report, ck_editor_where(e), &out);
		r = ck_cli_flush(&out, true, &err);
	}
	return ck_editor_close(e, r, &err);
}

const struct ck_command ck_cmd_commit = {
	.name = "commit",
	.operands = "SOURCE",
	.summary = "publishes what is staged",
	.help = "Makes everything that is staged part of the checkpoint, all or nothing: what was\n"
		"edited in the mount that holds it, or what a journal has that was left. SOURCE\n"
		"may be the mount point.",
	.options = CK_CLI_PUBLISH,
	.run = run,
};
