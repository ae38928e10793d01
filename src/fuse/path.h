/*
 * path.h - paths that stay true when the daemon leaves the folder it was started in.
 *
 * "Real" paths have their symlinks resolved and serve comparisons; absolute ones are the user's
 * words behind the folder they were said in, so that a symlink that is pointed elsewhere later is
 * followed to its new target.
 */
#ifndef CK_FUSE_PATH_H
#define CK_FUSE_PATH_H

#include <stdbool.h>
#include <sys/types.h>

struct stat;

/* cwd/path, or path where it begins at the root, without "." components. NULL: out of memory.
 * The caller frees all results of this header. */
char *ck_path_absolute(const char *cwd, const char *path);

/* All but the last component of an absolute path; "/" has itself. */
char *ck_path_parent(const char *path);

/* The real path of what the path names, or of its folder with its last component behind where it
 * does not exist or cannot be looked into. NULL with errno set where even that is impossible. */
char *ck_path_real(const char *path);

/* Whether the real path is the folder that *folder describes, or lies in it. */
bool ck_path_lies_in(const char *real, const struct stat *folder);

#endif
