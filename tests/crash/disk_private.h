/*
 * disk_private.h - the inside of a disk in memory, shared by the files that make it.
 *
 * Blobs, inodes, attribute sets and operations are counted by reference and shared between copies
 * of a disk; who changes one makes it its own first. An operation is immutable.
 */
#ifndef CK_TESTS_DISK_PRIVATE_H
#define CK_TESTS_DISK_PRIVATE_H

#include "disk.h"

#include <pthread.h>

#define NO_SLOT UINT32_MAX
#define PATH_ROOM 1024

struct blob {
	int refs;
	bool hashed;
	uint64_t hash;
	size_t n, room;
	uint8_t p[];
};

struct attr {
	struct blob *name, *value;
};

struct attrs { /* immutable; NULL: none */
	int refs;
	size_t n;
	struct attr v[];
};

struct inode {
	int refs;
	mode_t mode;
	uint64_t btime, mtime, ctime; /* of the disk's clock */
	uint64_t synced_mtime; /* when it was synced */
	struct blob *now, *kept; /* bytes as seen, and durable; a symlink's target */
	struct attrs *anow, *akept;
	bool apart; /* a sync has lost operations: now is not kept and what is pending */
};

struct slot { /* an inode number */
	struct inode *inode; /* NULL: free */
	unsigned opens;
	struct disk_file *locker;
};

struct name {
	struct blob *path;
	uint32_t now, kept; /* slots; NO_SLOT: not there */
};

enum op_kind {
	OP_WRITE,
	OP_TRUNCATE,
	OP_XATTR,
	OP_NAME, /* path becomes slot's, or nobody's; from, if there is one, nobody's */
};

struct op {
	int refs;
	enum op_kind kind;
	uint32_t slot;
	uint64_t off; /* WRITE; TRUNCATE: the size */
	uint64_t when;
	struct blob *data; /* WRITE, XATTR */
	struct blob *path, *from; /* NAME; XATTR: its name */
};

struct ck_disk {
	struct ck_vfs vfs;
	pthread_mutex_t lock;
	uint64_t clock, calls;
	bool reflink;
	ck_disk_tap_fn *tap;
	void *tap_arg;
	struct slot *slots;
	size_t nslots;
	struct name *names; /* sorted by path */
	size_t nnames;
	struct op **ops; /* pending, in order */
	size_t nops, room;
	struct blob **folders;
	size_t nfolders;
};

struct disk_file {
	struct ck_vfile file; /* first */
	struct ck_disk *disk;
	uint32_t slot;
	int flags;
	char *path;
};

static inline struct ck_disk *disk_of(const struct ck_vfs *v)
{
	return v->self;
}

void *must(void *p); /* aborts where there is no memory */

struct blob *blob_new(const void *p, size_t n);
struct blob *blob_ref(struct blob *b); /* accepts NULL, as the others do */
void blob_unref(struct blob *b);
/* Makes *b unshared and of n bytes, those behind the old end being zeros. */
uint8_t *blob_own(struct blob **b, size_t n);
uint64_t blob_hash(struct blob *b);

struct attrs *attrs_ref(struct attrs *a);
void attrs_unref(struct attrs *a);
/* A new set in the place of *a. */
void attrs_set(struct attrs **a, struct blob *name, struct blob *value);
struct blob *attrs_get(const struct attrs *a, const char *name);

struct inode *inode_ref(struct inode *i);
void inode_unref(struct inode *i);
/* The slot's inode, unshared. */
struct inode *inode_own(struct ck_disk *d, uint32_t slot);
/* A free number for a new inode of this mode. */
uint32_t inode_new(struct ck_disk *d, mode_t mode, struct blob *bytes);

struct op *op_ref(struct op *o);
void op_unref(struct op *o);
/* Appends an operation; blobs are taken over. */
void op_add(struct ck_disk *d, struct op o);
/* Takes operations out of the list: those for which drop[i]. */
void ops_drop(struct ck_disk *d, const bool *drop);

/* Index of the path's name, -1 where there is none. */
ssize_t name_find(struct ck_disk *d, const char *path);
/* The name of this path, made where there is none. Valid until the next one is made. */
struct name *name_at(struct ck_disk *d, struct blob *path);
unsigned name_count(const struct ck_disk *d, uint32_t slot);
/* Forgets names and inodes that nothing can reach. */
void disk_sweep(struct ck_disk *d);
/* Whether the path lies in the folder itself. */
bool lies_in(const struct blob *path, const char *folder, size_t n);

/* End a call: that changed something (one tick of the clock, and the tap), or did not. Both give
 * the disk's lock back. */
int disk_done(struct ck_disk *d, enum ck_disk_what what, const char *path, const char *to,
	      uint64_t off, uint64_t n);
int disk_fail(struct ck_disk *d, int r);

/* The normalised path, symlinks in its last component followed. Answers 0 with *slot NO_SLOT where
 * there is nothing but could be something. */
int path_resolve(struct ck_disk *d, const char *path, bool follow, char out[PATH_ROOM],
		 uint32_t *slot);
bool path_is_folder(const struct ck_disk *d, const char *path, size_t n);
/* Changes a name and remembers it as pending. */
void name_change(struct ck_disk *d, const char *path, uint32_t slot, const char *from);
void disk_examine(struct ck_disk *d, uint32_t slot, struct ck_vstat *ret);

/* The calls on names, for the table. */
int disk_stat(const struct ck_vfs *v, const char *path, struct ck_vstat *ret);
int disk_lstat(const struct ck_vfs *v, const char *path, struct ck_vstat *ret);
ssize_t disk_readlink(const struct ck_vfs *v, const char *path, char *p, size_t room);
int disk_rename(const struct ck_vfs *v, const char *from, const char *to);
int disk_link(const struct ck_vfs *v, const char *from, const char *to);
int disk_symlink(const struct ck_vfs *v, const char *target, const char *path);
int disk_unlink(const struct ck_vfs *v, const char *path);
int disk_sync_dir(const struct ck_vfs *v, const char *path);

/* What of bytes and attributes an operation does: to *now and *anow. first, last: the part of a
 * write that is done. */
void op_apply_bytes(const struct op *o, struct blob **now, struct attrs **anow, size_t first,
		    size_t last);

#endif
