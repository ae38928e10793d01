/*
 * stage_private.h - the inside of a stage, shared by the files of the saver.
 *
 *   stage.c      opening and closing            node.c, link.c, lookup.c  the tree
 *   lock.c       one writer                     name.c      paths to variables' names and back
 *   recover.c    what a crash left behind       ops.c, rename.c  edits of names
 *   replay.c     a journal's records again      file.c, json.c   edits of bytes and metadata
 *   log.c        records, and making durable    attr.c, list.c   attributes, listings
 *   shard.c      files that are written to      content.c   what a file's bytes are made of
 *   plan.c, assemble.c, publish.c, apply.c, rebase.c   publishing
 *
 * A *node* is a file or folder that somebody has edited, or below which something was; what nobody
 * has touched is in the opened tree alone. An *entry* says that a name in a folder means a node,
 * or (no node) that what the opened tree has there is gone.
 *
 * Invariants
 *   1. A node's parent folders are nodes too.
 *   2. What is published of a node stands in its pub; node->now equals it where nothing is
 *      staged. Contents and metas are never changed once they are in a pub: an edit copies first.
 *   3. Whatever was staged is in the journal in the order in which it was staged; bytes in a shard
 *      come before the record that points at them.
 *   4. Nothing is written to a byte of a shard that a journal record or a published index points
 *      at, until COMMIT is durable.
 */
#ifndef CK_SAVER_STAGE_PRIVATE_H
#define CK_SAVER_STAGE_PRIVATE_H

#include "core/ckpt.h"
#include "format/tf_rewrite.h"
#include "journal/journal.h"
#include "saver/extmap.h"
#include "saver/space.h"
#include "saver/stage.h"

#include <pthread.h>

#define CK_NO_NODE UINT32_MAX
#define CK_NO_SHARD UINT32_MAX

/* A file that bytes of variables lie in. */
struct ck_sshard {
	uint32_t id; /* in the index; CK_REC_STAGE: not yet in one */
	char *path;
	struct ck_source *source; /* as the model has it, or NULL */
	struct ck_vfile *file; /* opened by us, for reading or writing; NULL until then */
	bool writable; /* file is open for writing, and we may append */
	bool dirty; /* written to since its last sync */
	uint64_t run, run_end; /* written one behind the other, and not sent to the disk yet */
	bool suspect; /* a sync failed: what is not durable has to be written again */
	bool once; /* one name, no symlink: may be written in place */
	bool once_known;
	bool touched; /* we have written to it, or the journal says that we may */
	bool grown; /* it may hold more than what is meant: written to, or by who left a journal */
	struct ck_vstat stat; /* as we know it: compared to see whether others have changed it */
	bool unnoted; /* it was written to, and stat could not be brought up to date */
	uint64_t found; /* bytes it had before anything was staged */
	struct ck_space *space; /* of the target; NULL: to be computed */
};

/* Where a fresh file's bytes go: off ... off + len of the file to at ... at + len of the shard. */
struct ck_region {
	uint32_t which; /* CK_NO_SHARD: none */
	uint64_t off, at, len;
};

/* The bytes of one file. */
struct ck_content {
	int refs; /* under edit_lock */
	struct ck_model *model; /* whose variable EXT_BASE means, referenced; or NULL */
	uint32_t var; /* CK_NO_VAR: no byte is of the checkpoint as it was opened */
	uint64_t size;
	struct ck_extmap *map; /* NULL: all of var, unchanged */
	bool homed; /* published, perhaps edited since: new bytes go to the journal */
	bool borrowed; /* extents of it may lie in what is published: none of them is given back */
	uint32_t home_shard; /* homed, in one piece and not var's: where (index in shards) */
	uint64_t home_at;
	uint64_t home_size; /* bytes of V there */
	uint32_t home_crc; /* of the bytes there, as the index has it */
	struct ck_region region;
	struct ck_content *prev, *next; /* stage->contents */
};

struct ck_sxattr {
	char *name;
	void *value;
	size_t n;
	struct ck_sxattr *next;
};

