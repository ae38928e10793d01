/* cmd_journal.c - ckptctl journal: the records of a journal as text, to see what went wrong. */
#include "cli/cli.h"

#include "core/ckpt.h"
#include "journal/journal.h"
#include "journal/pointer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX ".ckptfuse-journal"

/* By its first bytes: with -o journal= it has any name. */
static bool is_journal(const char *path)
{
	char head[sizeof(CK_JOURNAL_MAGIC) - 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool is = fd >= 0 && read(fd, head, sizeof(head)) == (ssize_t)sizeof(head) &&
		  memcmp(head, CK_JOURNAL_MAGIC, sizeof(head)) == 0;

	if (fd >= 0)
		close(fd);
	return is;
}

/* A pointer is answered by what it leads to. */
static int follow(struct ck_buf *path, struct ck_err *err)
{
	struct ck_err why = CK_ERR_INIT;
	char *to;
	int r = ck_pointer_read(&ck_vfs_posix, path->p, &to, &why);

	if (r == -ENOMEM)
		return ck_fail(err, why.cls, why.errnum, "%s", why.text);
	if (r < 0)
		return 0;
	ck_buf_clear(path);
	ck_buf_str(path, to);
	free(to);
	return ck_buf_failed(path) ? ck_fail_nomem(err, "journal") : 0;
}

/* SOURCE may be the journal's own path, or the checkpoint's: also one whose index is damaged. */
static int find_journal(const char *source, struct ck_buf *path, struct ck_err *err)
{
	struct ck_location at = { 0 };
	size_t n = strlen(source), k = strlen(SUFFIX);
	int r;

	if ((n > k && strcmp(source + n - k, SUFFIX) == 0) || is_journal(source)) {
		ck_buf_str(path, source);
	} else {
		ck_buf_printf(path, "%s" SUFFIX, source);
		if (!ck_buf_failed(path) && access(path->p, F_OK) < 0) {
			ck_buf_clear(path);
			r = ck_locate(source, &at, err);
			if (r < 0)
				return r;
			ck_buf_printf(path, "%s" SUFFIX, at.prefix);
			ck_location_done(&at);
		}
	}
	return ck_buf_failed(path) ? ck_fail_nomem(err, source) : follow(path, err);
}

static int run(const struct ck_args *args)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT, out = CK_BUF_INIT;
	struct ck_err err = CK_ERR_INIT;
	int r = find_journal(args->source, &path, &err);

	if (r == 0)
		r = ck_journal_dump(&ck_vfs_posix, path.p, &out, &err);
	if (r == 0)
		r = ck_cli_flush(&out, true, &err);
	return r < 0 ? ck_cli_fail(&err) : 0;
}

const struct ck_command ck_cmd_journal = {
	.name = "journal",
	.operands = "SOURCE",
	.summary = "the records of a journal, as text",
	.help = "Prints the journal of a checkpoint, a line for each record, for looking into what\n"
		"went wrong. SOURCE is the checkpoint, or a file *.ckptfuse-journal.",
	.hidden = true,
	.run = run,
};
