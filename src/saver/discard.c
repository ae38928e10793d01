/*
 * discard.c - what is staged is dropped: of everything, or of one file or folder.
 *
 * A node's pub says what it was and where it lay; going back is putting that in now. What was made
 * new leaves. Scratch files stay where their folder does: they are nobody's edits.
 */
#include "saver/stage_private.h"

#include <errno.h>
#include <stdlib.h>

/* Bytes and metadata as they are published. */
static void revert_state(struct ck_stage *s, struct ck_snode *n)
{
	if (n->now.content != n->pub.content) {
		ck_content_unref(s, n->now.content);
		n->now.content = n->pub.content ? ck_content_ref(n->pub.content) : NULL;
		__atomic_add_fetch(&n->version, 1, __ATOMIC_RELAXED);
	}
	if (n->now.meta != n->pub.meta) {
		ck_varmeta_unref(n->now.meta);
		n->now.meta = n->pub.meta ? ck_varmeta_ref(n->pub.meta) : NULL;
	}
	n->suffixed = n->pub_suffixed;
	n->json_hidden = false;
}

static void unlink_quietly(struct ck_stage *s, struct ck_snode *n)
{
	struct ck_sentry *e = n->entry;

	if (!e)
		return;
	ck_snode_unlink(s, n);
	ck_varmeta_unref(e->last);
	e->last = NULL;
	e->ghost = 0;
}

static int relink(struct ck_stage *s, struct ck_snode *n, struct ck_snode *dir, const char *name)
{
	struct ck_sentry *e = ck_sentry_make(s, dir, name, strlen(name));

	if (!e)
		return -ENOMEM;
	if (e->node)
		return e->node == n ? 0 : -EEXIST;
	ck_snode_link(s, n, e);
	return 0;
}

/* Entries that say that something published is gone say so no more. */
static void forget_whiteouts(struct ck_stage *s, struct ck_snode *dir)
{
	struct ck_sentry *next;

	for (struct ck_sentry *e = dir->children; e; e = next) {
		next = e->next;
		if (e->node)
			continue;
		e->ghost = 0;
		ck_varmeta_unref(e->last);
		e->last = NULL;
		/* A node of the opened tree is its own witness. */
		if (e->base != CK_NO_NODE && !e->base_published &&
		    !ck_snode_by_id(s, e->base, e->base_dir)) {
			if (e->base_dir)
				dir->nsub++;
			e->base = CK_NO_NODE;
		}
		ck_sentry_maybe_free(s, e);
	}
}

struct scratch {
	struct ck_snode *n, *dir;
	char *name;
	struct scratch *next;
};

static int keep_scratch(struct ck_snode *n, struct scratch **list)
{
	struct scratch *k = malloc(sizeof(*k));

	if (!k || !(k->name = strdup(n->entry->name))) {
		free(k);
		return -ENOMEM;
	}
	k->n = n;
	k->dir = n->now.dir;
	k->next = *list;
	*list = k;
	return 0;
}

int ck_discard_all(struct ck_stage *s, struct ck_err *err)
{
	struct scratch *list = NULL;
	int r = 0;

	for (struct ck_snode *n = s->nodes; n; n = n->all_next) {
		if (!n->entry)
			continue;
		if (!n->is_dir && !n->pub.dir && ck_name_is_scratch(n->entry->name) &&
		    keep_scratch(n, &list) < 0)
			r = -ENOMEM;
		unlink_quietly(s, n);
	}
	for (struct ck_snode *n = s->nodes; n; n = n->all_next) {
		if (!n->pub.dir)
			continue;
		if (relink(s, n, n->pub.dir, n->pub.name) < 0)
			r = -ENOMEM;
		if (!n->is_dir)
			revert_state(s, n);
	}
	for (struct ck_snode *n = s->nodes; n; n = n->all_next)
		if (n->is_dir)
			forget_whiteouts(s, n);
	while (list) {
		struct scratch *k = list;

		list = k->next;
		if ((k->dir->entry || k->dir == s->root) && !k->n->entry)
			relink(s, k->n, k->dir, k->name);
		free(k->name);
		free(k);
	}
	return r < 0 ? ck_fail_nomem(err, s->prefix) : 0;
}