struct ck_snode;

/* A name in a folder. */
struct ck_sentry {
	struct ck_sentry *hash_next;
	struct ck_sentry *prev, *next; /* the folder's list */
	struct ck_snode *dir;
	char *name; /* as spelt, without the .json */
	struct ck_snode *node; /* NULL: nothing is there */
	struct ck_varmeta *last; /* that of the variable that was there, for the next one */
	struct ck_snode *gone; /* the folder that was there last, and was removed; or NULL */
	bool last_suffixed;
	uint32_t base; /* no node, and the opened tree has one: which */
	bool base_dir; /* it is the folder */
	bool base_published; /* that it is gone is published */
	uint64_t ghost; /* id of a V.json that has gone, but may still be read or removed; or 0 */
	uint64_t ghost_key; /* id by which it is in the table of ghosts (node.c), or 0 */
	struct ck_sentry *ghost_next;
};

/* What can be staged of a node, and published. */
struct ck_sstate {
	struct ck_snode *dir; /* folder it lies in, NULL: nowhere */
	char *name; /* there */
	struct ck_content *content; /* files: NULL while there is only metadata */
	struct ck_varmeta *meta; /* NULL: none */
};

/* What people may set of a file. */
struct ck_sattr {
	mode_t mode;
	uid_t uid;
	gid_t gid;
	struct timespec atime, mtime, ctime;
};

struct ck_snode {
	struct ck_snode *hash_next; /* by id and is_dir */
	uint64_t id;
	bool is_dir;
	bool json_hidden; /* V.json was removed by itself */
	bool suffixed; /* its name ends in TF2's suffix, which the path leaves out */
	bool pub_suffixed;
	bool home_is_base; /* published just as it was opened: the model has its V.json */
	struct ck_sattr attr; /* of the folder, or V */
	struct ck_sattr json; /* of V.json */
	uint32_t base; /* the opened tree's node, or CK_NO_NODE */
	struct ck_sentry *entry; /* where it lies now; NULL: unlinked (or the root) */
	struct ck_sstate now; /* dir and name: of the entry, not owned */
	struct ck_sstate pub; /* name is owned; content NULL: not published */
	struct ck_span pub_name; /* variable's (scope's, with the separator), owned; p NULL */
	char *component; /* what the spelling stands for, where that cannot be undone (%~) */
	size_t component_len;
	uint64_t nlookup;
	uint32_t nopen;
	uint64_t version; /* see ck_stage_file_version() */
	uint32_t nsub; /* folders: folders in it */
	struct ck_sentry *children; /* folders */
	struct ck_sxattr *xattrs;
	size_t xattr_bytes;
	bool unlogged; /* extents of it may lack a record */
	bool pending; /* in stage->pending: extents of it may not be durable */
	struct ck_snode *pending_next;
	struct ck_snode *all_prev, *all_next; /* stage->nodes */
};

/* Staged bytes that nothing means any more, once the record that says so is durable. */
struct ck_slimbo {
	uint64_t off, len; /* in the target */
	struct ck_slimbo *next;
};

struct ck_sfile {
	struct ck_stage *s;
	uint64_t ino;
	enum ck_stage_kind kind;
	int flags;
	struct ck_snode *node; /* NULL: a file that nobody has edited, read only */
	struct ck_model *model; /* then: its variable */
	uint32_t var;
	bool wrote; /* since the last flush that was judged */
	struct ck_buf text; /* JSON */
	bool text_dirty;
	pthread_mutex_t lock; /* over text */
};

/* A journal that is not written to any more but holds bytes that somebody needs. */
struct ck_sold_journal {
	uint32_t generation;
	struct ck_journal *j;
	struct ck_sold_journal *next;
};

struct ck_last_publish {
	bool any;
	time_t when;
	struct ck_publish_report report;
	char *error; /* of the last try, or NULL */
};

