/*
 * vjson.c - V.json in the tree: whose it is, its text, and what happens when it is written.
 */
#include "saver/stage_private.h"

#include "core/meta.h"
#include "core/read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

int ck_json_owner(struct ck_stage *s, struct ck_snode *dir, const char *name,
		  struct ck_snode **ret, struct ck_err *err)
{
	struct ck_buf ck_auto_buf base = CK_BUF_INIT;
	struct ck_sentry *e;
	struct ck_snode *n;
	struct ck_found f;
	int r;

	ck_buf_add(&base, name, strlen(name) - strlen(".json"));
	if (ck_buf_failed(&base))
		return ck_fail_nomem(err, s->prefix);
	r = ck_sfind(s, dir, CK_NO_NODE, base.p, base.n, &f);
	if (r == 0 && f.kind == CK_STAGE_DATA)
		return ck_found_node(s, &f, ret, err);
	/* A folder of that name would have to be x.d first. */
	if (r == 0 && f.kind == CK_STAGE_DIR)
		return ck_fail(err, CK_USAGE, EISDIR, "%s: %s is a folder: rename it to %s.d, then "
			       "a variable may be called so", name, base.p, base.p);
	r = ck_name_check(s, dir, base.p, false, err);
	if (r == 0 && ck_name_is_scratch(base.p))
		r = -EINVAL;
	if (r == 0)
		r = ck_entry_for(s, dir, base.p, &e, err);
	if (r < 0)
		return r;
	if (!e->node) {
		n = ck_snode_new(s, s->next_id, false);
		if (!n)
			return ck_fail_nomem(err, s->prefix);
		s->next_id++;
		n->attr = n->json = ck_sattr_new(s, s->o.file_mode);
		n->suffixed = e->last_suffixed;
		ck_snode_link(s, n, e);
	}
	*ret = e->node;
	return 0;
}

void ck_json_owner_done(struct ck_stage *s, struct ck_snode *n)
{
	if (n->entry && !n->now.content && !n->now.meta && !n->nopen) {
		n->json_hidden = true;
		ck_unlink_node(s, n);
	}
}

/* V.json may say that the key has TF2's suffix, which the path leaves out. */
static void take_suffix(struct ck_stage *s, struct ck_snode *n, const struct ck_varmeta *meta)
{
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;
	bool was = n->suffixed;

	if (!meta->name || s->o.tree.raw_names)
		return;
	for (int suffixed = 0; suffixed < 2; suffixed++) {
		ck_buf_clear(&name);
		n->suffixed = suffixed;
		if (ck_var_node_name(s, n, &name) && name.n == meta->name_len &&
		    memcmp(name.p, meta->name, name.n) == 0)
			return;
	}
	n->suffixed = was;
}

int ck_do_meta(struct ck_stage *s, struct ck_snode *n, struct ck_varmeta *meta,
	       struct ck_err *err)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT, text = CK_BUF_INIT;
	struct ck_record rec = { .type = CK_REC_META };
	int r;

	ck_snode_path(n, &path);
	ck_varmeta_pack(meta, &text);
	if (ck_buf_failed(&path) || ck_buf_failed(&text)) {
		ck_varmeta_unref(meta);
		return ck_fail_nomem(err, s->prefix);
	}
	rec.path = ck_span(path.p, path.n);
	rec.data = ck_span(text.p, text.n);
	r = ck_slog_add(s, &rec, NULL, err);
	if (r < 0) {
		ck_varmeta_unref(meta);
		return r;
	}
	ck_state_write(s);
	ck_varmeta_unref(n->now.meta);
	n->now.meta = meta;
	n->json_hidden = false;
	take_suffix(s, n, meta);
	ck_sattr_touch(&n->json);
	ck_state_written(s);
	return 0;
}

bool ck_base_name(struct ck_stage *s, uint32_t base, struct ck_buf *out)
{
	struct ck_span whole = ck_var_name(s->model, &s->model->vars[ck_tree_var(s->tree, base)]);
	uint32_t dir = ck_tree_parent(s->tree, base);
	const struct ck_snode *n;

	/* Folders above that are no nodes go with the nearest that is one. */
	while (!(n = ck_snode_by_id(s, dir, true)) && dir != 0)
		dir = ck_tree_parent(s->tree, dir);
	if (!n || !ck_scope_name(s, n, out))
		return false;
	dir = (uint32_t)ck_scope_len(s, dir);
	ck_buf_add(out, whole.p + dir, whole.n - dir);
	return !ck_buf_failed(out);
}

