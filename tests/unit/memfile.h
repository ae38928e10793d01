/*
 * memfile.h - a disk in memory, behind the table of io/vfs.h: it fails on demand, and forgets.
 *
 * Every file has two contents, the one that programs see and the one on the disk; a sync makes the
 * second like the first, byte by byte of what was written since. A sync that fails is as bad as the
 * kernel's: what was to be written counts as clean, and no later sync will write it. Names are the
 * same, with sync_dir (of all folders: they are only part of a name here).
 *
 * One thread. Allocation failure aborts.
 */
#ifndef CK_TESTS_MEMFILE_H
#define CK_TESTS_MEMFILE_H

#include "io/vfs.h"
#include "util/bytes.h"

struct memdisk {
	struct ck_vfs vfs;
	struct memdisk_inode *inodes; /* all there ever were */
	struct memdisk_name *names;
	uint64_t last_ino;

	unsigned calls; /* those that can fail */
	unsigned fail_at, fail_also; /* which of them do; 0: none */
	bool fail_on; /* and all after fail_at */
	int fail_errno; /* positive */
	bool drops; /* a failed sync also has bytes read from the disk again */
	size_t most; /* bytes that one call reads or writes; 0: all */
	bool interrupts; /* every other call ends in EINTR first */
	bool interrupted;
	int64_t now; /* seconds, for mtime */
};

enum memdisk_loss {
	MEMDISK_NONE, /* all that was not synced is lost */
	MEMDISK_ALL, /* nothing is */
	MEMDISK_SOME, /* sectors of 512 bytes, and names, at random */
};

struct memdisk *memdisk_new(void);
void memdisk_free(struct memdisk *d); /* files may still be open; they are not used again */

/* A file on the disk. */
void memdisk_put(struct memdisk *d, const char *path, const void *p, size_t n);
/* A file as programs see it; p is NULL where there is none. */
struct ck_span memdisk_get(struct memdisk *d, const char *path);
bool memdisk_xattr(struct memdisk *d, const char *path); /* whether it has one */

/* The power fails. Open files are not used again. */
void memdisk_crash(struct memdisk *d, enum memdisk_loss keep, unsigned seed);

#endif
