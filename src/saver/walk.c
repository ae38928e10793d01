/*
 * walk.c - every variable as it stands: nodes, and below them what nobody has touched.
 */
#include "saver/stage_private.h"

#include "core/read.h"

#include <errno.h>

/* Whether the opened tree's file or folder is still where it was, untouched. */
static int untouched(struct ck_stage *s, const struct ck_snode *dir, uint32_t node, bool is_dir,
		     bool *ret)
{
	struct ck_entry te = { node, is_dir ? CK_KIND_DIR : CK_KIND_DATA };
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;

	ck_tree_spell(s->tree, s->root_base, te, &name);
	if (ck_buf_failed(&name))
		return -ENOMEM;
	*ret = !ck_sentry_find(s, dir, name.p, name.n);
	return 0;
}

int ck_walk_untouched(struct ck_stage *s, const struct ck_snode *dir,
		      int (*fn)(void *arg, uint32_t var), void *arg)
{
	uint32_t first, n;
	bool is;
	int r = 0;

	if (dir->base == CK_NO_NODE)
		return 0;
	n = ck_tree_children(s->tree, dir->base, &first);
	for (uint32_t i = first; i < first + n && r == 0; i++) {
		if (ck_tree_var(s->tree, i) != CK_NO_VAR) {
			r = untouched(s, dir, i, false, &is);
			if (r == 0 && is)
				r = fn(arg, ck_tree_var(s->tree, i));
		}
		if (r == 0 && ck_tree_is_dir(s->tree, i)) {
			r = untouched(s, dir, i, true, &is);
			if (r == 0 && is)
				r = ck_tree_walk(s->tree, i, fn, arg);
		}
	}
	return r;
}

size_t ck_scope_len(const struct ck_stage *s, uint32_t base)
{
	size_t n = 0;

	for (; base != 0; base = ck_tree_parent(s->tree, base))
		n += ck_tree_component(s->tree, base).n + 1;
	return n;
}

struct each {
	struct ck_stage *s;
	int (*fn)(void *arg, const struct ck_stage_var *v);
	void *arg;
	struct ck_err *err;
	struct ck_buf name; /* the scope in work, and then the variable's */
	size_t scope, cut;
};

static int each_untouched(void *arg, uint32_t var)
{
	struct each *e = arg;
	struct ck_model *m = e->s->model;
	struct ck_span name = ck_var_name(m, &m->vars[var]);
	struct ck_varmeta *meta = NULL;
	struct ck_stage_var v = { 0 };
	int r = ck_varmeta_of(m, var, &meta, NULL);

	/* Damage of one variable is no reason not to hear of the others. */
	if (r == -ENOMEM)
		return r;
	if (r < 0 || ck_var_size(m, var, &v.nbytes, NULL) < 0)
		v.nbytes = 0;
	e->name.n = e->scope;
	ck_buf_add(&e->name, name.p + e->cut, name.n - e->cut);
	v.name = ck_span(e->name.p, e->name.n);
	v.meta = meta;
	r = ck_buf_failed(&e->name) ? -ENOMEM : e->fn(e->arg, &v);
	ck_varmeta_unref(meta);
	return r;
}

static int each_node(struct each *e, struct ck_snode *n)
{
	struct ck_buf ck_auto_buf why = CK_BUF_INIT;
	struct ck_stage_var v = { .meta = n->now.meta, .changed = ck_snode_is_dirty(n) };

	ck_buf_clear(&e->name);
	if (!ck_var_node_name(e->s, n, &e->name)) {
		ck_buf_clear(&e->name);
		ck_snode_path(n, &e->name);
	}
	v.nbytes = n->now.content ? n->now.content->size : 0;
	if (ck_snode_unfinished(e->s, n, &why))
		v.unfinished = why.p;
	v.name = ck_span(e->name.p ? e->name.p : "", e->name.n);
	return ck_buf_failed(&e->name) || ck_buf_failed(&why) ? -ENOMEM : e->fn(e->arg, &v);
}

int ck_stage_each(struct ck_stage *s, int (*fn)(void *arg, const struct ck_stage_var *v),
		  void *arg, struct ck_err *err)
{
	struct each e = { .s = s, .fn = fn, .arg = arg, .err = err };
	int r = 0;

	pthread_rwlock_rdlock(&s->state_lock);
	for (struct ck_snode *n = s->nodes; n && r == 0; n = n->all_next) {
		if (n->is_dir && (n->entry || n == s->root)) {
			ck_buf_clear(&e.name);
			if (!ck_scope_name(s, n, &e.name))
				continue; /* new, and nothing of the opened tree is in it */
			e.scope = e.name.n;
			e.cut = n->base == CK_NO_NODE ? 0 : ck_scope_len(s, n->base);
			r = ck_walk_untouched(s, n, each_untouched, &e);
		} else if (ck_snode_is_var(n) && (n->now.content || n->now.meta)) {
			r = each_node(&e, n);
		}
	}
	pthread_rwlock_unlock(&s->state_lock);
	ck_buf_done(&e.name);
	return r == -ENOMEM ? ck_fail_nomem(err, s->prefix) : r;
}

struct totals {
	struct ck_model *m;
	uint64_t count, bytes;
};

static void add_bytes(struct totals *t, uint64_t n)
{
	t->count++;
	if (!ck_add_u64(t->bytes, n, &t->bytes))
		t->bytes = UINT64_MAX;
}

static int add_untouched(void *arg, uint32_t var)
{
	struct totals *t = arg;
	uint64_t n;

	add_bytes(t, ck_var_size(t->m, var, &n, NULL) < 0 ? 0 : n);
	return 0;
}

void ck_stage_totals(struct ck_stage *s, uint64_t *variables, uint64_t *bytes)
{
	struct totals t = { .m = s->model };

	pthread_rwlock_rdlock(&s->state_lock);
	for (struct ck_snode *n = s->nodes; n; n = n->all_next) {
		if (n->is_dir && (n->entry || n == s->root))
			ck_walk_untouched(s, n, add_untouched, &t);
		else if (ck_snode_is_var(n) && (n->now.content || n->now.meta))
			add_bytes(&t, n->now.content ? n->now.content->size : 0);
	}
	pthread_rwlock_unlock(&s->state_lock);
	*variables = t.count;
	*bytes = t.bytes;
}
