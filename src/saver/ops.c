/*
 * ops.c - files and folders are made and removed.
 *
 * The ck_do_ functions work on nodes with both locks held, and log what they did; replaying calls
 * them too. Those of stage.h stand around them.
 */
#include "saver/stage_private.h"

#include "journal/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

static int log_path(struct ck_stage *s, enum ck_rec_type type, const struct ck_snode *dir,
		    const char *name, struct ck_err *err)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;
	struct ck_record rec = { .type = type };

	ck_child_path(dir, name, &path);
	if (ck_buf_failed(&path))
		return ck_fail_nomem(err, s->prefix);
	rec.path = ck_span(path.p, path.n);
	return ck_slog_add(s, &rec, NULL, err);
}

/* Who replays may not have seen the variable that was last called so: the record says what the new
 * file takes from it. */
static int log_create(struct ck_stage *s, const struct ck_snode *dir, const char *name,
		      const struct ck_varmeta *meta, bool suffixed, struct ck_err *err)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT, text = CK_BUF_INIT;
	struct ck_record rec = { .type = CK_REC_CREATE };

	ck_child_path(dir, name, &path);
	if (meta)
		ck_slog_meta_text(meta, suffixed, &text);
	if (ck_buf_failed(&path) || ck_buf_failed(&text))
		return ck_fail_nomem(err, s->prefix);
	rec.path = ck_span(path.p, path.n);
	rec.data = ck_span(text.p, text.n);
	return ck_slog_add(s, &rec, NULL, err);
}

static struct ck_snode *new_node(struct ck_stage *s, bool is_dir, mode_t mode)
{
	struct ck_snode *n = ck_snode_new(s, s->next_id, is_dir);

	if (!n)
		return NULL;
	s->next_id++;
	n->attr = ck_sattr_new(s, mode);
	n->json = ck_sattr_new(s, s->o.file_mode);
	return n;
}

/* The entry for a new file or folder; what the opened tree has there is noted as gone. */
int ck_entry_for(struct ck_stage *s, struct ck_snode *dir, const char *name,
		 struct ck_sentry **ret, struct ck_err *err)
{
	*ret = ck_sentry_make(s, dir, name, strlen(name));
	return *ret ? 0 : ck_fail_nomem(err, s->prefix);
}

struct ck_snode *ck_dir_before(const struct ck_stage *s, const struct ck_snode *dir)
{
	const struct ck_sentry *e = dir->entry;
	const struct ck_snode *above;

	if (!e || (e->gone && e->gone != dir))
		return e ? e->gone : NULL;
	above = ck_dir_before(s, e->dir);
	e = above ? ck_sentry_find(s, above, e->name, strlen(e->name)) : NULL;
	return e && e->gone != dir ? e->gone : NULL;
}

/* What a new file of that name is: the metadata of the variable that was last called so, with a
 * reference, or NULL. It may have been so in a folder that was removed and made again. */
struct ck_varmeta *ck_last_meta(struct ck_stage *s, const struct ck_sentry *e, bool *suffixed)
{
	struct ck_varmeta *meta = NULL;
	const struct ck_snode *before;

	if (ck_name_is_scratch(e->name))
		return NULL;
	if (!e->last && e->base == CK_NO_NODE) {
		before = ck_dir_before(s, e->dir);
		e = before ? ck_sentry_find(s, before, e->name, strlen(e->name)) : NULL;
	}
	if (!e)
		return NULL;
	if (e->last) {
		*suffixed = e->last_suffixed;
		return ck_varmeta_ref(e->last);
	}
	if (e->base == CK_NO_NODE || e->base_dir ||
	    ck_varmeta_of(s->model, ck_tree_var(s->tree, e->base), &meta, NULL) < 0)
		return NULL;
	*suffixed = ck_tree_suffixed(s->tree, e->base);
	return meta;
}

/* Everything that takes memory comes before the record, which cannot be taken back. */
int ck_do_create(struct ck_stage *s, struct ck_snode *dir, const char *name, mode_t mode,
		 struct ck_snode **ret, struct ck_err *err)
{
	struct ck_varmeta *meta = NULL;
	struct ck_content *c = NULL;
	struct ck_snode *n = NULL;
	struct ck_sentry *e;
	bool suffixed = false;
	int r = ck_name_check(s, dir, name, false, err);

