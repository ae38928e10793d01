/*
 * stage.h - a checkpoint being edited: its tree as a POSIX file system has it, and the saver.
 *
 * The tree is the immutable one of the checkpoint as it was opened (core/tree.h) with what was
 * staged laid over it. Every edit is a record of the journal; bytes of new and rewritten files lie
 * in a shard behind its last live byte (or in free ranges of it), bytes of edits inside a variable
 * lie in the journal. Publishing writes a new index and renames it over the old one.
 *
 * The mount and the commands use this and nothing below it. Functions that change something answer
 * 0 or a negative errno as POSIX has it and fill *err with a sentence for the log.
 *
 * Inode numbers are (id << 3 | kind); the root is 1. A node of the opened tree keeps that node's
 * number as its id, whatever happens to it; what is made new gets ids from CK_STAGE_FIRST_ID on. A
 * file that is deleted keeps its inode until it is neither open nor known to the kernel
 * (ck_stage_forget).
 *
 * Threads: all functions may be called at once. Locks, in this order: edit_lock (one edit, sync or
 * publish at a time; held across I/O), state_lock (readers share it; the writer holds it for
 * memory only). Neither is held when a callback of the caller runs, but for progress.
 */
#ifndef CK_SAVER_STAGE_H
#define CK_SAVER_STAGE_H

#include "core/tree.h"
#include "io/vfs.h"
#include "saver/varmeta.h"

#include <sys/stat.h>

#define CK_STAGE_ROOT 1 /* inode of the folder that is shown as the root */
#define CK_STAGE_FIRST_ID (UINT64_C(1) << 38)

enum ck_stage_kind { /* the low three bits of an inode number; see fuse/ino.h */
	CK_STAGE_JSON = 0,
	CK_STAGE_DIR = 1,
	CK_STAGE_DATA = 2, /* V, or a scratch file */
	CK_STAGE_ALIAS = 3, /* a folder by its second spelling (x.d, no variable being called x) */
	CK_STAGE_GHOST = 4, /* the V.json of a variable that has just been deleted or renamed */
};

enum ck_publish_how {
	CK_PUBLISH_AUTO,
	CK_PUBLISH_REPLACE,
	CK_PUBLISH_INPLACE,
};

/* Long work tells how far it is; what is a few words. May be called from any thread. */
struct ck_progress {
	void (*fn)(void *arg, const char *what, uint64_t done, uint64_t total);
	void *arg;
};

struct ck_stage_options {
	const struct ck_vfs *vfs;
	const char *prefix; /* of the bundle; with create of the one to be */
	const char *save; /* prefix to publish to instead, or NULL */
	const char *journal; /* where the journal lies, or NULL: beside the bundle */
	bool create; /* there is no checkpoint yet */
	bool force; /* a damaged one is opened as far as it can be read */
	bool look; /* to ask what is staged: nothing is locked or written, nothing can be edited */
	/* A journal whose PATH is not there, or that cannot be laid over the checkpoint, is
	 * forgotten (ckptctl discard). */
	bool discard_lost;
	bool transient; /* what is staged goes where the program ends before it publishes */
	bool tells_recovered; /* the caller says itself that edits were recovered: no notice */
	enum ck_publish_how how;
	struct ck_tree_options tree;
	const char *subdir; /* folder that is shown as the root, or NULL */
	const char *holder; /* who edits: mount point or command, for those who are refused */
	uid_t uid; /* owner of what nobody has chowned */
	gid_t gid;
	mode_t file_mode, dir_mode; /* likewise, without type bits */
	struct ck_progress progress;
};

struct ck_stage;
struct ck_sfile; /* an open file */

/*
 * Locks the checkpoint, finishes what a crash left half done, loads it, and lays what a journal
 * holds over it. Errors: those of ck_open(); CK_BUSY (-EBUSY) naming the holder, or where the
 * journal's PATH is not there; CK_USAGE (-EEXIST) where create or save names something that is
 * there.
 */
int ck_stage_open(const struct ck_stage_options *o, struct ck_stage **ret, struct ck_err *err);

/* Gives up without publishing: what is staged stays in the journal, which goes where nothing is.
 * Every file has to be closed before. Accepts NULL. */
int ck_stage_close(struct ck_stage *s, struct ck_err *err);

/* What to tell the user once it is open: journals set aside, edits recovered, a publish finished. A
 * line each, "" where there is nothing. */
const char *ck_stage_notice(const struct ck_stage *s);
/* What the journal that was found is about, when the checkpoint is only read. Appends a sentence
 * or nothing; never fails. vfs and prefix as in the options. */
void ck_stage_pending(const struct ck_vfs *vfs, const char *prefix, struct ck_buf *out);

/* The checkpoint as it was opened, for what is not about edits. */
struct ck_model *ck_stage_model(const struct ck_stage *s);

/* --- names and attributes ------------------------------------------------------------------- */

