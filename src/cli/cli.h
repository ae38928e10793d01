/*
 * cli.h - what the commands of ckptctl share: the table, options, output, the end.
 *
 * A command is one file that fills one struct ck_command; main.c lists it. Options and help are
 * made from the table, so that all commands read and answer alike. A command prints its result to
 * standard output and at most one line of its own to standard error, and returns an exit status.
 */
#ifndef CK_CLI_CLI_H
#define CK_CLI_CLI_H

#include "model/model.h"
#include "util/buf.h"

enum {
	CK_CLI_JSON = 1, /* --json */
	CK_CLI_ALL = 2, /* --all */
	CK_CLI_FORCE = 4, /* --force */
	/* with a value */
	CK_CLI_DTYPE = 8,
	CK_CLI_SHAPE = 16,
	CK_CLI_LENGTHS = 32,
	CK_CLI_FORMAT = 64,
	CK_CLI_PUBLISH = 128,
};
#define CK_CLI_NOPTIONS 8

/* A command line, read. */
struct ck_args {
	unsigned options; /* CK_CLI_* that were given */
	const char *values[CK_CLI_NOPTIONS]; /* see ck_cli_value() */
	const char *command;
	const char *source; /* the first operand */
	char **names; /* the others */
	int nnames;
};

struct ck_command {
	const char *name;
	const char *operands; /* for the usage line */
	const char *summary;
	const char *help; /* paragraphs */
	unsigned options; /* CK_CLI_* that it takes */
	int max_names; /* operands behind the first; INT_MAX for any number */
	int min_names;
	bool hidden; /* not in the list of commands: for looking into what went wrong */
	int (*run)(const struct ck_args *args);
};

extern const struct ck_command ck_cmd_cat, ck_cmd_commit, ck_cmd_compact, ck_cmd_cp,
	ck_cmd_discard, ck_cmd_journal, ck_cmd_ls, ck_cmd_mv, ck_cmd_rm, ck_cmd_set, ck_cmd_show,
	ck_cmd_status, ck_cmd_umount, ck_cmd_verify;

/* The value of one of the options that have one, NULL where it was not given. */
static inline const char *ck_cli_value(const struct ck_args *args, unsigned option)
{
	return args->values[__builtin_ctz(option)];
}

/* Prints the error and returns its exit status. */
int ck_cli_fail(const struct ck_err *err);
/* A line on standard error that is no error, with the program's name before it. */
void ck_cli_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Opens the source; NULL with the error in *err. */
struct ck_model *ck_cli_open(const struct ck_args *args, struct ck_err *err);

/* Writes all of it to standard output: 0, or a negative errno with *err filled. */
int ck_cli_write(const void *p, size_t n, struct ck_err *err);
/* The same for a buffer, once it is long enough to be worth a system call, or `now`; empties it. */
int ck_cli_flush(struct ck_buf *b, bool now, struct ck_err *err);

/* Appends a name as one word that a terminal shows and does not obey: backslashes, control
 * characters and what is not UTF-8 as ls -b writes them, a blank as \040, so that awk counts on.
 * Answers how many characters. */
size_t ck_cli_escape(struct ck_span name, struct ck_buf *out);

/* V.json's object on one line; where it cannot be made, because the variable is damaged, name,
 * dtype and shape. problem, if not NULL, goes in as a member of that name. */
void ck_cli_json(struct ck_model *m, uint32_t var, const char *problem, struct ck_buf *out);

/* "1 variable", "2 variables"; thousands of them without marks. */
void ck_cli_count(uint64_t n, const char *noun, struct ck_buf *out);

#endif