	if (r == 0)
		r = ck_entry_for(s, dir, name, &e, err);
	if (r < 0)
		return r;
	if (e->node && (e->node->is_dir || e->node->now.content))
		return e->node->is_dir ? -EISDIR : -EEXIST;
	/* There may be one that has only metadata so far. */
	n = e->node ? e->node : new_node(s, false, mode);
	c = n ? ck_content_new(s) : NULL;
	if (!c)
		r = ck_fail_nomem(err, s->prefix);
	if (r == 0 && !e->node)
		meta = ck_last_meta(s, e, &suffixed);
	if (r == 0)
		r = log_create(s, dir, name, meta, suffixed, err);
	if (r < 0) {
		ck_varmeta_unref(meta);
		ck_content_unref(s, c);
		if (n && !n->entry)
			ck_snode_maybe_free(s, n);
		ck_sentry_maybe_free(s, e);
		return r;
	}
	n->now.content = c;
	n->attr = ck_sattr_new(s, mode);
	if (!n->entry) {
		n->now.meta = meta;
		n->suffixed = suffixed;
		ck_snode_link(s, n, e);
		ck_snode_touch(dir);
	}
	n->json_hidden = false;
	*ret = n;
	return 0;
}

/* A scope has one folder, though it may be spelt in two ways. */
bool ck_other_spelling(struct ck_stage *s, struct ck_snode *dir, const char *name,
		       struct ck_found *ret)
{
	struct ck_buf ck_auto_buf other = CK_BUF_INIT;
	size_t n = strlen(name);

	if (n > 2 && strcmp(name + n - 2, ".d") == 0)
		ck_buf_add(&other, name, n - 2);
	else
		ck_buf_printf(&other, "%s.d", name);
	return !ck_buf_failed(&other) &&
	       ck_sfind(s, dir, CK_NO_NODE, other.p, other.n, ret) == 0 &&
	       ret->kind == CK_STAGE_DIR;
}

int ck_do_mkdir(struct ck_stage *s, struct ck_snode *dir, const char *name, mode_t mode,
		struct ck_snode **ret, struct ck_err *err)
{
	struct ck_sentry *e;
	struct ck_found f;
	struct ck_snode *n;
	int r = ck_name_check(s, dir, name, true, err);

	if (r < 0)
		return r;
	if (ck_sfind(s, dir, CK_NO_NODE, name, strlen(name), &f) == 0 &&
	    f.kind != CK_STAGE_ALIAS)
		return -EEXIST;
	if (ck_other_spelling(s, dir, name, &f))
		return ck_fail(err, CK_USAGE, EEXIST, "%s: the scope's folder is there already, "
			       "with or without .d: use that one", name);
	r = ck_entry_for(s, dir, name, &e, err);
	if (r < 0)
		return r;
	if (e->node) /* a variable that has only metadata so far */
		return -EEXIST;
	n = new_node(s, true, mode);
	r = n ? log_path(s, CK_REC_MKDIR, dir, name, err) : ck_fail_nomem(err, s->prefix);
	if (r < 0) { /* the node is found by nobody */
		ck_sentry_maybe_free(s, e);
		return r;
	}
	ck_snode_link(s, n, e);
	ck_snode_touch(dir);
	*ret = n;
	return 0;
}

/* What of the opened tree was never a node: an entry says that it is gone. */
static int unlink_base(struct ck_stage *s, struct ck_snode *dir, uint32_t base, const char *name,
		       struct ck_err *err)
{
	struct ck_sentry *e;
	int r = ck_entry_for(s, dir, name, &e, err);

	if (r < 0)
		return r;
	r = log_path(s, CK_REC_UNLINK, dir, name, err);
	if (r < 0) {
		ck_sentry_maybe_free(s, e);
		return r;
	}
	e->base = base;
	ck_ghost_set(s, e, s->next_id++);
	ck_snode_touch(dir);
	return 0;
}

void ck_unlink_node(struct ck_stage *s, struct ck_snode *n)
{
	struct ck_sentry *e = n->entry;
	bool hidden = n->json_hidden || !n->now.meta || ck_name_is_scratch(e->name);

	ck_snode_touch(e->dir);
	ck_snode_unlink(s, n);
	ck_ghost_set(s, e, hidden ? 0 : s->next_id++);
	clock_gettime(CLOCK_REALTIME, &n->attr.ctime);
	ck_sentry_maybe_free(s, e);
	ck_snode_maybe_free(s, n);
}

