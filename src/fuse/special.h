/*
 * special.h - the folder .ckptfuse in the mount's root and the files in it.
 *
 * Every file there is a row of one table (special.c). A file is either live, a short text about
 * the mount that is made anew whenever it is read from its start, or a part of the checkpoint,
 * which does not change and is rendered by ranges.
 *
 * Live files are read with direct_io, so that no page of an older text is ever shown.
 */
#ifndef CK_FUSE_SPECIAL_H
#define CK_FUSE_SPECIAL_H

#include "fuse/handle.h"
#include "fuse/node.h"

#define CK_SPECIAL_NAME ".ckptfuse"

/* The file of that name: its number, 1 and up, or 0. Files are numbered without gaps. */
unsigned ck_special_find(const char *name);
/* NULL past the last. */
const char *ck_special_name(unsigned number);

bool ck_special_is_live(const struct ck_node *n);
int ck_special_size(struct ck_mount *m, const struct ck_node *n, uint64_t *ret, struct ck_err *err);

/* Appends at most n bytes of the open file from off on. */
int ck_special_read(struct ck_mount *m, struct ck_handle *h, uint64_t off, size_t n,
		    struct ck_buf *out, struct ck_err *err);

#endif
