/*
 * stage.c - opening a checkpoint for editing, and closing it again.
 *
 *   ck_lock_take    nobody else edits it
 *   ck_recover      what a crash left half done is finished, or taken back
 *   ck_open_prefix  the checkpoint as it is now, and its tree
 *   ck_replay       what a journal holds is laid over it
 */
#include "saver/stage_private.h"

#include "core/pending.h"
#include "model/builder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

static char *with_suffix(const char *prefix, const char *suffix)
{
	struct ck_buf b = CK_BUF_INIT;

	ck_buf_printf(&b, "%s%s", prefix, suffix);
	if (!ck_buf_failed(&b))
		return b.p;
	ck_buf_done(&b);
	return NULL;
}

/* A folder given for the journal serves several checkpoints. */
static char *journal_at(struct ck_stage *s, const char *path)
{
	const char *slash = strrchr(s->prefix, '/');
	struct ck_buf b = CK_BUF_INIT;
	struct ck_vstat st;

	if (s->vfs->stat(s->vfs, path, &st) < 0 || !S_ISDIR(st.mode))
		return strdup(path);
	ck_buf_printf(&b, "%s/%s.ckptfuse-journal", path, slash ? slash + 1 : s->prefix);
	if (!ck_buf_failed(&b))
		return b.p;
	ck_buf_done(&b);
	return NULL;
}

static int init(struct ck_stage *s, const struct ck_stage_options *o, struct ck_err *err)
{
	pthread_rwlockattr_t attr;

	s->vfs = o->vfs;
	s->o = *o;
	pthread_mutex_init(&s->edit_lock, NULL);
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&s->state_lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	s->next_id = CK_STAGE_FIRST_ID;
	s->target = CK_NO_SHARD;
	s->source = strdup(o->prefix);
	s->prefix = strdup(o->save ? o->save : o->prefix);
	if (!s->source || !s->prefix)
		return ck_fail_nomem(err, o->prefix);
	s->index_path = with_suffix(s->prefix, ".index");
	s->journal_path = with_suffix(s->prefix, ".ckptfuse-journal");
	if (o->journal) {
		s->pointer_path = s->journal_path;
		s->journal_path = journal_at(s, o->journal);
	}
	s->subdir = o->subdir ? strdup(o->subdir) : NULL;
	s->draft_path = with_suffix(s->prefix, ".ckptfuse-journal.draft");
	if (!s->index_path || !s->journal_path || !s->draft_path || (o->subdir && !s->subdir))
		return ck_fail_nomem(err, o->prefix);
	s->o.prefix = s->source;
	s->o.journal = NULL;
	s->o.subdir = s->subdir;
	s->o.holder = NULL;
	return 0;
}

/* Nothing may be in the way of a checkpoint that is to be made. */
static int check_free(struct ck_stage *s, struct ck_err *err)
{
	struct ck_vstat st;
	int r;

	if (!s->o.create && !s->o.save)
		return 0;
	r = s->vfs->lstat(s->vfs, s->index_path, &st);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return ck_fail(err, CK_MISSING, -r, "%s: cannot be examined: %s", s->index_path,
			       strerror(-r));
	return ck_fail(err, CK_USAGE, EEXIST, "%s: there is a checkpoint already: give another "
		       "prefix, or mount that one with -o rw", s->prefix);
}

/* Better said now than at the first edit. */
static int check_journal_folder(struct ck_stage *s, struct ck_err *err)
{
	struct ck_span name = ck_file_name(s->journal_path);
	size_t n = strlen(s->journal_path) - name.n;
	struct ck_vstat st;
	char *folder;
	int r;

	if (!s->pointer_path || !n)
		return 0;
	folder = strndup(s->journal_path, n > 1 ? n - 1 : n);
	if (!folder)
		return ck_fail_nomem(err, s->prefix);
	r = s->vfs->stat(s->vfs, folder, &st);
	if (r == 0 && !S_ISDIR(st.mode))
		r = -ENOTDIR;
	if (r < 0)
		ck_fail(err, CK_MISSING, -r, "%s: the journal is to be in that folder: %s: make it "
			"first, or give another journal=", folder, strerror(-r));
	free(folder);
	return r;
}

