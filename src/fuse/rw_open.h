/*
 * rw_open.h - the open files of a writable mount, and what the kernel's pages of them are worth.
 *
 * A handle lives until the kernel releases it and the last request in work about it is done: the
 * kernel may release as soon as it has an answer, which is before the call that sends it returns.
 *
 * The stage counts a file's version up when its bytes change otherwise than by writes to it. The
 * kernel may keep its pages at an open where the version is the one that the inode had at the open
 * before; a number is remembered for each inode that was opened, until the kernel forgets it.
 *
 * Threads: all functions may be called at once. The lock here is taken before those of the stage,
 * and held across no I/O.
 */
#ifndef CK_FUSE_RW_OPEN_H
#define CK_FUSE_RW_OPEN_H

#include "fuse/fuse.h"
#include "saver/stage.h"
#include "util/buf.h"

#include <pthread.h>

struct ck_rw;

struct ck_rw_file {
	uint32_t refs; /* atomic: one for being open, one for each request in work */
	fuse_ino_t ino;
	struct ck_sfile *file; /* NULL: of .ckptfuse */
	struct ck_sfile *plain; /* the same without O_APPEND, made when needed; under lock */
	bool writable;
	bool append;
	bool cached; /* the kernel keeps pages of it */
	bool direct; /* but what this handle writes goes past them */
	uint64_t version; /* the last one that the kernel's pages are known to be of */
	pthread_mutex_t lock; /* for plain and text */
	struct ck_buf text; /* of .ckptfuse */
	struct ck_rw_file *prev, *next;
};

struct ck_rw_opens {
	pthread_mutex_t lock;
	struct ck_rw_file *list;
	struct ck_rw_seen **seen; /* hashed by inode number */
	size_t nseen, room;
};

void ck_rw_opens_init(struct ck_rw_opens *o);
/* At the end of the mount: releases what the kernel did not get to. */
void ck_rw_opens_done(struct ck_rw *rw);

/* A handle on the file, which it takes over come what may; NULL when out of memory. flags: as
 * open(2) has them. */
struct ck_rw_file *ck_rw_file_new(struct ck_rw *rw, fuse_ino_t ino, struct ck_sfile *file,
				  int flags, bool cached);
void ck_rw_file_ref(struct ck_rw_file *f);
void ck_rw_file_unref(struct ck_rw *rw, struct ck_rw_file *f);

static inline struct ck_rw_file *ck_rw_file_of(const struct fuse_file_info *fi)
{
	return (struct ck_rw_file *)(uintptr_t)fi->fh;
}

/* Notes the version at an open. Whether it was the same at the one before. */
bool ck_rw_opens_see(struct ck_rw *rw, const struct ck_rw_file *f);
/* The kernel forgets the inode, or some lookups of it: its pages are not kept at the next open. */
void ck_rw_opens_forget(struct ck_rw *rw, fuse_ino_t ino);

/* Appends the inode numbers (fuse_ino_t) of files whose pages the kernel may have changed. */
void ck_rw_opens_written(struct ck_rw *rw, struct ck_buf *inos);
/* ... of open files whose bytes have changed under the kernel's pages since this was last asked. */
void ck_rw_opens_outdated(struct ck_rw *rw, struct ck_buf *inos);

#endif