/* --- one path -------------------------------------------------------------------------------- */

/* A new folder in the place of one that comes back: what is in it is in that one then. */
static int move_in(struct ck_stage *s, struct ck_snode *from, struct ck_snode *to)
{
	for (struct ck_sentry *e = from->children; e; e = e->next) {
		struct ck_snode *n = e->node;
		struct ck_sentry *at = n ? ck_sentry_make(s, to, e->name, strlen(e->name)) : NULL;

		if (!n)
			continue;
		if (!at)
			return -ENOMEM;
		if (at->node) /* cannot be: it was deleted, so it is empty */
			return -EEXIST;
		unlink_quietly(s, n);
		ck_snode_link(s, n, at);
	}
	unlink_quietly(s, from);
	return 0;
}

static int make_way(struct ck_stage *s, struct ck_snode *dir)
{
	const char *name = dir->pub.name;
	struct ck_sentry *e = ck_sentry_find(s, dir->pub.dir, name, strlen(name));
	struct ck_snode *is = e ? e->node : NULL;
	struct ck_found f;

	if (!is && ck_other_spelling(s, dir->pub.dir, name, &f)) {
		is = f.node;
		if (!is)
			return -EEXIST;
	}
	if (!is)
		return 0;
	return is->is_dir && !is->pub.dir ? move_in(s, is, dir) : -EEXIST;
}

/* Folders that are deleted are still there as nodes, and what was published in them says so: with
 * the first thing that goes back, they do. */
static int revive(struct ck_stage *s, struct ck_snode *dir, struct ck_err *err)
{
	char quoted[CK_QUOTE_ROOM];
	int r;

	if (dir->entry || dir == s->root)
		return 0;
	r = dir->pub.dir ? revive(s, dir->pub.dir, err) : -ENOENT;
	if (r == 0)
		r = make_way(s, dir);
	if (r == 0)
		r = relink(s, dir, dir->pub.dir, dir->pub.name);
	if (r == -EEXIST)
		ck_fail(err, CK_USAGE, EEXIST, "%s: the folder %s cannot come back: something else has "
			"its name now: discard that first", s->prefix,
			ck_quote(quoted, sizeof(quoted), dir->pub_name.p, dir->pub_name.n));
	return r;
}

static struct ck_sentry *home_of(struct ck_stage *s, const struct ck_snode *n)
{
	return ck_sentry_make(s, n->pub.dir, n->pub.name, strlen(n->pub.name));
}

/* Whether those who are in each other's place are a ring, as after a swap by three renames. (Homes
 * differ, so the way from one to the next ends, or comes back to where it began.) */
static bool is_ring(struct ck_stage *s, struct ck_snode *n)
{
	struct ck_snode *at = n;

	do {
		struct ck_sentry *e = home_of(s, at);

		at = e ? e->node : NULL;
	} while (at && at != n && at->pub.dir && !at->is_dir);
	return at == n;
}

/* Whether something is in the way that cannot be dropped by the way. */
static int check_home(struct ck_stage *s, struct ck_snode *n, const struct ck_snode *is,
		      struct ck_err *err)
{
	char quoted[CK_QUOTE_ROOM];

	if (!is || (!is->is_dir && (!is->pub.dir || is_ring(s, n))))
		return 0;
	return ck_fail(err, CK_USAGE, EEXIST, "%s: %s cannot go back: %s: discard that first", s->prefix,
		       ck_quote(quoted, sizeof(quoted), n->pub_name.p, n->pub_name.n),
		       is->is_dir ? "a folder has that name now" :
				    "another variable was renamed to that");
}

