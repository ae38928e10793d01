/* cmd_compact.c - ckptctl compact: bytes that no variable uses any more are given back. */
#include "cli/cli.h"

#include "cli/editor.h"
#include "core/survey.h"

#include <stdlib.h>
#include <sys/stat.h>

/* The size of the bundle's data files. */
static uint64_t bytes_of(const char *prefix)
{
	const char *base = ck_path_base(prefix);
	char *folder = ck_path_folder(prefix);
	size_t n = strlen(base);
	struct ck_survey s;
	uint64_t bytes = 0;

	if (!folder || ck_survey(*folder ? folder : ".", &s) < 0) {
		free(folder);
		return 0;
	}
	for (size_t i = 0; i < s.files.n; i++) {
		char *path = NULL;
		struct stat st;

		if (strncmp(s.files.v[i], base, n) == 0 &&
		    strncmp(s.files.v[i] + n, ".data-", 6) == 0)
			path = ck_path_join(folder, s.files.v[i]);
		if (path && stat(path, &st) == 0)
			bytes += (uint64_t)st.st_size;
		free(path);
	}
	ck_survey_done(&s);
	free(folder);
	return bytes;
}

static int run(const struct ck_args *args)
{
	struct ck_editor_options o = { .source = args->source, .command = args->command };
	struct ck_buf ck_auto_buf out = CK_BUF_INIT;
	struct ck_publish_report report;
	uint64_t before = 0, after = 0;
	struct ck_err err = CK_ERR_INIT;
	struct ck_editor *e = NULL;
	int r = ck_editor_open(&o, &e, &err);

	if (r == 0) {
		before = bytes_of(ck_editor_where(e));
		r = ck_editor_compact(e, &report, &err);
		after = bytes_of(ck_editor_where(e));
		ck_meter_clear(ck_editor_meter(e));
		if (r < 0 && err.cls != CK_BUSY)
			err.cls = CK_PUBLISH;
	}
	if (r == 0) {
		ck_buf_printf(&out, "%s: ", ck_editor_where(e));
		if (after < before) {
			ck_cli_count(before - after, "byte", &out);
			ck_buf_str(&out, " given back\n");
		} else {
			ck_buf_str(&out, "there was nothing to give back\n");
		}
		r = ck_cli_flush(&out, true, &err);
	}
	return ck_editor_close(e, r, &err);
}

const struct ck_command ck_cmd_compact = {
	.name = "compact",
	.operands = "SOURCE",
	.summary = "gives back space that is no longer used",
	.help = "Writes the checkpoint's data files anew without what no variable uses any more,\n"
		"and says how much was given back. What is staged is published first.",
	.run = run,
};