struct ck_stage {
	/* constant */
	const struct ck_vfs *vfs;
	char *source; /* prefix that was opened */
	char *prefix; /* prefix that is published to: source or save */
	char *journal_path; /* where the journal lies */
	char *pointer_path; /* what points to it, or NULL */
	bool unled; /* nothing points to it when this is opened: what lies there is not ours */
	char *draft_path; /* where it lies while it does not count */
	char *subdir;
	struct ck_stage_options o; /* its strings are not used */
	bool big_endian;

	pthread_mutex_t edit_lock;
	pthread_rwlock_t state_lock;

	struct ck_vfile *lock_file;
	char *lock_path;

	struct ck_model *model; /* as opened */
	struct ck_tree *tree;
	uint32_t root_base; /* node of the tree that is shown as the root */

	/* the index that is published now */
	bool exists; /* false: nothing was ever published to prefix */
	bool foreign; /* what is published lies at source, not at prefix (save=) */
	char *index_path;
	struct ck_vstat index_stat;
	bool index_unnoted; /* we have replaced it, and could not look at it since */
	struct ck_rec_index index; /* identity; known: index_known */
	bool index_known;
	uint32_t num_shards; /* as it says */
	struct ck_quarantine quarantine;
	bool quarantine_known;

	struct ck_sshard *shards;
	uint32_t nshards;
	uint32_t target; /* where new bytes go; CK_NO_SHARD: to be chosen */
	int can_clone; /* 1, 0; -1: not tried */
	bool stage_named; /* the name of P.ckptfuse-data is durable */

	struct ck_journal *journal; /* NULL: nothing is staged */
	bool draft; /* transient: it does not have its name yet */
	uint32_t generation;
	struct ck_sold_journal *old_journals;
	struct ck_content *contents; /* all */
	struct ck_snode *pending;
	struct ck_slimbo *limbo;

	struct ck_snode *root;
	struct ck_snode *nodes;
	struct ck_snode **node_table;
	size_t node_slots, nnodes;
	struct ck_sentry **entry_table;
	size_t entry_slots, nentries;
	struct ck_sentry **ghost_table;
	size_t ghost_slots, nghosts;
	uint64_t next_id;
	uint64_t garbage; /* unlinked nodes that the kernel has forgotten; atomic */
	unsigned writing; /* how often state_lock is held for writing, under edit_lock */

	bool replaying;
	bool relogging; /* a journal is begun */
	bool recovered; /* edits come from a journal that was found */
	uint64_t found; /* bytes of that journal; 0: it held no edits */
	bool ignored; /* there is a journal that is not ours to go on with */
	bool own; /* edits were made by this opening */
	uint64_t edits; /* counts up with each */
	struct ck_publish *committed; /* durable, not yet carried out */
	bool spent; /* compacted: what is in memory is of the old files */
	/* Whether the COMMIT of this one is durable cannot be known: nothing goes on until it could
	 * be taken back. It began at byte doubt_at, behind a record with that CRC. */
	struct ck_publish *in_doubt;
	uint64_t doubt_at;
	uint32_t doubt_chain;
	struct ck_buf notice;
	size_t told; /* bytes of it that ck_stage_news() has given */
	struct ck_last_publish last;
};

struct ck_found;

/* Every edit begins and ends with these; edit_lock is held between them. */
int ck_edit_begin(struct ck_stage *s, struct ck_err *err);
void ck_edit_end(struct ck_stage *s, int r);

/* state_lock for writing, by who holds edit_lock; may be nested. */
static inline void ck_state_write(struct ck_stage *s)
{
	if (s->writing++ == 0)
		pthread_rwlock_wrlock(&s->state_lock);
}

static inline void ck_state_written(struct ck_stage *s)
{
	if (--s->writing == 0)
		pthread_rwlock_unlock(&s->state_lock);
}

/* lock.c */
int ck_lock_take(struct ck_stage *s, const char *holder, struct ck_err *err);
int ck_lock_look(struct ck_stage *s, struct ck_err *err); /* whether somebody holds it: -EBUSY */
void ck_lock_drop(struct ck_stage *s);

