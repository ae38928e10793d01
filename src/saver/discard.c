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

/* The published path of a node that lies elsewhere now, or nowhere. */
static bool was_at(const struct ck_snode *n, struct ck_span path)
{
	struct ck_buf ck_auto_buf is = CK_BUF_INIT;

	if (!n->pub.dir || n->is_dir)
		return false;
	ck_child_path(n->pub.dir, n->pub.name, &is);
	return !ck_buf_failed(&is) && is.n == path.n && memcmp(is.p, path.p, path.n) == 0;
}

/* The node goes back to where it was; -EEXIST where that name is taken by another edit. */
static int go_back(struct ck_stage *s, struct ck_snode *n, struct ck_err *err)
{
	char quoted[CK_QUOTE_ROOM];
	struct ck_sentry *e;

	if (n->entry && n->now.dir == n->pub.dir && strcmp(n->entry->name, n->pub.name) == 0) {
		revert_state(s, n);
		return 0;
	}
	e = ck_sentry_make(s, n->pub.dir, n->pub.name, strlen(n->pub.name));
	if (!e)
		return ck_fail_nomem(err, s->prefix);
	if (e->node && e->node->pub.dir)
		return ck_fail(err, CK_USAGE, EEXIST, "%s: another variable was renamed to that: "
			       "discard that first",
			       ck_quote(quoted, sizeof(quoted), n->pub.name, strlen(n->pub.name)));
	if (!n->pub.dir->entry && n->pub.dir != s->root)
		return ck_fail(err, CK_USAGE, ENOENT, "%s: its folder is deleted: discard that first",
			       ck_quote(quoted, sizeof(quoted), n->pub.name, strlen(n->pub.name)));
	if (e->node)
		unlink_quietly(s, e->node);
	unlink_quietly(s, n);
	ck_snode_link(s, n, e);
	revert_state(s, n);
	return 0;
}

static int discard_file(struct ck_stage *s, struct ck_snode *n, struct ck_span path, bool *any,
			struct ck_err *err)
{
	int r = 0;

	if (n && ck_snode_is_dirty(n)) {
		*any = true;
		if (n->pub.dir)
			r = go_back(s, n, err);
		else
			unlink_quietly(s, n);
	}
	/* What was published under that path. */
	for (struct ck_snode *t = s->nodes; t && r == 0; t = t->all_next) {
		if (t != n && was_at(t, path) && ck_snode_is_dirty(t)) {
			*any = true;
			r = go_back(s, t, err);
		}
	}
	return r;
}

/* Everything staged in a folder, and in those below. */
static int discard_below(struct ck_stage *s, struct ck_snode *dir, bool *any, struct ck_err *err)
{
	struct ck_snode *next;
	int r = 0;

	for (struct ck_snode *n = s->nodes; n && r == 0; n = next) {
		bool below = false;

		next = n->all_next;
		for (const struct ck_snode *d = n->entry ? n->now.dir : n->pub.dir; d;
		     d = d->entry ? d->now.dir : NULL)
			below |= d == dir;
		if (!below || n->is_dir || !ck_snode_is_dirty(n) ||
		    (n->entry && ck_name_is_scratch(n->entry->name) && !n->pub.dir))
			continue;
		*any = true;
		if (n->pub.dir)
			r = go_back(s, n, err);
		else
			unlink_quietly(s, n);
	}
	for (struct ck_snode *n = s->nodes; n && r == 0; n = n->all_next) {
		if (!n->is_dir)
			continue;
		for (struct ck_sentry *e = n->children; e; e = e->next)
			*any |= n == dir && !e->node && e->base != CK_NO_NODE &&
				!e->base_published;
		if (n == dir)
			forget_whiteouts(s, n);
	}
	return r;
}

int ck_discard_node(struct ck_stage *s, struct ck_span path, struct ck_err *err)
{
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;
	struct ck_snode *dir, *n = NULL;
	struct ck_span last;
	struct ck_sentry *e;
	struct ck_found f;
	bool any = false;
	int r;

	if (path.n > 5 && memcmp(path.p + path.n - 5, ".json", 5) == 0)
		path.n -= 5;
	r = ck_sfind_parent(s, path, &dir, &last, err);
	if (r < 0)
		return r;
	ck_buf_add(&name, last.p, last.n);
	if (ck_buf_failed(&name))
		return ck_fail_nomem(err, s->prefix);
	e = ck_sentry_find(s, dir, name.p, name.n);
	if (e && e->node)
		n = e->node;
	if (!n && ck_sfind(s, dir, CK_NO_NODE, name.p, name.n, &f) == 0 &&
	    (f.kind == CK_STAGE_DIR || f.kind == CK_STAGE_ALIAS))
		r = ck_found_node(s, &f, &n, err);
	if (r == 0 && n && n->is_dir) {
		if (n->pub.dir && ck_snode_is_dirty(n)) {
			any = true;
			r = go_back(s, n, err);
		}
		if (r == 0)
			r = discard_below(s, n, &any, err);
	} else if (r == 0) {
		r = discard_file(s, n, path, &any, err);
	}
	e = ck_sentry_find(s, dir, name.p, name.n);
	if (r == 0 && e && !e->node && e->base != CK_NO_NODE && !e->base_published &&
	    !ck_snode_by_id(s, e->base, e->base_dir)) {
		e->base = CK_NO_NODE;
		e->ghost = 0;
		ck_varmeta_unref(e->last);
		e->last = NULL;
		ck_sentry_maybe_free(s, e);
		any = true;
	}
	if (r == 0 && !any)
		r = -ENOENT;
	return r;
}

static int discard_path(struct ck_stage *s, const char *path, struct ck_err *err)
{
	struct ck_record rec = { .type = CK_REC_DISCARD, .path = ck_span(path, strlen(path)) };
	int r;

	ck_state_write(s);
	r = ck_discard_node(s, rec.path, err);
	ck_state_written(s);
	if (r == 0)
		r = ck_slog_add(s, &rec, NULL, err);
	return r;
}

/* With edit_lock. The journal first: a crash in between has dropped it all. */
static int discard_everything(struct ck_stage *s, struct ck_err *err)
{
	int r = ck_slog_retire(s, err);

	if (r < 0)
		return r;
	ck_state_write(s);
	r = ck_discard_all(s, err);
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
	int r = ck_edit_begin(s, err);

	if (r < 0)
		return r;
	if (!s->found) {
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
