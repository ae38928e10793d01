/*
 * rename.c - one name becomes another: of a variable, a scope, a V.json, a scratch file.
 *
 * What moves by itself is a file or a folder: a record RENAME. A V.json is not a thing of its own:
 * moving it away copies the metadata and hides it, moving a text onto it is writing it. Those are
 * logged as what they come to (META, CREATE, UNLINK).
 */
#include "saver/stage_private.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>

/* What a file gets with its new name. */
struct heritage {
	struct ck_varmeta *meta;
	bool suffixed;
	char *component; /* what a cut spelling stands for */
};

static int log_rename(struct ck_stage *s, const struct ck_snode *from_dir, const char *from,
		      const struct ck_snode *to_dir, const char *to, bool exchange,
		      const struct heritage *h, struct ck_err *err)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT, target = CK_BUF_INIT,
			   text = CK_BUF_INIT;
	struct ck_record rec = { .type = CK_REC_RENAME, .flags = exchange ? CK_REC_EXCHANGE : 0 };

	ck_child_path(from_dir, from, &path);
	ck_child_path(to_dir, to, &target);
	if (h && h->meta)
		ck_slog_meta_text(h->meta, h->suffixed, &text);
	if (ck_buf_failed(&path) || ck_buf_failed(&target) || ck_buf_failed(&text))
		return ck_fail_nomem(err, s->prefix);
	rec.path = ck_span(path.p, path.n);
	rec.to = ck_span(target.p, target.n);
	rec.data = ck_span(text.p, text.n);
	return ck_slog_add(s, &rec, NULL, err);
}

static bool lies_below(const struct ck_snode *dir, const struct ck_snode *n)
{
	for (; dir; dir = dir->entry ? dir->now.dir : NULL)
		if (dir == n)
			return true;
	return false;
}

/* A folder's .d is no part of what it stands for. */
static bool same_spelling(const struct ck_snode *n, const char *a, const char *b)
{
	size_t an = strlen(a), bn = strlen(b);

	if (n->is_dir && an > 2 && strcmp(a + an - 2, ".d") == 0)
		an -= 2;
	if (n->is_dir && bn > 2 && strcmp(b + bn - 2, ".d") == 0)
		bn -= 2;
	return an == bn && memcmp(a, b, an) == 0;
}

/* Takes the node out of where it is and puts it there. */
static void move(struct ck_stage *s, struct ck_snode *n, struct ck_sentry *to)
{
	struct ck_sentry *from = n->entry;
	bool ghost = !n->is_dir && n->now.meta && !n->json_hidden &&
		     !ck_name_is_scratch(from->name);

	ck_snode_touch(from->dir);
	if (!same_spelling(n, from->name, to->name)) { /* the new one speaks for itself */
		free(n->component);
		n->component = NULL;
	}
	ck_snode_unlink(s, n);
	ck_ghost_set(s, from, ghost ? s->next_id++ : 0);
	ck_snode_link(s, n, to);
	ck_sentry_maybe_free(s, from);
	n->json_hidden = false;
	ck_snode_touch(to->dir);
	clock_gettime(CLOCK_REALTIME, &n->attr.ctime);
}

static int rename_dir(struct ck_stage *s, struct ck_snode *n, struct ck_snode *to_dir,
		      const char *to, const struct ck_found *target, struct ck_sentry **e,
		      struct ck_err *err)
{
	struct ck_found other;
	struct ck_snode *t;
	int r;

	if (lies_below(to_dir, n))
		return -EINVAL;
	if (target && target->kind == CK_STAGE_ALIAS && target->node == n)
		target = NULL; /* it is spelt anew */
	if (target && target->kind == CK_STAGE_ALIAS)
		return -ENOTEMPTY;
	if (target && target->kind != CK_STAGE_DIR)
		return -ENOTDIR;
	if (!target && ck_other_spelling(s, to_dir, to, &other) && other.node != n)
		return ck_fail(err, CK_USAGE, EEXIST, "%s: the scope's folder is there already, "
			       "with or without .d", to);
	if (target) {
		r = ck_found_node(s, target, &t, err);
		if (r < 0)
			return r;
		if (!ck_dir_is_empty(s, t))
			return -ENOTEMPTY;
	}
	r = ck_name_check(s, to_dir, to, true, err);
	return r < 0 ? r : ck_entry_for(s, to_dir, to, e, err);
}