/* node.c: tables of nodes and entries. Under edit_lock and state_lock (write) where they change. */
struct ck_snode *ck_snode_by_id(const struct ck_stage *s, uint64_t id, bool is_dir);
struct ck_sentry *ck_sentry_find(const struct ck_stage *s, const struct ck_snode *dir,
				const char *name, size_t len);
/* The entry, made if need be; NULL when out of memory. */
struct ck_sentry *ck_sentry_make(struct ck_stage *s, struct ck_snode *dir, const char *name,
				size_t len);
/* A variable has just gone from the entry: its V.json may still be asked for by that id. Nobody has
 * to do anything to make it none again but set e->ghost to 0. */
void ck_ghost_set(struct ck_stage *s, struct ck_sentry *e, uint64_t id);
/* The entry where such a one was last, whatever has become of it; NULL: nothing is known. */
struct ck_sentry *ck_ghost_find(const struct ck_stage *s, uint64_t id);
/* Forgets an entry that says nothing. */
void ck_sentry_maybe_free(struct ck_stage *s, struct ck_sentry *e);
struct ck_snode *ck_snode_new(struct ck_stage *s, uint64_t id, bool is_dir);
void ck_snode_maybe_free(struct ck_stage *s, struct ck_snode *n);
void ck_snodes_free(struct ck_stage *s);
/* Puts a node at an entry, takes it away. */
void ck_snode_link(struct ck_stage *s, struct ck_snode *n, struct ck_sentry *e);
void ck_snode_unlink(struct ck_stage *s, struct ck_snode *n);
/* The folder or file of the opened tree as a node. */
int ck_snode_materialize(struct ck_stage *s, uint32_t base, bool is_dir, struct ck_snode **ret,
			struct ck_err *err);
struct ck_sattr ck_sattr_new(const struct ck_stage *s, mode_t mode); /* made just now */
void ck_sattr_touch(struct ck_sattr *a); /* mtime and ctime are now */
void ck_snode_touch(struct ck_snode *n); /* those of the folder, or V */
bool ck_name_is_scratch(const char *name);

/* lookup.c */
struct ck_found {
	enum ck_stage_kind kind;
	struct ck_snode *node; /* NULL: not a node yet */
	uint32_t base; /* node NULL: of the opened tree; GHOST: CK_NO_NODE */
	struct ck_sentry *entry; /* GHOST, or the node's */
};
/* What name means in the folder. dir_node NULL: dir_base is a folder that is no node. */
int ck_sfind(const struct ck_stage *s, const struct ck_snode *dir_node, uint32_t dir_base,
	    const char *name, size_t len, struct ck_found *ret);
/* The folder with that inode as (node, base). -ENOTDIR, -ESTALE. */
int ck_sfind_dir(const struct ck_stage *s, uint64_t ino, struct ck_snode **node, uint32_t *base);
/* The same, made a node. */
int ck_dir_node(struct ck_stage *s, uint64_t ino, struct ck_snode **ret, struct ck_err *err);
/* What was found, made a node. */
int ck_found_node(struct ck_stage *s, const struct ck_found *f, struct ck_snode **ret,
		  struct ck_err *err);
uint64_t ck_found_ino(const struct ck_found *f);
/* A path from the root, for replaying: the folder as a node and the last component. */
int ck_sfind_parent(struct ck_stage *s, struct ck_span path, struct ck_snode **dir,
		   struct ck_span *name, struct ck_err *err);
bool ck_dir_is_empty(struct ck_stage *s, struct ck_snode *dir);

