/*
 * cmd_status.c - ckptctl status: what is staged and not published yet.
 *
 * A checkpoint without a journal, which nobody has mounted, is neither locked nor written to.
 */
#include "cli/cli.h"

#include "cli/editor.h"
#include "cli/staged.h"
#include "cli/through.h"
#include "core/ckpt.h"
#include "journal/journal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

static void add_row(const json_t *element, const char *what, struct ck_buf *out)
{
	static const char *const more[] = { "from", "to", "why", "problem" };
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;

	ck_buf_printf(out, "%-10s  ", what);
	if (ck_json_name(element, "name", &name))
		ck_cli_escape(ck_span(name.p ? name.p : "", name.n), out);
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		ck_buf_clear(&name);
		if (!ck_json_name(element, more[i], &name) || !name.n)
			continue;
		ck_buf_str(out, i == 0 ? "  from " : i == 1 ? "  to " : ": ");
		if (i < 2)
			ck_cli_escape(ck_span(name.p, name.n), out);
		else
			ck_buf_add(out, name.p, name.n);
	}
	ck_buf_char(out, '\n');
}

static const char *what_of(const json_t *element)
{
	const char *what = json_string_value(json_object_get(element, "edit"));

	return what ? what : "changed";
}

static void add_text(const json_t *status, const char *where, struct ck_buf *out)
{
	const json_t *staged = json_object_get(status, "staged");
	const json_t *unfinished = json_object_get(status, "unfinished");
	const char *next = json_string_value(json_object_get(status, "next"));
	json_t *element;
	size_t i;

	ck_buf_printf(out, "%s: ", where);
	if (!json_array_size(staged) && !json_array_size(unfinished)) {
		ck_buf_str(out, "nothing is staged\n");
		return;
	}
	ck_cli_count(json_array_size(staged), "staged edit", out);
	if (json_array_size(unfinished))
		ck_buf_printf(out, ", %zu unfinished", json_array_size(unfinished));
	if (json_is_true(json_object_get(status, "recovered")))
		ck_buf_str(out, ", recovered from the journal");
	ck_buf_char(out, '\n');
	json_array_foreach(staged, i, element)
		add_row(element, what_of(element), out);
	json_array_foreach(unfinished, i, element)
		add_row(element, "unfinished", out);
	if (next)
		ck_buf_printf(out, "%s\n", next);
}

static int print_status(json_t *status, const char *where, const struct ck_args *args,
			struct ck_err *err)
{
	struct ck_buf ck_auto_buf out = CK_BUF_INIT;
	struct ck_namelist staged = { 0 };
	struct ck_selection s = { 0 };
	char *text;
	int r = 0;

	if (args->nnames)
		r = ck_staged_names(status, where, &staged, err);
	if (r == 0 && args->nnames)
		r = ck_staged_select(&staged, where, args, &s, err);
	if (r == 0 && args->nnames) {
		ck_staged_filter(status, "staged", &staged, &s);
		ck_staged_filter(status, "unfinished", &staged, &s);
	}
	ck_selection_done(&s);
	ck_namelist_done(&staged);
	if (r < 0)
		return r;
	if (args->options & CK_CLI_JSON) {
		text = json_dumps(status, JSON_INDENT(2));
		if (!text)
			return ck_fail_nomem(err, where);
		ck_buf_printf(&out, "%s\n", text);
		free(text);
	} else {
		add_text(status, where, &out);
	}
	return ck_cli_flush(&out, true, err);
}

/* A checkpoint that has no journal, or one that cannot be opened for writing: what there is to
 * say of it is a sentence. */
static int print_unopened(const char *prefix, const struct ck_args *args, struct ck_err *err)
{
	struct ck_buf ck_auto_buf pending = CK_BUF_INIT;
	struct ck_args bare = { .options = args->options };
	json_t *status = json_pack("{s:[],s:[]}", "staged", "unfinished");
	int r;

	if (!status)
		return ck_fail_nomem(err, prefix);
	ck_stage_pending(&ck_vfs_posix, prefix, &pending);
	if (pending.n && args->options & CK_CLI_JSON)
		json_object_set_new(status, "pending", json_stringn_nocheck(pending.p, pending.n));
	if (pending.n && !(args->options & CK_CLI_JSON)) {
		ck_buf_char(&pending, '\n');
		r = ck_cli_flush(&pending, true, err);
	} else {
		r = print_status(status, prefix, &bare, err);
	}
	json_decref(status);
	return r;
}

/* Whether there are edits to list. A publish that was cut short is as good as done: opening it
 * would finish it, and a question is no reason to write. */
static bool has_edits(const char *prefix)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;
	struct ck_journal_scan scan;

	ck_buf_printf(&path, "%s.ckptfuse-journal", prefix);
	if (ck_buf_failed(&path) || access(path.p, F_OK) < 0)
		return false;
	return ck_journal_scan(&ck_vfs_posix, path.p, NULL, NULL, &scan, NULL) < 0 ||
	       !scan.committed;
}

/* True where the answer needs no editor, with it in *status. */
static bool status_unopened(const struct ck_args *args, int *status, struct ck_err *err)
{
	struct ck_through t = { 0 };
	struct ck_location at = { 0 };
	bool mounted = ck_through_look(args->source, &t), done = false;
	int r;

	if (mounted && t.writable) {
		ck_through_done(&t);
		return false;
	}
	r = ck_locate(mounted ? t.source : args->source, &at, err);
	if (mounted)
		ck_through_done(&t);
	if (r < 0) {
		*status = ck_cli_fail(err);
		return true;
	}
	if (ck_through_holder(at.prefix, &t)) {
		ck_through_done(&t);
	} else if (!has_edits(at.prefix)) {
		*status = print_unopened(at.prefix, args, err) < 0 ? ck_cli_fail(err) : 0;
		done = true;
	}
	ck_location_done(&at);
	return done;
}

static int run(const struct ck_args *args)
{
	struct ck_editor_options o = {
		.source = args->source, .command = args->command, .read_only = true
	};
	struct ck_err err = CK_ERR_INIT, why = CK_ERR_INIT;
	struct ck_location at = { 0 };
	struct ck_editor *e = NULL;
	json_t *status = NULL;
	int r;

	if (status_unopened(args, &r, &err))
		return r;
	r = ck_editor_open(&o, &e, &why);
	if (r == 0) {
		status = ck_editor_status(e, &err);
		r = status ? print_status(status, ck_editor_where(e), args, &err) : -EIO;
		json_decref(status);
	} else if ((why.errnum == EACCES || why.errnum == EROFS || why.errnum == EPERM) &&
		   ck_locate(args->source, &at, NULL) == 0) {
		r = print_unopened(at.prefix, args, &err);
		ck_location_done(&at);
	} else {
		ck_fail(&err, why.cls, why.errnum, "%s", why.text);
	}
	return ck_editor_close(e, r, &err);
}

const struct ck_command ck_cmd_status = {
	.name = "status",
	.operands = "SOURCE [NAME...]",
	.summary = "what is staged, and what is unfinished",
	.help = "Says what is staged and not yet published: in the mount that holds the\n"
		"checkpoint, or in a journal that was left. SOURCE may be the mount point.\n"
		"Unfinished is a variable whose bytes do not fit its dtype and shape, or that has\n"
		"none yet: it says what it waits for.",
	.options = CK_CLI_JSON,
	.max_names = INT_MAX,
	.run = run,
};