/* What a cut spelling stands for goes with the spelling. */
static void swap_components(struct ck_snode *a, struct ck_snode *b)
{
	char *c = a->component;
	size_t len = a->component_len;

	if (a->is_dir != b->is_dir) { /* they are spelt by other rules */
		free(a->component);
		free(b->component);
		a->component = b->component = NULL;
		return;
	}
	a->component = b->component;
	a->component_len = b->component_len;
	b->component = c;
	b->component_len = len;
}

static int exchange(struct ck_stage *s, struct ck_snode *a, struct ck_snode *b,
		    struct ck_err *err)
{
	struct ck_sentry *ea = a->entry, *eb = b->entry;
	int r = ck_name_check(s, eb->dir, eb->name, a->is_dir, err);

	if (r == 0)
		r = ck_name_check(s, ea->dir, ea->name, b->is_dir, err);
	if (r == 0 && ((a->is_dir && lies_below(eb->dir, a)) ||
		       (b->is_dir && lies_below(ea->dir, b))))
		r = -EINVAL;
	if (r == 0)
		r = log_rename(s, ea->dir, ea->name, eb->dir, eb->name, true, NULL, err);
	if (r < 0)
		return r;
	swap_components(a, b);
	ck_snode_unlink(s, a);
	ck_snode_unlink(s, b);
	ck_snode_link(s, a, eb);
	ck_snode_link(s, b, ea);
	ck_snode_touch(ea->dir);
	ck_snode_touch(eb->dir);
	return 0;
}

/* Onto a variable: who has no metadata takes its. Before the record, since memory may run out. */
static int inherit(struct ck_stage *s, const struct ck_snode *n, const struct ck_snode *t,
		   struct ck_sentry *e, struct heritage *ret, struct ck_err *err)
{
	if (ck_name_is_scratch(e->name))
		return 0;
	if (t && t->component) {
		ret->component = malloc(t->component_len + 1);
		if (!ret->component)
			return ck_fail_nomem(err, s->prefix);
		memcpy(ret->component, t->component, t->component_len);
	}
	if (n->now.meta)
		return 0;
	if (t && t->now.meta) {
		ret->meta = ck_varmeta_ref(t->now.meta);
		ret->suffixed = t->suffixed;
	} else {
		ret->meta = ck_last_meta(s, e, &ret->suffixed);
	}
	return 0;
}

static void take_over(struct ck_snode *n, const struct ck_snode *t, struct heritage *h)
{
	if (h->component) {
		free(n->component);
		n->component = h->component;
		n->component_len = t->component_len;
	}
	if (!h->meta)
		return;
	n->now.meta = h->meta;
	n->suffixed = h->suffixed;
	if (t)
		n->json = t->json;
}

int ck_do_rename(struct ck_stage *s, struct ck_snode *from_dir, const char *from,
		 struct ck_snode *to_dir, const char *to, unsigned flags, bool *durable,
		 struct ck_err *err)
{
	struct ck_found f, g;
	struct ck_sentry *e = NULL;
	struct ck_snode *n, *t = NULL;
	struct heritage h = { 0 };
	bool there;
	int r = ck_sfind(s, from_dir, CK_NO_NODE, from, strlen(from), &f);