/* name.c */
/* Appends the path of a node (or of a name in a folder) for the journal and for people. */
void ck_snode_path(const struct ck_snode *n, struct ck_buf *out);
void ck_child_path(const struct ck_snode *dir, const char *name, struct ck_buf *out);
/* What a cut spelling stands for is kept where it is known by the folder alone: before a move. */
int ck_snode_keep_component(struct ck_stage *s, struct ck_snode *n);
/* Appends the scope's name with the separator; false where a component cannot be known. */
bool ck_scope_name(const struct ck_stage *s, const struct ck_snode *dir, struct ck_buf *out);
/* Appends the variable's name; false where it cannot be known (a path with %~, no V.json). */
bool ck_var_node_name(const struct ck_stage *s, const struct ck_snode *n, struct ck_buf *out);
/* The same of a variable that was there. */
bool ck_sentry_var_name(const struct ck_stage *s, const struct ck_sentry *e, struct ck_buf *out);
/* 0 where a file (or folder) may be called so, -EINVAL, -ENAMETOOLONG. */
int ck_name_check(const struct ck_stage *s, const struct ck_snode *dir, const char *name,
		  bool is_dir, struct ck_err *err);
/* Why the variable cannot be published, appended to *out; false: it can. */
bool ck_snode_unfinished(const struct ck_stage *s, const struct ck_snode *n, struct ck_buf *out);
bool ck_snode_is_var(const struct ck_snode *n); /* linked, a file, not scratch */
bool ck_snode_is_dirty(const struct ck_snode *n); /* bytes, metadata or name are staged */

/* content.c */
struct ck_content *ck_content_new(struct ck_stage *s); /* empty and fresh */
struct ck_content *ck_content_of_var(struct ck_stage *s, struct ck_model *m, uint32_t var,
				     uint64_t size);
struct ck_content *ck_content_ref(struct ck_content *c);
struct ck_content *ck_content_unref(struct ck_stage *s, struct ck_content *c);
/* The node's content, ready to be changed: made or copied where need be. */
int ck_content_edit(struct ck_stage *s, struct ck_snode *n, struct ck_content **ret,
		    struct ck_err *err);
int ck_content_read(struct ck_stage *s, struct ck_content *c, uint64_t off, void *p, size_t n,
		    struct ck_err *err);
int ck_content_write(struct ck_stage *s, struct ck_snode *n, uint64_t off, const void *p,
		     size_t len, struct ck_err *err);
int ck_content_resize(struct ck_stage *s, struct ck_snode *n, uint64_t size, struct ck_err *err);
/* The next sync is to make its bytes durable. */
void ck_content_pend(struct ck_stage *s, struct ck_snode *n);
/* Bytes reserved beyond the end are given back. */
void ck_content_settle(struct ck_stage *s, struct ck_content *c);
/* Reads one extent's bytes. */
int ck_ext_read(struct ck_stage *s, const struct ck_content *c, const struct ck_ext *e,
		uint64_t skip, void *p, size_t n, struct ck_err *err);

/* shard.c */
int ck_shards_init(struct ck_stage *s, struct ck_err *err);
void ck_shards_done(struct ck_stage *s);
/* Makes s->target the shard that new bytes go to, and opens it. */
int ck_shard_choose(struct ck_stage *s, struct ck_err *err);
/* The same, with its free space known: that takes reading the index. */
int ck_shard_target(struct ck_stage *s, struct ck_sshard **ret, struct ck_err *err);
int ck_shard_add(struct ck_stage *s, uint32_t id, uint32_t *ret, struct ck_err *err);
uint32_t ck_shard_by_id(const struct ck_stage *s, uint32_t id); /* index, CK_NO_SHARD */
int ck_shard_read(struct ck_stage *s, uint32_t which, uint64_t off, void *p, size_t n,
		  struct ck_err *err);
int ck_shard_write(struct ck_stage *s, uint32_t which, uint64_t off, const void *p, size_t n,
		   struct ck_err *err);
