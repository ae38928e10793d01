/*
 * vfs.h - the one table through which everything that is written goes.
 *
 * The saver never calls the operating system by itself: a test puts a table in its place whose Nth
 * call fails, or a disk in memory that forgets what was not synced. ck_vfs_posix is the real one.
 *
 * Every function answers 0 (or a count) or a negative errno. Calls may be short or end in -EINTR as
 * the system's do; ck_vfs_read() and ck_vfs_write() below are what callers want. A file is closed
 * by who opened it. Functions on a path follow symlinks unless they say otherwise, except rename,
 * unlink, link and symlink, which never do.
 *
 * What is durable when: bytes and size of a file once sync() on it has returned 0 after they were
 * written; a name (created, renamed, linked, unlinked) once sync_dir() of its folder has. A failed
 * sync says nothing about what was written before it, and another one that succeeds does not
 * either (the kernel marks pages clean that it failed to write): write again, then sync.
 *
 * Threads: all functions may be called at once; on one file as pread and pwrite may.
 */
#ifndef CK_IO_VFS_H
#define CK_IO_VFS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct ck_vfs;

/* An open file; implementations begin their own struct with this one. */
struct ck_vfile {
	const struct ck_vfs *vfs;
};

struct ck_vstat {
	uint64_t dev, ino;
	uint64_t size; /* bytes */
	uint64_t nlink;
	mode_t mode; /* with the type bits */
	uid_t uid;
	gid_t gid;
	struct timespec mtime, ctime;
	struct timespec btime; /* of its creation; zero where the file system does not know */
};

struct ck_vfs {
	void *self; /* the implementation's own */

	/* flags: O_RDONLY, O_WRONLY or O_RDWR, with O_CREAT, O_EXCL, O_TRUNC, O_NOFOLLOW. */
	int (*open)(const struct ck_vfs *v, const char *path, int flags, mode_t mode,
		    struct ck_vfile **ret);
	void (*close)(struct ck_vfile *f);
	ssize_t (*pread)(struct ck_vfile *f, void *p, size_t n, uint64_t off);
	ssize_t (*pwrite)(struct ck_vfile *f, const void *p, size_t n, uint64_t off);
	int (*truncate)(struct ck_vfile *f, uint64_t size);
	int (*sync)(struct ck_vfile *f); /* bytes, size, times and extended attributes */
	/* These bytes may as well be on their way to the disk now: a sync() that follows finds less
	 * to do. Promises nothing, cannot fail, and may be NULL. */
	void (*start_sync)(struct ck_vfile *f, uint64_t off, uint64_t n);
	int (*fstat)(struct ck_vfile *f, struct ck_vstat *ret);
	/* Its descriptor, for mapping it and for reading past this table; -1 where it has none.
	 * Stays the file's. */
	int (*fd)(struct ck_vfile *f);
	/* flock(LOCK_EX | LOCK_NB): -EWOULDBLOCK where somebody else holds it. Ends with close. */
	int (*lock)(struct ck_vfile *f);
	/* Bytes of src at src_off become dst's at dst_off without being copied (FICLONERANGE).
	 * Both offsets are multiples of the block size, and so is n unless the range ends with
	 * src; 0 stands for all up to there. -EOPNOTSUPP, -EXDEV, -EINVAL where that cannot be. */
	int (*clone)(struct ck_vfile *dst, uint64_t dst_off, struct ck_vfile *src, uint64_t src_off,
		     uint64_t n);
	/* copy_file_range(): as many bytes as were copied, 0 at src's end. -EOPNOTSUPP and the
	 * like: read and write instead. */
	ssize_t (*copy)(struct ck_vfile *dst, uint64_t dst_off, struct ck_vfile *src,
			uint64_t src_off, size_t n);
	/* Extended attributes. -ENODATA where there is none, -EOPNOTSUPP where there cannot be. */
	int (*setxattr)(struct ck_vfile *f, const char *name, const void *value, size_t n);
	ssize_t (*getxattr)(struct ck_vfile *f, const char *name, void *value, size_t room);

	int (*stat)(const struct ck_vfs *v, const char *path, struct ck_vstat *ret);
	int (*lstat)(const struct ck_vfs *v, const char *path, struct ck_vstat *ret);
	ssize_t (*readlink)(const struct ck_vfs *v, const char *path, char *p, size_t room);
	int (*rename)(const struct ck_vfs *v, const char *from, const char *to);
	int (*link)(const struct ck_vfs *v, const char *from, const char *to);
	int (*symlink)(const struct ck_vfs *v, const char *target, const char *path);
	int (*unlink)(const struct ck_vfs *v, const char *path);
	/* Makes the names in the folder that path lies in durable. */
	int (*sync_dir)(const struct ck_vfs *v, const char *path);
};

extern const struct ck_vfs ck_vfs_posix;

/* Exactly n bytes, through short calls and interruptions. -EIO where the file ends before. */
int ck_vfs_read(struct ck_vfile *f, uint64_t off, void *p, size_t n);
int ck_vfs_write(struct ck_vfile *f, uint64_t off, const void *p, size_t n);

/* Where the table has it. */
void ck_vfs_start_sync(struct ck_vfile *f, uint64_t off, uint64_t n);

/* The same for calls that a signal can interrupt. */
int ck_vfs_sync(struct ck_vfile *f);
int ck_vfs_truncate(struct ck_vfile *f, uint64_t size);
int ck_vfs_open(const struct ck_vfs *v, const char *path, int flags, mode_t mode,
		struct ck_vfile **ret);

/* Closes f unless it is NULL; returns NULL. */
struct ck_vfile *ck_vfs_close(struct ck_vfile *f);

/* n bytes from src to dst: copy_file_range where that works, else through a buffer. */
int ck_vfs_copy(struct ck_vfile *dst, uint64_t dst_off, struct ck_vfile *src, uint64_t src_off,
		uint64_t n);

#endif
