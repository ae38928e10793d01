/*
 * pointer.h - the file that stands in a journal's place where that lies elsewhere.
 *
 *   "ckptptr\n", uint32 version (1), uint32 n, n bytes of path, uint32 CRC-32C of all before
 *
 * all integers little endian. The path is absolute. A pointer is written whole and renamed into its
 * place, so that there is no half one.
 */
#ifndef CK_JOURNAL_POINTER_H
#define CK_JOURNAL_POINTER_H

#include "io/vfs.h"

#define CK_POINTER_MAGIC "ckptptr\n"
#define CK_POINTER_VERSION 1
#define CK_POINTER_PATH_MAX 4096

/* Makes, or replaces, the pointer `at`; durable when it returns 0, and as it was otherwise. -EEXIST
 * where something lies there that is no pointer: a journal, perhaps. */
int ck_pointer_write(const struct ck_vfs *vfs, const char *at, const char *path, mode_t mode,
		     struct ck_err *err);

/* *ret is allocated. -ENOENT (CK_MISSING) where there is no file; -EBADMSG with CK_FOREIGN where it
 * is no pointer (a journal is none), with CK_CORRUPT where it is a damaged one; CK_UNSUPPORTED for
 * another version. */
int ck_pointer_read(const struct ck_vfs *vfs, const char *at, char **ret, struct ck_err *err);

#endif