static int unlink_json(struct ck_stage *s, struct ck_snode *dir, const struct ck_found *f,
		       const char *name, struct ck_err *err)
{
	struct ck_snode *n;
	int r;

	if (f->kind == CK_STAGE_GHOST) {
		f->entry->ghost = 0;
		ck_sentry_maybe_free(s, f->entry);
		return 0;
	}
	r = ck_found_node(s, f, &n, err);
	if (r < 0)
		return r;
	if (n->now.content) {
		n->json_hidden = true; /* V is as it was: nothing to log */
		return 0;
	}
	r = log_path(s, CK_REC_UNLINK, dir, name, err);
	if (r < 0)
		return r;
	n->json_hidden = true;
	ck_unlink_node(s, n);
	return 0;
}

int ck_do_unlink(struct ck_stage *s, struct ck_snode *dir, const char *name, struct ck_err *err)
{
	struct ck_found f;
	int r = ck_sfind(s, dir, CK_NO_NODE, name, strlen(name), &f);

	if (r < 0)
		return r;
	if (f.kind == CK_STAGE_DIR || f.kind == CK_STAGE_ALIAS)
		return -EISDIR;
	if (f.kind != CK_STAGE_DATA)
		return unlink_json(s, dir, &f, name, err);
	if (!f.node)
		return unlink_base(s, dir, f.base, name, err);
	r = log_path(s, CK_REC_UNLINK, dir, name, err);
	if (r < 0)
		return r;
	ck_unlink_node(s, f.node);
	return 0;
}

int ck_do_rmdir(struct ck_stage *s, struct ck_snode *dir, const char *name, struct ck_err *err)
{
	struct ck_found f;
	struct ck_snode *n;
	int r = ck_sfind(s, dir, CK_NO_NODE, name, strlen(name), &f);

	if (r < 0)
		return r;
	if (f.kind != CK_STAGE_DIR && f.kind != CK_STAGE_ALIAS)
		return -ENOTDIR;
	r = ck_found_node(s, &f, &n, err);
	if (r < 0)
		return r;
	if (!ck_dir_is_empty(s, n))
		return -ENOTEMPTY;
	r = log_path(s, CK_REC_RMDIR, dir, name, err);
	if (r < 0)
		return r;
	ck_snode_touch(dir);
	n->entry->gone = n;
	ck_snode_unlink(s, n);
	return 0;
}

/* --- the public ones ------------------------------------------------------------------------- */

/* Every edit begins and ends with these. */
int ck_edit_begin(struct ck_stage *s, struct ck_err *err)
{
	int r;

	pthread_mutex_lock(&s->edit_lock);
	r = ck_edit_allowed(s, err);
	if (r < 0)
		pthread_mutex_unlock(&s->edit_lock);
	return r;
}

void ck_edit_end(struct ck_stage *s, int r)
{
	if (r == 0)
		s->own = true;
	pthread_mutex_unlock(&s->edit_lock);
}

int ck_stage_mkdir(struct ck_stage *s, uint64_t dir, const char *name, mode_t mode,
		   struct stat *ret, struct ck_err *err)
{
	struct ck_snode *d, *n;
	int r = ck_edit_begin(s, err);

	if (r < 0)
		return r;
	ck_state_write(s);
	r = ck_dir_node(s, dir, &d, err);
	if (r == 0)
		r = ck_do_mkdir(s, d, name, mode, &n, err);
	if (r == 0) {
		n->nlookup++;
		ck_snode_attr(s, n, CK_STAGE_DIR, ret);
	}
	ck_state_written(s);
	ck_edit_end(s, r);
	return r;
}

int ck_stage_unlink(struct ck_stage *s, uint64_t dir, const char *name, struct ck_err *err)
{
	struct ck_snode *d;
	int r = ck_edit_begin(s, err);

	if (r < 0)
		return r;
	ck_state_write(s);
	r = ck_dir_node(s, dir, &d, err);
	if (r == 0)
		r = ck_do_unlink(s, d, name, err);
	ck_state_written(s);
	ck_edit_end(s, r);
	return r;
}

int ck_stage_rmdir(struct ck_stage *s, uint64_t dir, const char *name, struct ck_err *err)
{
	struct ck_snode *d;
	int r = ck_edit_begin(s, err);

	if (r < 0)
		return r;
	ck_state_write(s);
	r = ck_dir_node(s, dir, &d, err);
	if (r == 0)
		r = ck_do_rmdir(s, d, name, err);
	ck_state_written(s);
	ck_edit_end(s, r);
	return r;
}
