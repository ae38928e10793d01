/*
 * staged.h - what is staged, as the object of status.json has it.
 *
 * A mount renders that object, and the saver makes the same one for a checkpoint that nobody has
 * mounted. "staged" and "unfinished" are arrays of objects with a variable's "name".
 */
#ifndef CK_CLI_STAGED_H
#define CK_CLI_STAGED_H

#include "cli/namelist.h"

#include <jansson.h>

/* Names of everything staged or unfinished, settled. */
int ck_staged_names(const json_t *status, const char *where, struct ck_namelist *ret,
		    struct ck_err *err);
/* Which of them the NAMEs mean; all without any. */
int ck_staged_select(const struct ck_namelist *staged, const char *where,
		     const struct ck_args *args, struct ck_selection *ret, struct ck_err *err);
/* Leaves in an array of the object what was selected. */
void ck_staged_filter(json_t *status, const char *member, const struct ck_namelist *staged,
		      const struct ck_selection *s);

#endif