/* Finds name in folder dir and counts one lookup of what it finds. -ENOENT, -EINVAL (no name is
 * spelt so), -ENAMETOOLONG, -ENOTDIR, -ESTALE. */
int ck_stage_lookup(struct ck_stage *s, uint64_t dir, const char *name, struct stat *ret,
		    struct ck_err *err);
void ck_stage_forget(struct ck_stage *s, uint64_t ino, uint64_t nlookup);
int ck_stage_getattr(struct ck_stage *s, uint64_t ino, struct stat *ret, struct ck_err *err);
uint64_t ck_stage_parent(struct ck_stage *s, uint64_t dir); /* the root's is the root */

enum {
	CK_SET_MODE = 1,
	CK_SET_UID = 2,
	CK_SET_GID = 4,
	CK_SET_ATIME = 8, /* from attr */
	CK_SET_MTIME = 16,
	CK_SET_ATIME_NOW = 32,
	CK_SET_MTIME_NOW = 64,
};
int ck_stage_setattr(struct ck_stage *s, uint64_t ino, unsigned set, const struct stat *attr,
		     struct ck_err *err);

/* One entry of a folder. */
struct ck_stage_name {
	char *name;
	uint64_t ino;
	mode_t type; /* S_IFDIR, S_IFREG */
};
struct ck_stage_names {
	struct ck_stage_name *v;
	size_t n;
};
/* The folder as it is now, in natural order, V.json before V; without "." and "..". */
int ck_stage_list(struct ck_stage *s, uint64_t dir, struct ck_stage_names *ret, struct ck_err *err);
void ck_stage_names_done(struct ck_stage_names *n);

/* flags: O_EXCL, O_TRUNC. Makes the file unless it is there, opens it, counts a lookup. */
int ck_stage_create(struct ck_stage *s, uint64_t dir, const char *name, int flags, mode_t mode,
		    struct ck_sfile **ret, struct stat *attr, struct ck_err *err);
int ck_stage_mkdir(struct ck_stage *s, uint64_t dir, const char *name, mode_t mode,
		   struct stat *ret, struct ck_err *err); /* counts a lookup */
int ck_stage_unlink(struct ck_stage *s, uint64_t dir, const char *name, struct ck_err *err);
int ck_stage_rmdir(struct ck_stage *s, uint64_t dir, const char *name, struct ck_err *err);
/* flags: RENAME_NOREPLACE, RENAME_EXCHANGE of <linux/fs.h>. */
int ck_stage_rename(struct ck_stage *s, uint64_t from_dir, const char *from, uint64_t to_dir,
		    const char *to, unsigned flags, struct ck_err *err);

/* --- files ---------------------------------------------------------------------------------- */

/* flags: access mode, O_TRUNC, O_APPEND. */
int ck_stage_file_open(struct ck_stage *s, uint64_t ino, int flags, struct ck_sfile **ret,
		       struct ck_err *err);
/* Every close(2) of a descriptor: -EINVAL where written bytes do not fit, or a V.json cannot be
 * taken. */
int ck_stage_file_flush(struct ck_sfile *f, struct ck_err *err);
int ck_stage_file_release(struct ck_sfile *f);
/* At most n bytes; 0 at the end. */
ssize_t ck_stage_file_read(struct ck_sfile *f, void *p, size_t n, uint64_t off,
			   struct ck_err *err);
/* Address of n bytes at off where they are bytes of the checkpoint in one piece, else NULL. For
 * the kernel's eyes only (io/source.h); valid until the file is released. */
const void *ck_stage_file_map(struct ck_sfile *f, uint64_t off, size_t n);
ssize_t ck_stage_file_write(struct ck_sfile *f, const void *p, size_t n, uint64_t off,
			    struct ck_err *err);
int ck_stage_file_truncate(struct ck_sfile *f, uint64_t size, struct ck_err *err);
int ck_stage_truncate(struct ck_stage *s, uint64_t ino, uint64_t size, struct ck_err *err);
/* mode: FALLOC_FL_*; grows the file unless KEEP_SIZE; PUNCH_HOLE and ZERO_RANGE make zeros; others
 * are -EOPNOTSUPP. */
int ck_stage_file_allocate(struct ck_sfile *f, int mode, uint64_t off, uint64_t len,
			   struct ck_err *err);
/* whence: SEEK_DATA, SEEK_HOLE. -ENXIO past the end. */
int64_t ck_stage_file_seek(struct ck_sfile *f, uint64_t off, int whence);
/* Everything staged becomes durable. */
int ck_stage_file_sync(struct ck_sfile *f, struct ck_err *err);
uint64_t ck_stage_file_ino(const struct ck_sfile *f);
uint64_t ck_stage_file_size(struct ck_sfile *f);
/* Counts up whenever the file gets other bytes than through its own inode (discard): a cache of
 * pages from before is worthless. */
