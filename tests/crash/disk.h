/*
 * disk.h - a disk in memory that can lose power.
 *
 * It is a table of calls (io/vfs.h) whose files keep two states: what is seen (the page cache) and
 * what is durable. Between the two lie the *pending operations*, in the order in which they were
 * done: writes, truncations, extended attributes, and changes of names. A sync takes the file's
 * operations out of that list, a sync_dir those on names in the folder. A power cut keeps some of
 * what is pending and loses the rest: which, is the caller's choice (struct ck_disk_cut), and
 * ck_disk_cuts() lists the choices worth trying.
 *
 * What is assumed of a disk, and so what the saver may rely on:
 *   - an operation that was synced stays, whatever happens to those before and behind it;
 *   - of pending ones any subset may survive, of several files in any combination; a write may
 *     survive in part (torn between sectors of 512 bytes), or as garbage or zeros where the file
 *     was shorter or a whole sector was written;
 *   - a write never changes bytes outside its range, and a sector is written or not;
 *   - a rename is one operation: the old name goes when the new one comes. It is durable once
 *     either folder was synced. Syncing a file does not make its name durable;
 *   - a file without a durable name vanishes, its inode number is used again;
 *   - times may be as old as of the last sync, or as new as the last write, whatever survived of
 *     the bytes.
 *
 * Copies are cheap: contents are shared until one of them is written to. Paths are absolute, or
 * taken to be relative to the root; folders are made by ck_disk_mkdir() and are durable at once.
 * Running out of memory aborts. Calls on one disk may come from several threads; copies of a disk
 * share what is not locked, so a disk and its copies belong to one thread.
 */
#ifndef CK_TESTS_DISK_H
#define CK_TESTS_DISK_H

#include "io/vfs.h"

#include <stdio.h>

#define CK_DISK_SECTOR 512
#define CK_DISK_BLOCK 4096 /* for cloning */

struct ck_disk;

struct ck_disk *ck_disk_new(void);
/* Accepts NULL; returns NULL. Files that are open stay usable by nobody. */
struct ck_disk *ck_disk_free(struct ck_disk *d);
const struct ck_vfs *ck_disk_vfs(struct ck_disk *d);

/* Whether vfs.clone works; it does not unless this was called. Kept by copies. */
void ck_disk_set_reflink(struct ck_disk *d, bool works);

/* What a process finds after another one was killed: everything seen, durable or not, no open
 * files and so no locks. */
struct ck_disk *ck_disk_clone(struct ck_disk *d);

/* Makes everything that is seen durable. */
void ck_disk_settle(struct ck_disk *d);

/* A folder or a file, durable at once. The file replaces what is there. */
void ck_disk_mkdir(struct ck_disk *d, const char *path);
void ck_disk_put(struct ck_disk *d, const char *path, const void *p, size_t n);
/* The same with the bytes of a file of the system; false where that cannot be read. */
bool ck_disk_load(struct ck_disk *d, const char *path, const char *file);
/* The bytes that are seen; NULL where there is no file. Valid until the next call that changes. */
const void *ck_disk_get(struct ck_disk *d, const char *path, size_t *n);

/* Calls fn for each name (not for folders), sorted. */
void ck_disk_each(struct ck_disk *d, void (*fn)(void *arg, const char *path), void *arg);
/* What is seen: names, inode numbers, times, bytes, attributes. Equal for equal disks. */
uint64_t ck_disk_hash(struct ck_disk *d);
unsigned ck_disk_open_files(struct ck_disk *d);
/* A line for each name and each pending operation, for a person. */
void ck_disk_print(struct ck_disk *d, FILE *to);

/* --- calls that change something -------------------------------------------------------------- */

enum ck_disk_what {
	CK_DISK_CREATE,
	CK_DISK_TRUNCATE, /* by open, too */
	CK_DISK_WRITE,
	CK_DISK_COPY,
	CK_DISK_CLONE,
	CK_DISK_XATTR,
	CK_DISK_SYNC,
	CK_DISK_RENAME,
	CK_DISK_LINK,
	CK_DISK_SYMLINK,
	CK_DISK_UNLINK,
	CK_DISK_SYNC_DIR,
};

