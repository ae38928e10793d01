/*
 * rw_special.h - the folder .ckptfuse of a writable mount.
 *
 * checkpoint.json, status.json and log tell; they are made anew whenever they are read from their
 * start. commit and discard do: every write to one of them is a request of its own.
 *
 * The others take writes and forget them, so that a whole tree can be copied in (cp -r a/. b/).
 */
#ifndef CK_FUSE_RW_SPECIAL_H
#define CK_FUSE_RW_SPECIAL_H

#include "fuse/rw.h"
#include "fuse/special.h"

/* The inode number of the folder (number 0), and of the files in it. */
fuse_ino_t ck_rw_special_ino(unsigned number);
bool ck_rw_is_special(fuse_ino_t ino);

/* The file of that name: its number, 1 and up, or 0. */
unsigned ck_rw_special_find(const char *name);
/* NULL past the last. */
const char *ck_rw_special_name(unsigned number);

/* -ESTALE where there is none of that number. */
int ck_rw_special_attr(struct ck_mount *m, fuse_ino_t ino, struct stat *ret);

/* Appends at most n bytes of the open file from off on. */
int ck_rw_special_read(struct ck_mount *m, struct ck_rw_file *f, uint64_t off, size_t n,
		       struct ck_buf *out);
/* Answers the request, at once or when it has been carried out. */
void ck_rw_special_write(fuse_req_t req, fuse_ino_t ino, const char *p, size_t n);

/* -EPERM with a sentence where the name is .ckptfuse itself, or lies in it. */
int ck_rw_special_refuse(fuse_ino_t parent, const char *name, struct ck_err *err);

#endif
