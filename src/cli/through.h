/*
 * through.h - a checkpoint that is mounted: found, looked into and edited through its mount.
 *
 * Who holds a checkpoint for writing is the only one who may edit it, so the commands that edit
 * act through the mount where there is one: with ordinary file operations on the tree that it
 * shows, and its files in .ckptfuse. A folder counts as a mount only if the kernel says that
 * ckptfuse is mounted there; what lies in any other folder is not believed.
 *
 * Paths are computed from names as the mount computes them (core/names.h); that they mean the
 * variable is checked by what the mount says its name is.
 */
#ifndef CK_CLI_THROUGH_H
#define CK_CLI_THROUGH_H

#include "cli/namelist.h"
#include "saver/varmeta.h"

#include <jansson.h>
#include <time.h>

/* A mount of ours. */
struct ck_through {
	char *folder; /* its mount point */
	char *source; /* absolute, as it was mounted */
	bool writable;
	bool raw_names; /* its paths keep TF2's suffix */
	bool part; /* it shows one folder of the checkpoint */
	char sep;
	json_t *status; /* status.json, as it was when it was looked at */
	time_t since; /* then */
};

/* Whether folder is a mount of ours that answers. */
bool ck_through_look(const char *folder, struct ck_through *ret);
/* The mount that the lock of the checkpoint at prefix names; false where it names none. */
bool ck_through_holder(const char *prefix, struct ck_through *ret);
void ck_through_done(struct ck_through *t);

/* Whether two prefixes are the same checkpoint's, by whatever path. */
bool ck_same_checkpoint(const char *a, const char *b);

/* Writes text to .ckptfuse/FILE: publishes ("commit") or drops what is staged ("discard"). The
 * error is CK_PUBLISH, with the mount's own words. */
int ck_through_control(const struct ck_through *t, const char *file, const char *text,
		       struct ck_err *err);
/* status.json as it is now; NULL with *err filled. */
json_t *ck_through_status(const struct ck_through *t, struct ck_err *err);
/* The error of an operation in the mount, in the mount's own words if it has said any. what:
 * what could not be done, to be put behind the path. Returns -errnum. */
int ck_through_fail(const struct ck_through *t, enum ck_class cls, int errnum, const char *path,
		    const char *what, struct ck_err *err);

/* The name that an object of status.json or V.json has; false where it has none. */
bool ck_json_name(const json_t *object, const char *member, struct ck_buf *out);

/* --- variables by name (through_tree.c) ------------------------------------------------------- */

/* The path of the variable of that name, or (scope, and the name ends in the separator) of the
 * folder of a scope: 0, or -ENOENT without words where there is none. */
int ck_through_find(const struct ck_through *t, struct ck_span name, bool scope,
		    struct ck_buf *path, struct ck_err *err);
/* The path that it has or is to have, with its folders made. */
int ck_through_place(const struct ck_through *t, struct ck_span name, bool scope,
		     struct ck_buf *path, struct ck_err *err);
/* Whether the file at path is that variable; true too where the mount does not tell. */
bool ck_through_is(const char *path, struct ck_span name);
/* All variables, settled. */
int ck_through_names(const struct ck_through *t, struct ck_namelist *ret, struct ck_err *err);
/* What V.json says. -ENOENT without words where there is no such variable. */
int ck_through_meta(const struct ck_through *t, struct ck_span name, struct ck_varmeta **ret,
		    struct ck_err *err);

#endif