static int load_empty(struct ck_stage *s, struct ck_err *err)
{
	struct ck_builder b;

	s->model = ck_model_new("tensorflow", s->prefix);
	if (!s->model)
		return ck_fail_nomem(err, s->prefix);
	s->model->big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
	s->model->producer = 1;
	clock_gettime(CLOCK_REALTIME, &s->model->mtime);
	ck_builder_init(&b, s->model, false);
	return ck_builder_finish(&b, err);
}

static void load_quarantine(struct ck_stage *s)
{
	uint8_t text[65536];
	struct ck_vfile *f;
	ssize_t n;

	if (ck_vfs_open(s->vfs, s->index_path, O_RDONLY, 0, &f) < 0)
		return;
	n = s->vfs->getxattr(f, CK_QUARANTINE_XATTR, text, sizeof(text));
	if (n > 0 && ck_quarantine_decode(ck_span(text, (size_t)n), &s->quarantine) == 0)
		s->quarantine_known = true;
	ck_vfs_close(f);
}

static int load(struct ck_stage *s, struct ck_err *err)
{
	struct ck_buf ck_auto_buf index = CK_BUF_INIT;
	unsigned flags = CK_OPEN_RAW | (s->o.force ? CK_OPEN_FORCE : 0);
	int r;

	if (s->o.create) {
		r = load_empty(s, err);
	} else {
		r = ck_open_prefix(s->vfs, s->source, flags, &s->model, err);
		s->exists = true;
		s->foreign = s->o.save != NULL;
		s->num_shards = r == 0 ? s->model->num_shards : 0;
	}
	if (r < 0)
		return r;
	s->big_endian = s->model->big_endian;
	ck_buf_printf(&index, "%s.index", s->source);
	if (ck_buf_failed(&index))
		return ck_fail_nomem(err, s->prefix);
	r = s->exists ? s->vfs->stat(s->vfs, index.p, &s->index_stat) : 0;
	if (r < 0)
		return ck_fail(err, CK_MISSING, -r, "%s: cannot be examined: %s", index.p,
			       strerror(-r));
	if (s->exists && !s->foreign)
		load_quarantine(s);
	r = ck_tree_build(s->model, &s->o.tree, &s->tree, err);
	return r < 0 ? r : ck_shards_init(s, err);
}

static int make_root(struct ck_stage *s, struct ck_err *err)
{
	struct ck_entry e = { .kind = CK_KIND_DIR };
	char quoted[CK_QUOTE_ROOM];
	struct ck_buf name = CK_BUF_INIT, ck_auto_buf chain = CK_BUF_INIT;
	uint32_t node;

	if (s->subdir && s->subdir[strspn(s->subdir, "/")] &&
	    (ck_tree_find_path(s->tree, 0, 0, s->subdir, &e) < 0 || e.kind != CK_KIND_DIR))
		return ck_fail(err, CK_MISSING, ENOENT, "%s: has no folder %s, as subdir= wants",
			       s->prefix,
			       ck_quote(quoted, sizeof(quoted), s->subdir, strlen(s->subdir)));
	s->root_base = e.node;
	s->root = ck_snode_new(s, s->root_base, true);
	if (!s->root)
		return ck_fail_nomem(err, s->prefix);
	s->root->base = s->root_base;
	s->root->nsub = ck_tree_subdirs(s->tree, s->root_base);
	s->root->attr = (struct ck_sattr){
		.mode = s->o.dir_mode,
		.uid = s->o.uid,
		.gid = s->o.gid,
		.atime = s->model->mtime,
		.mtime = s->model->mtime,
		.ctime = s->model->mtime,
	};
	for (node = s->root_base; node != 0; node = ck_tree_parent(s->tree, node))
		ck_buf_add(&chain, &node, sizeof(node));
	ck_buf_str(&name, "");
	for (size_t at = chain.n; at > 0;) {
		struct ck_span c;

		at -= sizeof(node);
		memcpy(&node, chain.p + at, sizeof(node));
		c = ck_tree_component(s->tree, node);
		ck_buf_add(&name, c.p, c.n);
		ck_buf_char(&name, s->o.tree.sep);
	}
	if (ck_buf_failed(&name) || ck_buf_failed(&chain) || !name.p) {
		ck_buf_done(&name);
		name.p = ck_buf_failed(&chain) ? NULL : strdup("");
		name.n = 0;
		if (!name.p)
			return ck_fail_nomem(err, s->prefix);
	}
	s->root->pub_name = ck_span(name.p, name.n);
	return 0;
}