/* The node goes back to where it was; -EEXIST where that name is taken by another edit. */
static int go_back(struct ck_stage *s, struct ck_snode *n, struct ck_err *err)
{
	struct ck_sentry *e;
	struct ck_snode *is;
	int r;

	if (n->entry && n->now.dir == n->pub.dir && strcmp(n->entry->name, n->pub.name) == 0) {
		revert_state(s, n);
		return 0;
	}
	e = home_of(s, n);
	if (!e)
		return ck_fail_nomem(err, s->prefix);
	r = check_home(s, n, e->node, err);
	if (r == 0)
		r = revive(s, n->pub.dir, err);
	if (r < 0)
		return r;
	unlink_quietly(s, n);
	for (; n; n = is && is->pub.dir ? is : NULL) {
		e = home_of(s, n);
		if (!e)
			return ck_fail_nomem(err, s->prefix);
		is = e->node;
		if (is)
			unlink_quietly(s, is);
		ck_snode_link(s, n, e);
		revert_state(s, n);
	}
	return 0;
}

/* What lies at that name now, and what was published there. */
static int discard_file(struct ck_stage *s, struct ck_snode *n, const struct ck_snode *dir,
			const char *name, bool *any, struct ck_err *err)
{
	int r = 0;

	if (n && ck_snode_is_dirty(n)) {
		*any = true;
		if (n->pub.dir)
			r = go_back(s, n, err);
		else
			unlink_quietly(s, n);
	}
	for (struct ck_snode *t = s->nodes; t && r == 0; t = t->all_next) {
		if (t != n && !t->is_dir && t->pub.dir == dir && strcmp(t->pub.name, name) == 0 &&
		    ck_snode_is_dirty(t)) {
			*any = true;
			r = go_back(s, t, err);
		}
	}
	return r;
}

/* Whether it lies in the folder, or did where it is deleted. */
static bool is_below(const struct ck_snode *n, const struct ck_snode *dir)
{
	for (; n; n = n->entry ? n->now.dir : n->pub.dir)
		if (n == dir)
			return true;
	return false;
}

static bool has_whiteouts(struct ck_stage *s, const struct ck_snode *dir)
{
	for (const struct ck_sentry *e = dir->children; e; e = e->next)
		if (!e->node && e->base != CK_NO_NODE && !e->base_published &&
		    !ck_snode_by_id(s, e->base, e->base_dir))
			return true;
	return false;
}

static int discard_folder(struct ck_stage *s, struct ck_snode *n, bool *any, struct ck_err *err)
{
	int r = 0;

	if (!n->entry && n->pub.dir) {
		*any = true;
		r = revive(s, n, err);
	}
	if (r == 0 && has_whiteouts(s, n)) {
		*any = true;
		forget_whiteouts(s, n);
	}
	return r;
}

/* Everything staged in a folder, and in those below. */
static int discard_below(struct ck_stage *s, struct ck_snode *dir, bool *any, struct ck_err *err)
{
	struct ck_snode *next;
	int r = 0;

	for (struct ck_snode *n = s->nodes; n && r == 0; n = next) {
		next = n->all_next;
		if (!is_below(n, dir))
			continue;
		if (n->is_dir) {
			r = discard_folder(s, n, any, err);
			continue;
		}
		if (!ck_snode_is_dirty(n) ||
		    (n->entry && ck_name_is_scratch(n->entry->name) && !n->pub.dir))
			continue;
		*any = true;
		if (n->pub.dir)
			r = go_back(s, n, err);
		else
			unlink_quietly(s, n);
	}
	return r;
}

static bool is_called(const char *folder, const char *name)
{
	size_t n = strlen(folder);

	return strncmp(folder, name, n) == 0 && (!name[n] || strcmp(name + n, ".d") == 0);
}

/* A folder by what it is published as, which is deleted or lies elsewhere now; or NULL. */
static struct ck_snode *find_gone(struct ck_stage *s, const struct ck_snode *dir, const char *name)
{
	for (struct ck_snode *n = s->nodes; n; n = n->all_next)
		if (n->is_dir && n->pub.dir == dir && is_called(n->pub.name, name))
			return n;
	return NULL;
}

