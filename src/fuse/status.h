/* status.h - the part of .ckptfuse/status.json that every mount has. */
#ifndef CK_FUSE_STATUS_H
#define CK_FUSE_STATUS_H

#include "fuse/mount.h"

struct ck_status {
	const char *mode; /* "ro", "rw" */
	const struct ck_model *model;
	uint64_t variables, bytes;
	struct timespec opened;
};

/* Appends the object's beginning: its brace, and members that each end in a comma. */
void ck_status_begin(const struct ck_mount *m, const struct ck_status *s, struct ck_buf *out);

/* Appends one member with its comma. */
void ck_status_text(struct ck_buf *out, const char *name, const char *text);

#endif