static void remove_file(struct ck_stage *s, const char *suffix)
{
	char *path = with_suffix(s->prefix, suffix);

	if (path)
		s->vfs->unlink(s->vfs, path);
	free(path);
}

/* What no journal means was left by a crash: before anything was staged, or after all was done. */
static void remove_stray(struct ck_stage *s)
{
	char *copy;

	if (ck_shard_by_id(s, CK_REC_STAGE) == CK_NO_SHARD)
		remove_file(s, CK_SUFFIX_STAGE);
	if (!s->journal)
		remove_file(s, CK_SUFFIX_INDEX_NEW);
	s->vfs->unlink(s->vfs, s->draft_path);
	/* Copies that were being made of a journal, or of a pointer to one. */
	remove_file(s, CK_SUFFIX_JOURNAL ".new");
	copy = with_suffix(s->journal_path, ".new");
	if (copy)
		s->vfs->unlink(s->vfs, copy);
	free(copy);
}

/* What cannot be laid over the checkpoint can still be dropped, by who drops it all. */
static int give_up(struct ck_stage *s, const struct ck_stage_options *o, struct ck_stage **ret,
		   struct ck_err *err)
{
	int r = ck_slog_remove(s);

	if (r < 0)
		ck_fail(err, CK_PUBLISH, -r, "%s: cannot be removed: %s", s->journal_path,
			strerror(-r));
	ck_stage_close(s, NULL);
	if (r == 0)
		r = ck_stage_open(o, ret, err);
	if (r == 0)
		ck_buf_printf(&(*ret)->notice, "%s: the edits that its journal kept could not be laid "
			      "over it, and were given up\n", (*ret)->prefix);
	return r;
}

int ck_stage_open(const struct ck_stage_options *o, struct ck_stage **ret, struct ck_err *err)
{
	struct ck_stage *s = calloc(1, sizeof(*s));
	struct ck_err why = CK_ERR_INIT;
	int r, replay = 0;

	if (!s)
		return ck_fail_nomem(err, o->prefix);
	r = init(s, o, err);
	if (r == 0)
		r = check_free(s, err);
	if (r == 0)
		r = check_journal_folder(s, err);
	if (r == 0)
		r = o->look ? ck_lock_look(s, err) : ck_lock_take(s, o->holder, err);
	if (r == 0)
		r = ck_recover(s, err);
	if (r == 0)
		r = check_free(s, err); /* what was recovered may be just that */
	if (r == 0)
		r = load(s, err);
	if (r == 0)
		r = make_root(s, err);
	if (r == 0)
		r = replay = ck_replay(s, &why);
	if (replay < 0 && replay != -ENOMEM && o->discard_lost)
		return give_up(s, o, ret, err);
	if (replay < 0)
		ck_fail(err, why.cls, why.errnum, "%s", why.text);
	if (r == 0 && !o->look)
		remove_stray(s);
	if (r < 0)
		ck_stage_close(s, NULL);
	else
		*ret = s;
	return r;
}