uint64_t ck_stage_file_version(struct ck_sfile *f);

/* --- extended attributes (of V, scratch files and folders) ----------------------------------- */

/* size 0 asks how much; -ERANGE, -ENODATA. */
ssize_t ck_stage_getxattr(struct ck_stage *s, uint64_t ino, const char *name, void *p, size_t size,
			  struct ck_err *err);
ssize_t ck_stage_listxattr(struct ck_stage *s, uint64_t ino, char *p, size_t size,
			   struct ck_err *err);
int ck_stage_setxattr(struct ck_stage *s, uint64_t ino, const char *name, const void *p, size_t n,
		      int flags, struct ck_err *err);
int ck_stage_removexattr(struct ck_stage *s, uint64_t ino, const char *name, struct ck_err *err);

/* --- variables by name ------------------------------------------------------------------------ */

/* The folder and file name under which the variable of that name is shown, or would be if it were
 * made; with make, folders are made (and, where the variable's name is a folder's, that folder is
 * respelt with .d). *file is allocated. A name that ends in the separator means the scope: the
 * file name is that of the folder. TF2's suffix is left out of the path where that does not
 * collide; V.json has to say it of a new variable. -ENOENT where a folder is missing and make is
 * false; -EEXIST where the path is that of the variable with that suffix. */
int ck_stage_place(struct ck_stage *s, struct ck_span name, bool make, uint64_t *dir, char **file,
		   struct ck_err *err);
/* The same for a name that is a variable's, even where it ends in the separator: a variable may be
 * called so. */
int ck_stage_place_var(struct ck_stage *s, struct ck_span name, bool make, uint64_t *dir,
		       char **file, struct ck_err *err);

/* One variable as it stands now. */
struct ck_stage_var {
	struct ck_span name;
	const struct ck_varmeta *meta; /* NULL: it has none yet, or is damaged */
	uint64_t nbytes; /* of V; 0 where it is damaged */
	bool changed; /* since the last publish */
	const char *unfinished; /* why it cannot be published, or NULL */
};
/* Every variable in no particular order. */
int ck_stage_each(struct ck_stage *s, int (*fn)(void *arg, const struct ck_stage_var *v),
		  void *arg, struct ck_err *err);

/* How many there are, unfinished ones as well, and the bytes of their files, without looking into
 * any. */
void ck_stage_totals(struct ck_stage *s, uint64_t *variables, uint64_t *bytes);

/* --- the saver -------------------------------------------------------------------------------- */

/* Everything staged is durable in the journal when it returns 0. */
int ck_stage_sync(struct ck_stage *s, struct ck_err *err);

enum {
	CK_PUBLISH_EXPLICIT = 1, /* somebody asked: edits that were only recovered count too */
};

struct ck_publish_report {
	bool nothing; /* there was nothing to publish */
	char how[16]; /* "replace", "in place", "both", "index only", "new" */
	char shards[16]; /* where data files got new names: "hard link", "reflink", "copy" */
	uint64_t variables; /* written, renamed and deleted */
	uint64_t copied; /* bytes copied to make whole variables */
	uint64_t cloned; /* bytes shared instead of copied */
	uint64_t in_place; /* bytes redone in place */
	uint64_t index; /* bytes of the new index */
	uint64_t freed; /* by compacting */
	double seconds;
	char target[512]; /* prefix */
};

/* All or nothing. -EINVAL listing what is unfinished; -ESTALE where the checkpoint was changed by
 * others; -ENOSPC and the like: nothing has changed, or (CK_PUBLISH with the word "committed") it
 * is finished by the next publish or open. */
int ck_stage_publish(struct ck_stage *s, unsigned flags, struct ck_publish_report *ret,
		     struct ck_err *err);

/* Drops what is staged: all of it (path NULL), or of one file or folder by its path as shown. The
 * variable is again what was published; -ENOENT where nothing is staged there. */
int ck_stage_discard(struct ck_stage *s, const char *path, struct ck_err *err);
/* Drops what this opening has staged; what was recovered stays in the journal as it was found.
 * Before anything was published, else -EBUSY. Afterwards the stage can only be closed. */
int ck_stage_abandon(struct ck_stage *s, struct ck_err *err);

/* Gives back the space of what is not used: the data is written anew. Publishes what is staged
 * first. */
int ck_stage_compact(struct ck_stage *s, struct ck_publish_report *ret, struct ck_err *err);

/* Whether anything is staged; own: by this opening, not recovered. */
bool ck_stage_dirty(struct ck_stage *s, bool *own);

/* Whether something else has changed the checkpoint's files since. */
bool ck_stage_is_stale(struct ck_stage *s);

/* Appends the members of status.json that are about edits, each line ending in ",\n" but the
 * last: "staged", "unfinished", "recovered", "journal", "publish", "last_publish", "next". */
void ck_stage_status(struct ck_stage *s, struct ck_buf *out);

#endif