int ck_shard_open(struct ck_stage *s, uint32_t which, bool write, struct ck_err *err);
/* Whether the file may be written in place: one name, no symlink. */
bool ck_shard_is_ours(struct ck_stage *s, uint32_t which);
/* Remembers what the file looks like now, so that changes by others are seen. */
void ck_shard_note(struct ck_sshard *sh);
int ck_shard_changed(struct ck_stage *s, struct ck_sshard *sh); /* 1, 0, -errno */
/* Free space has to be computed anew (after a publish). */
void ck_shards_forget_space(struct ck_stage *s);
/* Cuts the target behind all that is needed. */
void ck_shards_trim(struct ck_stage *s);
/* Every published range of a shard, by index (from the index as it stands). */
int ck_shard_live(struct ck_stage *s, uint32_t which, struct ck_ranges *ret, struct ck_err *err);
/* Adds every range of the shard with that id, in any order and unsettled. */
int ck_model_ranges(const struct ck_model *m, uint32_t id, struct ck_ranges *ret);
/* Bytes of the target that were staged and are not needed any more: free at once, or (logged)
 * when the journal is next durable. */
void ck_shard_drop(struct ck_stage *s, uint32_t which, uint64_t off, uint64_t len, bool logged);
void ck_shard_drop_limbo(struct ck_stage *s, bool give_back);
bool ck_shards_can_clone(struct ck_stage *s);

/* log.c */
int ck_slog_begin(struct ck_stage *s, struct ck_err *err);
int ck_slog_add(struct ck_stage *s, struct ck_record *r, uint64_t *data_at, struct ck_err *err);
/* META of what is not said by who writes V.json: suffixed is told as well. */
/* Appends metadata as a record has it. */
void ck_slog_meta_text(const struct ck_varmeta *meta, bool suffixed, struct ck_buf *out);
int ck_slog_meta(struct ck_stage *s, struct ck_span path, const struct ck_varmeta *meta,
		 bool suffixed, struct ck_err *err);
#define CK_META_SUFFIXED "{\"suffixed\": true, " /* how such a one begins */
/* Records for all extents that lack one. */
int ck_slog_extents(struct ck_stage *s, struct ck_err *err);
int ck_slog_sync(struct ck_stage *s, struct ck_err *err);
/* The journal is not needed any more: its name goes, its bytes stay while somebody needs them. */
int ck_slog_retire(struct ck_stage *s, struct ck_err *err);
int ck_slog_remove(struct ck_stage *s); /* the names alone; nothing of it is open */
/* A draft becomes the journal. */
int ck_slog_settle(struct ck_stage *s, struct ck_err *err);
int ck_shards_sync(struct ck_stage *s, struct ck_err *err);
void ck_slog_drop_old(struct ck_stage *s);
struct ck_journal *ck_slog_generation(const struct ck_stage *s, uint32_t generation);
/* Before any edit: the checkpoint is as we know it, and a publish that was not finished is. */
int ck_edit_allowed(struct ck_stage *s, struct ck_err *err);

/* walk.c */
/* Calls fn for every variable of the opened tree that lies below the folder untouched. */
int ck_walk_untouched(struct ck_stage *s, const struct ck_snode *dir,
		      int (*fn)(void *arg, uint32_t var), void *arg);
/* Bytes of a name that the opened tree's folder stands for, with the separator. */
size_t ck_scope_len(const struct ck_stage *s, uint32_t base);

/* recover.c, replay.c */
int ck_recover(struct ck_stage *s, struct ck_err *err);
int ck_replay(struct ck_stage *s, struct ck_err *err);
/* A journal lies where ours is to be made, and no pointer leads to it. */
int ck_recover_orphan(struct ck_stage *s, struct ck_err *err);

/* ops.c, rename.c, vjson.c, file.c: edits with the locks held, used by replay as well */
int ck_do_create(struct ck_stage *s, struct ck_snode *dir, const char *name, mode_t mode,
		 struct ck_snode **ret, struct ck_err *err);
int ck_do_mkdir(struct ck_stage *s, struct ck_snode *dir, const char *name, mode_t mode,
		struct ck_snode **ret, struct ck_err *err);
