/*
 * select.h - which variables the NAME operands of a command mean.
 *
 * A NAME is a variable's name, byte for byte, or else a pattern over whole names as fnmatch(3) has
 * them: * and ? match / too, [...] and \ are as in the shell, all of them by bytes. A variable
 * whose name is that very text wins over reading it as a pattern. A NAME that means nothing is an
 * error.
 */
#ifndef CK_CLI_SELECT_H
#define CK_CLI_SELECT_H

#include "cli/cli.h"

/* Names to choose from, in memcmp order: a model's, or those of a checkpoint being edited. */
struct ck_catalog {
	const char *where; /* for messages */
	const char *noun; /* what is there: "variable" */
	const char *hint; /* how to see what is there */
	uint32_t n;
	const void *self;
	struct ck_span (*name)(const void *self, uint32_t i);
};
#define CK_NO_NAME UINT32_MAX
#define CK_CATALOG_HINT "ckptctl ls shows what there is"

struct ck_catalog ck_catalog_of_model(const struct ck_model *m);
/* The index of exactly that name, or CK_NO_NAME. */
uint32_t ck_catalog_find(const struct ck_catalog *c, struct ck_span name);

struct ck_selection {
	uint32_t *vars; /* rising, so in the order of the checkpoint's index, each once */
	uint32_t n;
};

/* All variables where nnames is 0. -ENOENT with CK_USAGE where a NAME means none. */
int ck_select(const struct ck_catalog *c, char **names, int nnames, struct ck_selection *ret,
	      struct ck_err *err);
void ck_selection_done(struct ck_selection *s);

/* The one name that an operand means exactly, in which "\=" may stand for "=": its index, or
 * CK_NO_NAME. */
uint32_t ck_select_exact(const struct ck_catalog *c, const char *operand);
/* The error for an operand that means nothing; returns -ENOENT. */
int ck_select_none(const struct ck_catalog *c, const char *operand, struct ck_err *err);
/* Appends what an operand says, with "=" for "\=". */
void ck_select_plain(const char *operand, size_t n, struct ck_buf *out);
/* Whether some name begins with this one, which ends in '/'. */
bool ck_catalog_has_scope(const struct ck_catalog *c, struct ck_span scope);

/*
 * A command on the variables that its NAMEs mean: opens the source, selects, calls fn, and answers
 * with the command's exit status. What fn puts in *bad is told at the end of work that was done
 * all the same; a negative answer, with *err filled, ends the command.
 */
int ck_on_selection(const struct ck_args *args,
		    int (*fn)(struct ck_model *m, const struct ck_selection *s,
			      const struct ck_args *args, struct ck_err *bad, struct ck_err *err));

#endif