/* The folder that is published where a new one is, if that is deleted; else the folder itself. */
static struct ck_snode *published(struct ck_stage *s, struct ck_snode *dir)
{
	struct ck_snode *was = dir->pub.dir ? NULL : ck_dir_before(s, dir);

	return was && was->pub.dir && !was->entry ? was : dir;
}

/* A folder by its name in another, as a node; one that was published so where there is no other. */
static int find_folder(struct ck_stage *s, struct ck_snode *dir, struct ck_span name,
		       struct ck_snode **ret, struct ck_err *err)
{
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;
	struct ck_snode *gone;
	struct ck_found f;
	int r;

	ck_buf_add(&text, name.p, name.n);
	if (ck_buf_failed(&text))
		return ck_fail_nomem(err, s->prefix);
	r = name.n ? ck_sfind(s, dir, CK_NO_NODE, text.p, text.n, &f) : -ENOENT;
	if (r == 0 && f.kind != CK_STAGE_DIR && f.kind != CK_STAGE_ALIAS)
		r = -ENOTDIR;
	if (r == 0)
		return ck_found_node(s, &f, ret, err);
	if (!name.n || (r != -ENOENT && r != -ENOTDIR))
		return r;
	gone = find_gone(s, published(s, dir), text.p);
	if (gone)
		*ret = gone;
	return gone ? 0 : r;
}

/* Nothing but an entry says that a variable of the opened tree is gone. */
static int discard_whiteout(struct ck_stage *s, struct ck_snode *dir, const struct ck_buf *name,
			    bool *any, struct ck_err *err)
{
	struct ck_sentry *e = ck_sentry_find(s, dir, name->p, name->n);
	int r;

	if (!e || e->node || e->base == CK_NO_NODE || e->base_published ||
	    ck_snode_by_id(s, e->base, e->base_dir))
		return 0;
	r = revive(s, dir, err);
	if (r < 0)
		return r;
	e->base = CK_NO_NODE;
	e->ghost = 0;
	ck_varmeta_unref(e->last);
	e->last = NULL;
	ck_sentry_maybe_free(s, e);
	*any = true;
	return 0;
}

/* Of a folder that was made anew what is in it goes first, and then the old one comes back. */
static int discard_tree(struct ck_stage *s, struct ck_snode *dir, bool *any, struct ck_err *err)
{
	struct ck_snode *was = published(s, dir);
	int r = discard_below(s, dir, any, err);

	if (r == 0 && was != dir)
		r = discard_below(s, was, any, err);
	return r;
}

int ck_discard_node(struct ck_stage *s, struct ck_span path, struct ck_err *err)
{
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;
	struct ck_snode *dir = s->root, *n = NULL;
	const uint8_t *slash;
	struct ck_sentry *e;
	bool any = false;
	int r = 0;

	if (path.n > 5 && memcmp(path.p + path.n - 5, ".json", 5) == 0)
		path.n -= 5;
	while (r == 0 && path.n && (slash = memchr(path.p, '/', path.n))) {
		r = find_folder(s, dir, ck_span(path.p, (size_t)(slash - path.p)), &dir, err);
		path.n -= (size_t)(slash + 1 - path.p);
		path.p = slash + 1;
	}
	if (r < 0 || !path.n)
		return r < 0 ? r : -ENOENT;
	ck_buf_add(&name, path.p, path.n);
	if (ck_buf_failed(&name))
		return ck_fail_nomem(err, s->prefix);
	e = ck_sentry_find(s, dir, name.p, name.n);
	if (e && e->node)
		n = e->node;
	else if ((r = find_folder(s, dir, path, &n, err)) != -ENOMEM)
		r = 0; /* else it is a file, or was */
	if (r == 0 && n && n->is_dir && n->entry && n->pub.dir && ck_snode_is_dirty(n)) {
		any = true;
		r = go_back(s, n, err);
	}
	if (r == 0)
		r = n && n->is_dir ? discard_tree(s, n, &any, err) :
				     discard_file(s, n, published(s, dir), name.p, &any, err);
	if (r == 0)
		r = discard_whiteout(s, published(s, dir), &name, &any, err);
	return r == 0 && !any ? -ENOENT : r;
}

