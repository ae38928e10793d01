/*
 * list.c - what a folder holds, in natural order, V.json before V.
 */
#include "saver/stage_private.h"

#include "util/natural.h"

#include <errno.h>
#include <stdlib.h>

struct list {
	struct ck_stage_name *v;
	size_t n, room;
};

static int add(struct list *l, const char *name, const char *suffix, uint64_t ino, mode_t type)
{
	struct ck_buf text = CK_BUF_INIT;

	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 32;
		void *p = realloc(l->v, room * sizeof(*l->v));

		if (!p)
			return -ENOMEM;
		l->v = p;
		l->room = room;
	}
	ck_buf_str(&text, name);
	ck_buf_str(&text, suffix);
	if (ck_buf_failed(&text) || !text.p) {
		ck_buf_done(&text);
		return -ENOMEM;
	}
	l->v[l->n++] = (struct ck_stage_name){ text.p, ino, type };
	return 0;
}

static int add_node(struct list *l, struct ck_snode *n)
{
	int r = 0;

	if (n->is_dir)
		return add(l, n->entry->name, "", n->id << 3 | CK_STAGE_DIR, S_IFDIR);
	if (n->now.meta && !n->json_hidden && !ck_name_is_scratch(n->entry->name))
		r = add(l, n->entry->name, ".json", n->id << 3 | CK_STAGE_JSON, S_IFREG);
	if (r == 0 && n->now.content)
		r = add(l, n->entry->name, "", n->id << 3 | CK_STAGE_DATA, S_IFREG);
	return r;
}

/* A file or folder of the opened tree, unless an entry stands over it. */
static int add_base(struct ck_stage *s, struct list *l, const struct ck_snode *dir, uint32_t node,
		    bool is_dir)
{
	struct ck_entry te = { node, is_dir ? CK_KIND_DIR : CK_KIND_DATA };
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;
	uint64_t id = node;
	int r;

	ck_tree_spell(s->tree, s->root_base, te, &name);
	if (ck_buf_failed(&name))
		return -ENOMEM;
	if (dir && ck_sentry_find(s, dir, name.p, name.n))
		return 0;
	if (is_dir)
		return add(l, name.p, "", id << 3 | CK_STAGE_DIR, S_IFDIR);
	r = add(l, name.p, ".json", id << 3 | CK_STAGE_JSON, S_IFREG);
	return r < 0 ? r : add(l, name.p, "", id << 3 | CK_STAGE_DATA, S_IFREG);
}

static int collect(struct ck_stage *s, struct list *l, struct ck_snode *dir, uint32_t base)
{
	uint32_t first = 0, n = 0;
	int r = 0;

	for (struct ck_sentry *e = dir ? dir->children : NULL; e && r == 0; e = e->next)
		if (e->node)
			r = add_node(l, e->node);
	if (dir)
		base = dir->base;
	if (base != CK_NO_NODE)
		n = ck_tree_children(s->tree, base, &first);
	for (uint32_t i = first; i < first + n && r == 0; i++) {
		if (ck_tree_var(s->tree, i) != CK_NO_VAR)
			r = add_base(s, l, dir, i, false);
		if (r == 0 && ck_tree_is_dir(s->tree, i))
			r = add_base(s, l, dir, i, true);
	}
	return r;
}

/* The name without .json: a V.json goes with its V. */
static struct ck_span stem(const struct ck_stage_name *n, bool *json)
{
	size_t len = strlen(n->name);

	*json = (n->ino & 7) == CK_STAGE_JSON;
	return ck_span(n->name, *json ? len - 5 : len);
}

static int by_nature(const void *a, const void *b)
{
	const struct ck_stage_name *x = a, *y = b;
	bool xj, yj;
	int c = ck_natural_cmp(stem(x, &xj), stem(y, &yj));

	return c ? c : (int)yj - (int)xj;
}

int ck_stage_list(struct ck_stage *s, uint64_t dir, struct ck_stage_names *ret, struct ck_err *err)
{
	struct list l = { 0 };
	struct ck_snode *d;
	uint32_t base;
	int r;

	pthread_rwlock_rdlock(&s->state_lock);
	r = ck_sfind_dir(s, dir, &d, &base);
	if (r == 0)
		r = collect(s, &l, d, base);
	pthread_rwlock_unlock(&s->state_lock);
	if (l.n)
		qsort(l.v, l.n, sizeof(*l.v), by_nature);
	*ret = (struct ck_stage_names){ l.v, l.n };
	if (r < 0)
		ck_stage_names_done(ret);
	return r == -ENOMEM ? ck_fail_nomem(err, s->prefix) : r;
}

void ck_stage_names_done(struct ck_stage_names *n)
{
	for (size_t i = 0; i < n->n; i++)
		free(n->v[i].name);
	free(n->v);
	*n = (struct ck_stage_names){ 0 };
}