struct ck_disk_call {
	uint64_t number; /* from 1 on, one for each call that succeeded */
	enum ck_disk_what what;
	const char *path; /* the file's as it was opened; RENAME, LINK: from */
	const char *to; /* RENAME, LINK: the new name */
	uint64_t off, n; /* of bytes; TRUNCATE: n is the size */
};

/* fn is called right after each call; it may copy the disk, and build it as it is after a power
 * cut, but not change it. NULL: none. Not kept by copies. */
typedef void ck_disk_tap_fn(void *arg, struct ck_disk *d, const struct ck_disk_call *call);
void ck_disk_tap(struct ck_disk *d, ck_disk_tap_fn *fn, void *arg);
uint64_t ck_disk_calls(const struct ck_disk *d);
/* "write /d/m.index 0+512". Returns buf. */
char *ck_disk_call_text(const struct ck_disk_call *call, char *buf, size_t room);

/* --- syncs that fail -------------------------------------------------------------------------- */

enum ck_disk_lost {
	CK_DISK_STAYS, /* what was pending stays so */
	CK_DISK_LOST, /* it is seen, but never becomes durable, whatever sync comes after */
	CK_DISK_HALF, /* the earlier half of it became durable, the rest is lost */
};

/* The file's sync has failed. */
void ck_disk_sync_failed(struct ck_vfile *f, enum ck_disk_lost how);

/* --- power cuts ------------------------------------------------------------------------------- */

enum ck_disk_cut_kind {
	CK_CUT_ALL, /* all that is pending survives */
	CK_CUT_NONE, /* all is lost */
	CK_CUT_DROP, /* operation a is lost */
	CK_CUT_DROP_TWO, /* operations a and b are */
	CK_CUT_ONLY, /* operation a survives alone */
	CK_CUT_PREFIX, /* the first a survive */
	CK_CUT_SUFFIX, /* those from a on do */
	CK_CUT_TORN, /* all survive, of a the first b bytes */
	CK_CUT_TORN_END, /* all survive, of a what follows the first b bytes */
	CK_CUT_TORN_ALONE, /* the first b bytes of a survive alone */
	CK_CUT_GARBAGE, /* all survive, a as garbage */
	CK_CUT_ZEROS, /* all survive, a as zeros */
	CK_CUT_NAMES, /* changes of names survive, bytes are lost */
	CK_CUT_BYTES, /* bytes survive, changes of names are lost */
	CK_CUT_FILE_LOST, /* all survive but those on the bytes of the file that a is about */
	CK_CUT_FILE_ONLY, /* those alone do */
	CK_CUT_RANDOM, /* a subset by the seed a */
};

enum ck_disk_times {
	CK_TIMES_AS_KEPT, /* as of the last operation that survived */
	CK_TIMES_OLD,
	CK_TIMES_NEW,
};

struct ck_disk_cut {
	enum ck_disk_cut_kind kind;
	enum ck_disk_times times;
	uint32_t a, b;
};

/* How many cuts of each class are listed at most; where there would be more, those about the last
 * operations and others evenly spread are. */
struct ck_disk_limits {
	unsigned singles; /* operations for DROP, ONLY, ZEROS and GARBAGE each */
	unsigned edges; /* for PREFIX and SUFFIX each */
	unsigned torn; /* writes for TORN, TORN_END, TORN_ALONE */
	unsigned borders; /* for each of them */
	unsigned files; /* for FILE_LOST and FILE_ONLY each */
	unsigned pairs; /* for DROP_TWO */
	unsigned random;
	uint32_t seed;
};

extern const struct ck_disk_limits ck_disk_few; /* some 50 for a dozen of operations */
extern const struct ck_disk_limits ck_disk_many; /* some 150 */

/* The power cuts worth trying at this point, without known repetitions: an array to free().
 * There is always one at least. */
struct ck_disk_cut *ck_disk_cuts(struct ck_disk *d, const struct ck_disk_limits *limits, size_t *n);

/* A new disk: what is left after a power cut now. */
struct ck_disk *ck_disk_crash(struct ck_disk *d, const struct ck_disk_cut *cut);

/* "torn 3 at 512". Returns buf. */
char *ck_disk_cut_text(const struct ck_disk_cut *cut, char *buf, size_t room);

#endif