/* Nobody can open again what was made new and has no name any more, though the kernel may know of
 * it for a while: its bytes go now, so that the shard can be cut. */
static void drop_unlinked(struct ck_stage *s)
{
	for (struct ck_snode *n = s->nodes; n; n = n->all_next)
		if (!n->entry && !n->nopen && !n->pub.content && n->id >= CK_STAGE_FIRST_ID)
			n->now.content = ck_content_unref(s, n->now.content);
	ck_snodes_sweep(s);
}

static int discard_path(struct ck_stage *s, const char *path, struct ck_err *err)
{
	struct ck_record rec = { .type = CK_REC_DISCARD, .path = ck_span(path, strlen(path)) };
	int r = ck_slog_extents(s, err), q = 0; /* by the names that they have now */

	if (r < 0)
		return r;
	ck_state_write(s);
	r = ck_discard_node(s, rec.path, err);
	/* What stands in its way may be in the way of a part of it only: so it will be replayed. */
	if (r == 0 || r == -EEXIST)
		q = ck_slog_add(s, &rec, NULL, err);
	drop_unlinked(s);
	ck_state_written(s);
	return r < 0 ? r : q;
}

/* With edit_lock. The journal first: a crash in between has dropped it all. */
static int discard_everything(struct ck_stage *s, struct ck_err *err)
{
	int r = ck_slog_retire(s, err);

	if (r < 0)
		return r;
	ck_state_write(s);
	r = ck_discard_all(s, err);
	drop_unlinked(s);
	ck_shards_forget_space(s);
	ck_slog_drop_old(s);
	ck_state_written(s);
	s->recovered = s->own = false;
	ck_shards_trim(s);
	return r;
}

int ck_stage_discard(struct ck_stage *s, const char *path, struct ck_err *err)
{
	int r = ck_edit_begin(s, err);

	if (r < 0)
		return r;
	if (path) {
		r = discard_path(s, path, err);
		if (r == -ENOENT)
			ck_fail(err, CK_USAGE, ENOENT, "%s: nothing is staged there", path);
		ck_edit_end(s, r);
		return r;
	}
	r = discard_everything(s, err);
	pthread_mutex_unlock(&s->edit_lock);
	return r;
}

/* The journal ends again where it did when it was found. */
static int cut_back(struct ck_stage *s, struct ck_err *err)
{
	struct ck_journal_scan scan;
	struct ck_journal *j;
	int r = ck_journal_scan_until(s->vfs, s->journal_path, s->found, &scan, err);

	if (r == 0 && scan.end != s->found)
		r = ck_fail(err, CK_CORRUPT, EIO, "%s: is not what it was when it was opened",
			    s->journal_path);
	if (r == 0)
		r = ck_journal_resume(s->vfs, s->journal_path, &scan, &j, err);
	return r < 0 ? r : ck_journal_close(j, false, err);
}

int ck_stage_abandon(struct ck_stage *s, struct ck_err *err)
{
	int r;

	pthread_mutex_lock(&s->edit_lock);
	if (s->committed || s->in_doubt || s->spent) {
		r = ck_fail(err, CK_BUSY, EBUSY, "%s: is published, or about to be", s->prefix);
	} else if (!s->found) {
		r = discard_everything(s, err);
	} else {
		ck_state_write(s);
		ck_journal_close(s->journal, false, NULL);
		s->journal = NULL;
		s->spent = true; /* memory has more than the journal */
		ck_state_written(s);
		r = cut_back(s, err);
	}
	pthread_mutex_unlock(&s->edit_lock);
	return r;
}