	*durable = false;
	if (r < 0)
		return r;
	r = ck_sfind(s, to_dir, CK_NO_NODE, to, strlen(to), &g);
	if (r < 0 && r != -ENOENT && r != -EINVAL)
		return r;
	there = r == 0;
	if (there && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (!there && (flags & RENAME_EXCHANGE))
		return -ENOENT;
	r = ck_found_node(s, &f, &n, err);
	if (r == 0 && there)
		r = ck_found_node(s, &g, &t, err);
	if (r == 0 && (ck_snode_keep_component(s, n) < 0 ||
		       (t && ck_snode_keep_component(s, t) < 0)))
		r = ck_fail_nomem(err, s->prefix);
	if (r == 0 && there)
		g.node = t; /* the two may be one, which nobody had touched when they were found */
	if (r < 0 || (n == t && g.kind == f.kind))
		return r;
	if (flags & RENAME_EXCHANGE)
		return g.kind == CK_STAGE_JSON ? -EINVAL : exchange(s, n, t, err);
	if (n->is_dir) {
		r = rename_dir(s, n, to_dir, to, there ? &g : NULL, &e, err);
		if (there && g.kind == CK_STAGE_ALIAS)
			t = NULL;
	} else if (t && t->is_dir) {
		r = -EISDIR;
	} else {
		r = ck_name_check(s, to_dir, to, false, err);
		if (r == 0)
			r = ck_entry_for(s, to_dir, to, &e, err);
	}
	if (r == 0 && !n->is_dir && e->node) /* perhaps one that has only metadata */
		t = e->node;
	if (r == 0 && !n->is_dir)
		r = inherit(s, n, t, e, &h, err);
	if (r == 0)
		r = log_rename(s, from_dir, n->entry->name, to_dir, to, false, &h, err);
	if (r < 0) {
		ck_varmeta_unref(h.meta);
		free(h.component);
		if (e)
			ck_sentry_maybe_free(s, e);
		return r;
	}
	*durable = !n->is_dir && t && !ck_name_is_scratch(to);
	if (t) {
		t->json_hidden = true; /* no ghost: the new one has a V.json */
		ck_snode_unlink(s, t);
	}
	move(s, n, e);
	take_over(n, t, &h);
	if (t)
		ck_snode_maybe_free(s, t);
	return 0;
}

/* --- V.json ---------------------------------------------------------------------------------- */

/* Any file becomes the V.json of something: its text is taken as if it were written there. */
static int onto_json(struct ck_stage *s, const struct ck_found *f, struct ck_snode *from_dir,
		     const char *from, struct ck_snode *to_dir, const char *to, unsigned flags,
		     struct ck_err *err)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT, text = CK_BUF_INIT;
	struct ck_varmeta *meta;
	struct ck_found g;
	struct ck_snode *n, *owner;
	int r = ck_found_node(s, f, &n, err);

	if (r < 0)
		return r;
	if (n->now.meta && ck_snode_is_var(n))
		return ck_fail(err, CK_USAGE, EINVAL, "%s: a variable cannot become the metadata "
			       "of another: write a variable called so as %%2Ejson", to);
	if ((flags & RENAME_NOREPLACE) &&
	    ck_sfind(s, to_dir, CK_NO_NODE, to, strlen(to), &g) == 0 && g.kind != CK_STAGE_GHOST)
		return -EEXIST;
	if (n->now.content->size > CK_META_TEXT_MAX)
		return -EFBIG;
	text.p = malloc(n->now.content->size + 1);
	if (!text.p)
		return ck_fail_nomem(err, s->prefix);
	text.n = n->now.content->size;
	text.room = text.n + 1;
	r = ck_content_read(s, n->now.content, 0, text.p, text.n, err);
	if (r == 0)
		r = ck_json_owner(s, to_dir, to, &owner, err);
	if (r < 0)
		return r;
	ck_child_path(to_dir, to, &path);
	r = ck_varmeta_parse(ck_span(text.p, text.n), owner->now.meta, s->big_endian,
			     path.p ? path.p : to, &meta, err);
	if (r == 0)
		r = ck_do_meta(s, owner, meta, err);
	if (r == 0) { /* rsync has set them on the temporary file */
		owner->json = n->attr;
		r = ck_do_unlink(s, from_dir, from, err);
	}
	ck_json_owner_done(s, owner);
	return r;
}

/* The V.json goes to where another variable's belongs. */
static int json_to_json(struct ck_stage *s, const struct ck_found *f, struct ck_snode *to_dir,
			const char *to, struct ck_err *err)
{
	struct ck_varmeta *meta = NULL;
	struct ck_snode *owner = NULL, *n = NULL;
	int r = 0;

	if (f->kind == CK_STAGE_GHOST)
		meta = f->entry->last ? ck_varmeta_ref(f->entry->last) : NULL;
	else
		r = ck_found_node(s, f, &n, err);
	if (r == 0 && n)
		meta = ck_varmeta_ref(n->now.meta);
	if (r == 0)
		r = ck_json_owner(s, to_dir, to, &owner, err);
	if (r == 0 && owner == n) {
		ck_varmeta_unref(meta);
		return 0;
	}
	/* After "mv V d" d/V.json is there already, and knows as much. */
	if (r == 0 && meta && (n || !owner->now.meta)) {
		r = ck_do_meta(s, owner, meta, err);
		meta = NULL;
		if (n)
			owner->json = n->json;
	}
	ck_varmeta_unref(meta);
	if (owner)
		ck_json_owner_done(s, owner);
	return r;
}