int ck_do_unlink(struct ck_stage *s, struct ck_snode *dir, const char *name, struct ck_err *err);
int ck_do_rmdir(struct ck_stage *s, struct ck_snode *dir, const char *name, struct ck_err *err);
/* *durable: the new value has to be made durable before the caller is told. */
int ck_do_rename(struct ck_stage *s, struct ck_snode *from_dir, const char *from,
		 struct ck_snode *to_dir, const char *to, unsigned flags, bool *durable,
		 struct ck_err *err);
int ck_entry_for(struct ck_stage *s, struct ck_snode *dir, const char *name,
		 struct ck_sentry **ret, struct ck_err *err);
void ck_unlink_node(struct ck_stage *s, struct ck_snode *n);
bool ck_other_spelling(struct ck_stage *s, struct ck_snode *dir, const char *name,
		       struct ck_found *ret);
/* What a new file of that name is: the metadata of the variable that was last called so, with a
 * reference, or NULL. */
struct ck_varmeta *ck_last_meta(struct ck_stage *s, const struct ck_sentry *e, bool *suffixed);
/* The folder that had this one's place before it, and was removed; NULL: none is known. */
struct ck_snode *ck_dir_before(const struct ck_stage *s, const struct ck_snode *dir);
void ck_snode_attr(struct ck_stage *s, struct ck_snode *n, enum ck_stage_kind kind,
		   struct stat *ret);
int ck_stage_data_open(struct ck_stage *s, struct ck_err *err); /* P.ckptfuse-data */
int ck_do_meta(struct ck_stage *s, struct ck_snode *n, struct ck_varmeta *meta,
	       struct ck_err *err); /* takes the reference */
/* The file of which name (ending in .json) is the metadata, made without bytes where it is not. */
int ck_json_owner(struct ck_stage *s, struct ck_snode *dir, const char *name,
		  struct ck_snode **ret, struct ck_err *err);
/* Forgets an owner that got neither metadata nor bytes. */
void ck_json_owner_done(struct ck_stage *s, struct ck_snode *n);
bool ck_is_json_name(const char *name, size_t *base_len);
void ck_json_text(struct ck_stage *s, struct ck_snode *n, struct ck_buf *out);
/* The text of an open V.json: bytes of it, and what it says becomes the variable's. */
ssize_t ck_json_write(struct ck_sfile *f, const void *p, size_t n, uint64_t off,
		      struct ck_err *err);
int ck_json_flush(struct ck_sfile *f, struct ck_err *err);
int ck_discard_node(struct ck_stage *s, struct ck_span path, struct ck_err *err);
int ck_discard_all(struct ck_stage *s, struct ck_err *err);

/* plan.c: what publishing is going to do. */
enum ck_item_how {
	CK_ITEM_KEEP, /* the bytes are where they are; the entry is written anew */
	CK_ITEM_PLACED, /* they lie in the target already, in one piece */
	CK_ITEM_COPY, /* they are put together in the target */
	CK_ITEM_CLONE, /* the same, sharing what is unchanged */
	CK_ITEM_INPLACE, /* what is changed is redone from the journal */
};

struct ck_item { /* a variable, or one slice of it, whose bytes or entry change */
	struct ck_snode *n;
	size_t change;
	uint32_t slice; /* UINT32_MAX: the whole variable */
	enum ck_item_how how;
	uint64_t nbytes; /* stored */
	uint32_t home; /* shard (index) of its home, where it has one in one piece */
	uint64_t home_at;
	uint32_t home_crc;
	struct ck_tf_place place; /* the result */
};

struct ck_plan {
	struct ck_tf_change *changes;
	size_t nchanges, changes_room;
	struct ck_item *items;
	size_t nitems, items_room;
	struct ck_rec_patch *patches; /* shard: id */
	struct ck_vfile **files;
	size_t npatches, patches_room;
	struct ck_quarantine died; /* age 1: what this publish gives up */
	uint64_t unfinished, named; /* that many of them stand in the text */
	struct ck_buf unfinished_text, unfinished_why; /* names; what the first one waits for */
	struct ck_publish_report report;
};
int ck_plan_make(struct ck_stage *s, struct ck_plan *p, struct ck_err *err);
void ck_plan_done(struct ck_plan *p);