static void free_old_journals(struct ck_stage *s)
{
	while (s->old_journals) {
		struct ck_sold_journal *o = s->old_journals;

		s->old_journals = o->next;
		ck_journal_close(o->j, false, NULL);
		free(o);
	}
}

/* Edits may come to nothing: a file made and removed again. */
static bool comes_to_something(struct ck_stage *s)
{
	struct ck_plan p;
	bool does = true;

	if (ck_plan_make(s, &p, NULL) == 0) {
		does = p.nchanges || p.unfinished;
		ck_plan_done(&p);
	}
	/* Whoever only looks leaves what was found, scratch files too. */
	for (struct ck_snode *n = s->recovered && !s->own ? s->nodes : NULL; n; n = n->all_next)
		does |= n->entry && !n->pub.dir;
	return does;
}

/* A journal in which nothing is staged is of no use to anybody. */
static bool worth_keeping(struct ck_stage *s)
{
	return s->committed || s->in_doubt ||
	       ((s->own || s->recovered) && comes_to_something(s));
}

int ck_stage_close(struct ck_stage *s, struct ck_err *err)
{
	int r = 0;

	if (!s)
		return 0;
	if (s->journal && !s->draft && worth_keeping(s))
		r = s->committed || s->in_doubt ? 0 : ck_slog_sync(s, err);
	else if (s->journal)
		r = ck_slog_retire(s, err);
	if (s->tree && !s->journal && !s->spent && !s->o.look) {
		ck_snodes_free(s);
		ck_shards_trim(s);
	}
	if (s->committed)
		ck_publish_free(s->committed);
	if (s->in_doubt)
		ck_publish_free(s->in_doubt);
	ck_snodes_free(s);
	ck_journal_close(s->journal, false, NULL);
	free_old_journals(s);
	ck_shards_done(s);
	ck_quarantine_done(&s->quarantine);
	ck_tree_free(s->tree);
	ck_model_unref(s->model);
	ck_lock_drop(s);
	ck_buf_done(&s->notice);
	free(s->last.error);
	free(s->source);
	free(s->prefix);
	free(s->index_path);
	free(s->journal_path);
	free(s->pointer_path);
	free(s->draft_path);
	free(s->subdir);
	pthread_rwlock_destroy(&s->state_lock);
	pthread_mutex_destroy(&s->edit_lock);
	free(s);
	return r;
}

const char *ck_stage_notice(const struct ck_stage *s)
{
	return s->notice.p ? s->notice.p : "";
}

void ck_stage_news(struct ck_stage *s, struct ck_buf *out)
{
	pthread_mutex_lock(&s->edit_lock);
	if (s->notice.n > s->told)
		ck_buf_add(out, s->notice.p + s->told, s->notice.n - s->told);
	s->told = s->notice.n;
	pthread_mutex_unlock(&s->edit_lock);
}

struct ck_model *ck_stage_model(const struct ck_stage *s)
{
	return s->model;
}

int ck_stage_sync(struct ck_stage *s, struct ck_err *err)
{
	int r = ck_edit_begin(s, err);

	if (r < 0)
		return r;
	r = ck_slog_sync(s, err);
	pthread_mutex_unlock(&s->edit_lock);
	return r;
}

bool ck_stage_dirty(struct ck_stage *s, bool *own)
{
	bool dirty;

	pthread_mutex_lock(&s->edit_lock);
	dirty = s->journal && worth_keeping(s);
	if (own)
		*own = s->own;
	pthread_mutex_unlock(&s->edit_lock);
	return dirty;
}

bool ck_stage_is_stale(struct ck_stage *s)
{
	bool stale;

	pthread_mutex_lock(&s->edit_lock);
	stale = ck_stage_is_stale_locked(s) > 0;
	pthread_mutex_unlock(&s->edit_lock);
	return stale;
}