int ck_base_json(struct ck_stage *s, uint32_t base, struct ck_buf *out, struct ck_err *err)
{
	uint32_t var = ck_tree_var(s->tree, base);
	struct ck_span was = ck_var_name(s->model, &s->model->vars[var]), is;
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;
	struct ck_varmeta *meta;
	uint64_t size;
	int r;

	if (!ck_base_name(s, base, &name))
		return ck_buf_failed(&name) ? -ENOMEM : ck_meta_var(s->model, var, true, out, err);
	is = ck_span(name.p ? name.p : "", name.n);
	if (ck_span_cmp(was, is) == 0)
		return ck_meta_var(s->model, var, true, out, err);
	r = ck_var_size(s->model, var, &size, err);
	if (r == 0)
		r = ck_varmeta_of(s->model, var, &meta, err);
	if (r < 0)
		return r;
	ck_varmeta_render(meta, is, size, out);
	ck_varmeta_unref(meta);
	return 0;
}

int ck_ghost_json(struct ck_stage *s, const struct ck_sentry *e, struct ck_buf *out,
		  struct ck_err *err)
{
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;
	uint64_t size;

	if (!e->last)
		return ck_base_json(s, e->base, out, err);
	if (!ck_sentry_var_name(s, e, &name)) {
		ck_buf_clear(&name);
		if (e->last->name)
			ck_buf_add(&name, e->last->name, e->last->name_len);
	}
	if (!ck_varmeta_need(e->last, &size))
		size = 0;
	ck_varmeta_render(e->last, ck_span(name.p ? name.p : "", name.n), size, out);
	return ck_buf_failed(out) ? ck_fail_nomem(err, s->prefix) : 0;
}

/* Whether the file is published, and what the opened checkpoint says of it still holds. */
static bool is_as_opened(const struct ck_stage *s, const struct ck_snode *n, struct ck_span name)
{
	const struct ck_content *c = n->now.content;
	const struct ck_model *m = s->model;

	return n->pub.content && c == n->pub.content && n->now.meta == n->pub.meta && !c->map &&
	       c->model == m && n->entry && n->home_is_base && ck_snode_is_var(n) &&
	       ck_span_cmp(ck_var_name(m, &m->vars[c->var]), name) == 0;
}

void ck_json_text(struct ck_stage *s, struct ck_snode *n, struct ck_buf *out)
{
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;

	if (!n->now.meta)
		return;
	if (!n->entry || !ck_snode_is_var(n) || !ck_var_node_name(s, n, &name)) {
		ck_buf_clear(&name);
		if (n->now.meta->name)
			ck_buf_add(&name, n->now.meta->name, n->now.meta->name_len);
	}
	/* Then with its checksum and place. */
	if (is_as_opened(s, n, ck_span(name.p ? name.p : "", name.n))) {
		if (ck_meta_var(s->model, n->now.content->var, true, out, NULL) == 0)
			return;
		ck_buf_clear(out);
	}
	ck_varmeta_render(n->now.meta, ck_span(name.p ? name.p : "", name.n),
			  n->now.content ? n->now.content->size : 0, out);
}

/* --- its text in an open file ---------------------------------------------------------------- */

ssize_t ck_json_write(struct ck_sfile *f, const void *p, size_t n, uint64_t off,
		      struct ck_err *err)
{
	ssize_t r = (ssize_t)n;

	pthread_mutex_lock(&f->lock);
	if (f->flags & O_APPEND)
		off = f->text.n;
	if (off > CK_META_TEXT_MAX || n > CK_META_TEXT_MAX - off) {
		r = -EFBIG;
	} else {
		while (f->text.n < off + n && !ck_buf_failed(&f->text))
			ck_buf_char(&f->text, ' ');
		if (ck_buf_failed(&f->text))
			r = ck_fail_nomem(err, f->s->prefix);
		else
			memcpy(f->text.p + off, p, n);
		f->text_dirty = r > 0;
	}
	pthread_mutex_unlock(&f->lock);
	return r;
}

int ck_json_flush(struct ck_sfile *f, struct ck_err *err)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;
	struct ck_stage *s = f->s;
	struct ck_varmeta *meta;
	int r;

	r = ck_edit_begin(s, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&f->lock);
	ck_snode_path(f->node, &path);
	ck_buf_str(&path, ".json");
	r = ck_varmeta_parse(ck_span(f->text.p, f->text.n), f->node->now.meta, s->big_endian,
			     path.p ? path.p : "V.json", &meta, err);
	if (r == 0 && f->node->entry)
		r = ck_do_meta(s, f->node, meta, err);
	else if (r == 0)
		ck_varmeta_unref(meta);
	if (r == 0)
		f->text_dirty = false;
	pthread_mutex_unlock(&f->lock);
	ck_edit_end(s, r);
	return r;
}
