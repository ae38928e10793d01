/* cmd_cat.c - ckptctl cat: the bytes of one variable, as its file in a mount has them. */
#include "cli/cli.h"

#include "cli/select.h"
#include "core/read.h"

#include <errno.h>
#include <stdlib.h>

#define PIECE (1024 * 1024)

static int copy(struct ck_model *m, uint32_t var, struct ck_err *err)
{
	uint64_t size, off = 0;
	uint8_t *piece;
	int r = ck_var_readable(m, var, err);

	if (r == 0)
		r = ck_var_size(m, var, &size, err);
	if (r < 0)
		return r;
	piece = malloc(PIECE);
	if (!piece)
		return ck_fail_nomem(err, m->path);
	while (off < size && r == 0) {
		size_t n = size - off < PIECE ? (size_t)(size - off) : PIECE;

		r = ck_var_read(m, var, off, piece, n, err);
		if (r == 0)
			r = ck_cli_write(piece, n, err);
		off += n;
	}
	free(piece);
	return r;
}

static int copy_one(struct ck_model *m, const struct ck_selection *s, const struct ck_args *args,
		    struct ck_err *bad, struct ck_err *err)
{
	(void)bad;
	if (s->n > 1)
		return ck_fail(err, CK_USAGE, EINVAL, "%s: %s means %u variables: cat takes one",
			       m->path, args->names[0], (unsigned)s->n);
	return copy(m, s->vars[0], err);
}

static int run(const struct ck_args *args)
{
	return ck_on_selection(args, copy_one);
}

const struct ck_command ck_cmd_cat = {
	.name = "cat",
	.operands = "SOURCE NAME",
	.summary = "the raw bytes of a variable",
	.help = "Writes the bytes of one variable to standard output: row-major, in the\n"
		"checkpoint's byte order, without a header. A string tensor's elements follow\n"
		"each other; ckptctl ls --json has their lengths.",
	.options = CK_CLI_FORCE,
	.min_names = 1,
	.max_names = 1,
	.run = run,
};