/* assemble.c: puts the bytes of all items where they go and knows their checksums. */
int ck_plan_assemble(struct ck_stage *s, struct ck_plan *p, struct ck_err *err);
bool ck_ext_is_home(const struct ck_content *c, const struct ck_ext *e);
/* slices.c */
typedef int ck_run_fn(void *arg, uint64_t var_off, uint64_t slice_off, uint64_t len);
/* Stretches that are contiguous in the slice and in the variable, in rising order. */
int ck_slice_runs(const struct ck_model *m, const struct ck_var *v, const struct ck_slice *sl,
		  ck_run_fn *fn, void *arg);
/* Whether an edit touches the slice. */
bool ck_slice_touched(const struct ck_content *c, const struct ck_model *m,
		      const struct ck_var *v, const struct ck_slice *sl);

/* apply.c: carries out what a COMMIT says; may be repeated until it succeeds. */
struct ck_commit {
	char *index_tmp; /* the new index's temporary name */
	char *index_path; /* and its own */
	char **remove; /* files to remove afterwards */
	uint32_t nremove;
	struct ck_rec_patch *patches; /* shard: id before publishing */
	uint32_t npatches;
	struct ck_vfile **files; /* of shards that patches go to, by patch; not owned */
};
int ck_apply(const struct ck_vfs *vfs, const struct ck_commit *c, struct ck_journal *j,
	     const struct ck_progress *progress, struct ck_err *err);
void ck_commit_done(struct ck_commit *c);

/* publish.c */
struct ck_publish {
	struct ck_plan plan;
	struct ck_commit commit;
	struct ck_quarantine quarantine; /* of the new index */
	struct ck_rec_index identity; /* of the new index */
	uint32_t num_shards; /* it says */
	uint32_t stage_id; /* number that P.ckptfuse-data gets */
	bool stage_used; /* something of the new index lies in it */
	bool compact; /* nothing lies anywhere else */
	bool renumber; /* the data file gets the name of an only one */
	bool new_files; /* data files get new names */
	struct ck_model *model; /* of the new index, where slices have moved */
	char **made; /* files made, to be removed where it fails */
	uint32_t nmade;
};
int ck_publish_locked(struct ck_stage *s, unsigned flags, struct ck_publish_report *ret,
		      struct ck_err *err);
int ck_publish_commit(struct ck_stage *s, struct ck_publish *x, struct ck_err *err);
int ck_publish_finish(struct ck_stage *s, struct ck_err *err);
void ck_publish_free(struct ck_publish *x);
int ck_stage_is_stale_locked(struct ck_stage *s); /* 1, 0, -errno */
/* shardnames.c: names of files, and those made before COMMIT. */
int ck_layout_make(struct ck_stage *s, struct ck_publish *x, struct ck_err *err);
void ck_layout_undo(struct ck_stage *s, struct ck_publish *x);
struct ck_span ck_file_name(const char *path); /* without the folder, as records have it */
char *ck_shard_name(const char *prefix, uint32_t id, uint32_t num); /* NULL: out of memory */
/* rebase.c: what was staged is what is published. */
int ck_rebase_prepare(struct ck_stage *s, struct ck_publish *x, struct ck_err *err);
int ck_rebase(struct ck_stage *s, struct ck_publish *x, struct ck_err *err);
int ck_rebase_nothing(struct ck_stage *s, struct ck_err *err);
void ck_snodes_sweep(struct ck_stage *s);
/* vjson.c: V.json of what is no node, and of what was there. */
int ck_base_json(struct ck_stage *s, uint32_t base, struct ck_buf *out, struct ck_err *err);
bool ck_base_name(struct ck_stage *s, uint32_t base, struct ck_buf *out);
int ck_ghost_json(struct ck_stage *s, const struct ck_sentry *e, struct ck_buf *out,
		  struct ck_err *err);

const char *ck_stage_quote(const struct ck_snode *n, char *buf, size_t room);

#endif