/* The V.json becomes a file by itself: an editor's backup. */
static int json_to_file(struct ck_stage *s, const struct ck_found *f, struct ck_snode *to_dir,
			const char *to, struct ck_err *err)
{
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;
	struct ck_snode *n, *made;
	int r;

	if (f->kind == CK_STAGE_GHOST)
		return -ENOENT;
	r = ck_found_node(s, f, &n, err);
	if (r < 0)
		return r;
	ck_json_text(s, n, &text);
	if (ck_buf_failed(&text))
		return ck_fail_nomem(err, s->prefix);
	r = ck_do_unlink(s, to_dir, to, err);
	if (r == 0 || r == -ENOENT)
		r = ck_do_create(s, to_dir, to, s->o.file_mode, &made, err);
	if (r == 0)
		made->attr = n->json;
	return r < 0 ? r : ck_content_write(s, made, 0, text.p, text.n, err);
}

static int rename_json(struct ck_stage *s, const struct ck_found *f, struct ck_snode *from_dir,
		       const char *from, struct ck_snode *to_dir, const char *to, unsigned flags,
		       struct ck_err *err)
{
	struct ck_found g;
	size_t len;
	int r;

	if (flags & RENAME_EXCHANGE)
		return -EINVAL;
	if ((flags & RENAME_NOREPLACE) && f->kind != CK_STAGE_GHOST &&
	    ck_sfind(s, to_dir, CK_NO_NODE, to, strlen(to), &g) == 0 && g.kind != CK_STAGE_GHOST)
		return -EEXIST;
	r = ck_is_json_name(to, &len) ? json_to_json(s, f, to_dir, to, err) :
					json_to_file(s, f, to_dir, to, err);
	if (r < 0 || (from_dir == to_dir && strcmp(from, to) == 0))
		return r;
	return ck_do_unlink(s, from_dir, from, err);
}

/* mv foo foo.d finds a folder foo.d there, which is foo by its second spelling, and moves foo into
 * it: that it be spelt so from now on is what it can mean. */
static bool means_respell(struct ck_stage *s, const struct ck_snode *from_dir, const char *from,
			  uint64_t to_dir, const struct ck_snode *to_node, const char *to)
{
	struct ck_found f;

	return (to_dir & 7) == CK_STAGE_ALIAS && strcmp(from, to) == 0 &&
	       to_node->now.dir == from_dir &&
	       ck_sfind(s, from_dir, CK_NO_NODE, from, strlen(from), &f) == 0 &&
	       f.kind == CK_STAGE_DIR && f.node == to_node;
}

static int respell(struct ck_stage *s, struct ck_snode *dir, const char *name, struct ck_err *err)
{
	struct ck_buf ck_auto_buf with_d = CK_BUF_INIT;
	bool durable;

	ck_buf_printf(&with_d, "%s.d", name);
	return ck_buf_failed(&with_d) ? ck_fail_nomem(err, s->prefix) :
					ck_do_rename(s, dir, name, dir, with_d.p, 0, &durable, err);
}

int ck_stage_rename(struct ck_stage *s, uint64_t from_dir, const char *from, uint64_t to_dir,
		    const char *to, unsigned flags, struct ck_err *err)
{
	struct ck_snode *fd, *td;
	struct ck_found f;
	bool durable = false;
	size_t len;
	int r;

	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	r = ck_edit_begin(s, err);
	if (r < 0)
		return r;
	ck_state_write(s);
	r = ck_dir_node(s, from_dir, &fd, err);
	if (r == 0)
		r = ck_dir_node(s, to_dir, &td, err);
	if (r == 0)
		r = ck_sfind(s, fd, CK_NO_NODE, from, strlen(from), &f);
	if (r == 0 && means_respell(s, fd, from, to_dir, td, to)) {
		r = respell(s, fd, from, err);
	} else if (r == 0 && (f.kind == CK_STAGE_JSON || f.kind == CK_STAGE_GHOST)) {
		r = rename_json(s, &f, fd, from, td, to, flags, err);
	} else if (r == 0 && f.kind == CK_STAGE_DATA && ck_is_json_name(to, &len) &&
		   !(flags & RENAME_EXCHANGE)) {
		r = onto_json(s, &f, fd, from, td, to, flags, err);
		durable = true;
	} else if (r == 0) {
		r = ck_do_rename(s, fd, from, td, to, flags, &durable, err);
	}
	ck_state_written(s);
	/* Writers that rename never call fsync. */
	if (r == 0 && durable)
		r = ck_slog_sync(s, err);
	ck_edit_end(s, r);
	return r;
}
