/*
 * plan.c - what publishing is going to do: changes of the index, and bytes to be put in place.
 *
 * Nothing is written here. Which variables change follows from the nodes (now against pub), from
 * entries over what the opened tree had, and from folders whose scope has another name than the
 * published one. How the bytes get there: what is fresh lies in a shard already or is put together
 * there; what was edited inside is copied whole while all of that comes to BUDGET bytes or it can
 * be shared, and redone in place beyond.
 */
#include "saver/stage_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define BUDGET (UINT64_C(64) << 20) /* bytes of copying that replacing may cost */
#define LISTED 400 /* bytes of names of unfinished variables in a message */

static int grow(void *array, size_t *room, size_t used, size_t size)
{
	void **p = array, *q;
	size_t want = *room ? 2 * *room : 64;

	if (used < *room)
		return 0;
	q = realloc(*p, want * size);
	if (!q)
		return -ENOMEM;
	*p = q;
	*room = want;
	return 0;
}

static int copy_name(struct ck_span *to, struct ck_span from)
{
	uint8_t *p;

	if (!from.p) {
		*to = from;
		return 0;
	}
	p = malloc(from.n + 1);
	if (!p)
		return -ENOMEM;
	memcpy(p, from.p, from.n);
	*to = ck_span(p, from.n);
	return 0;
}

static int add_change(struct ck_plan *p, struct ck_span old, struct ck_span new, int what,
		      size_t *ret)
{
	struct ck_tf_change *c;

	if (grow(&p->changes, &p->changes_room, p->nchanges, sizeof(*p->changes)) < 0)
		return -ENOMEM;
	c = &p->changes[p->nchanges];
	*c = (struct ck_tf_change){ .what = what };
	p->nchanges++; /* ck_plan_done() frees what it has got */
	if (copy_name(&c->old_name, old) < 0 || copy_name(&c->new_name, new) < 0)
		return -ENOMEM;
	if (ret)
		*ret = p->nchanges - 1;
	return 0;
}

static int add_item(struct ck_plan *p, const struct ck_item *i)
{
	if (grow(&p->items, &p->items_room, p->nitems, sizeof(*p->items)) < 0)
		return -ENOMEM;
	p->items[p->nitems++] = *i;
	return 0;
}

/* What a variable's entry pointed at is dead once the new index is there. */
static int bury_var(struct ck_plan *p, const struct ck_model *m, const struct ck_var *v)
{
	int r = 0;

	if (v->flags & CK_VAR_DAMAGED)
		return 0;
	if (!(v->flags & CK_VAR_SLICED))
		return v->nbytes ? ck_quarantine_add(&p->died, m->shards[v->shard].id, 1,
						     v->offset, v->nbytes) : 0;
	for (uint32_t k = 0; k < v->shard && r == 0; k++) {
		const struct ck_slice *sl = &m->slices[v->offset + k];

		if (sl->nbytes)
			r = ck_quarantine_add(&p->died, m->shards[sl->shard].id, 1, sl->offset,
					      sl->nbytes);
	}
	return r;
}

static int bury(struct ck_stage *s, struct ck_plan *p, const struct ck_content *c)
{
	if (!c)
		return 0;
	if (c->home_shard != CK_NO_SHARD)
		return c->home_size ? ck_quarantine_add(&p->died, s->shards[c->home_shard].id, 1,
							c->home_at, c->home_size) : 0;
	return c->model ? bury_var(p, c->model, &c->model->vars[c->var]) : 0;
}

/* --- how the bytes get there ----------------------------------------------------------------- */

static const struct ck_var *home_var(const struct ck_content *c)
{
	return c && c->homed && c->home_shard == CK_NO_SHARD && c->model ?
		       &c->model->vars[c->var] : NULL;
}

/* Whether bytes are to be turned round, or framed: they cannot stay as they are. */
static bool converts(const struct ck_stage *s, const struct ck_varmeta *m)
{
	return m->dtype == CK_DT_STRING ||
	       (m->big_endian != s->big_endian && ck_dtype_info(m->dtype)->word > 1);
}

static bool same_type(const struct ck_varmeta *a, const struct ck_varmeta *b)
{
	return a && b && a->dtype == b->dtype && a->rank == b->rank &&
	       (a->rank == 0 || memcmp(a->shape, b->shape, a->rank * sizeof(*a->shape)) == 0) &&
	       a->big_endian == b->big_endian;
}

/* A V.json that says what was published: of strings, where they end too. */
static bool same_meta(const struct ck_varmeta *a, const struct ck_varmeta *b)
{
	if (a == b)
		return true;
	if (!same_type(a, b))
		return false;
	if (a->dtype != CK_DT_STRING || !a->rank)
		return true;
	return a->lengths && b->lengths && a->nlengths == b->nlengths &&
	       memcmp(a->lengths, b->lengths, a->nlengths * sizeof(*a->lengths)) == 0;
}

/* Where an item's bytes are published, if that is one range. */
static bool find_home(struct ck_stage *s, const struct ck_content *c, struct ck_item *i)
{
	const struct ck_var *v = home_var(c);

	if (!c->homed)
		return false;
	if (!v && c->home_shard == CK_NO_SHARD)
		return false; /* no bytes, which lie nowhere */
	if (!v) {
		i->home = c->home_shard;
		i->home_at = c->home_at;
		i->home_crc = c->home_crc;
		return c->home_size == c->size;
	}
	if (v->flags || v->dtype == CK_DT_STRING || v->nbytes != c->size)
		return false;
	i->home = ck_shard_by_id(s, c->model->shards[v->shard].id);
	i->home_at = v->offset;
	i->home_crc = c->home_crc;
	return i->home != CK_NO_SHARD;
}

static int not_redoable(void *arg, const struct ck_ext *e)
{
	const struct ck_content *c = arg;

	return !ck_ext_is_home(c, e) && e->kind != CK_EXT_JOURNAL;
}

/* Ranges of a shard that more than one entry has. */
static int shared_ranges(struct ck_stage *s, uint32_t which, struct ck_ranges *ret,
			 struct ck_err *err)
{
	struct ck_ranges all = { 0 };
	struct ck_model *m = s->model;
	uint64_t end = 0;
	int r = 0;

	if (s->last.any)
		r = ck_open_prefix(s->vfs, s->prefix, CK_OPEN_RAW, &m, err);
	if (r < 0)
		return r;
	r = ck_model_ranges(m, s->shards[which].id, &all);
	if (m != s->model)
		ck_model_unref(m);
	if (r == 0 && all.n) {
		ck_ranges_sort(&all);
		for (size_t i = 0; i < all.n && r == 0; i++) {
			uint64_t e = all.v[i].off + all.v[i].len;

			if (i && all.v[i].off < end)
				r = ck_ranges_add(ret, all.v[i].off,
						  (e < end ? e : end) - all.v[i].off);
			if (e > end)
				end = e;
		}
		ck_ranges_settle(ret);
	}
	ck_ranges_done(&all);
	return r < 0 ? ck_fail_nomem(err, s->prefix) : 0;
}

/* What in-place writing needs to know of each shard; filled when it is asked for. */
struct inplace {
	bool *known, *ours;
	struct ck_ranges *shared;
};

static int may_redo(struct ck_stage *s, struct inplace *in, const struct ck_item *i, bool *ret,
		    struct ck_err *err)
{
	struct ck_content *c = i->n->now.content;

	*ret = false;
	if (i->home == CK_NO_SHARD || s->foreign ||
	    ck_extmap_each(c->map, not_redoable, c))
		return 0;
	if (!in->known[i->home]) {
		int r = shared_ranges(s, i->home, &in->shared[i->home], err);

		if (r < 0)
			return r;
		in->known[i->home] = true;
		in->ours[i->home] = ck_shard_is_ours(s, i->home) &&
				    ck_shard_open(s, i->home, true, NULL) == 0;
	}
	*ret = in->ours[i->home] &&
	       !ck_ranges_meet(&in->shared[i->home], i->home_at, i->nbytes);
	return 0;
}

static int by_cost(const void *a, const void *b)
{
	const struct ck_item *const *x = a, *const *y = b;

	return ((*x)->nbytes > (*y)->nbytes) - ((*x)->nbytes < (*y)->nbytes);
}

static int choose_one(struct ck_stage *s, struct inplace *in, struct ck_item *i, uint64_t *copied,
		      struct ck_err *err)
{
	bool redo = false, whole = i->slice == UINT32_MAX;
	int r = 0;

	if (s->o.how != CK_PUBLISH_REPLACE &&
	    (s->o.how == CK_PUBLISH_INPLACE || *copied + i->nbytes > BUDGET))
		r = may_redo(s, in, i, &redo, err);
	if (r < 0)
		return r;
	i->how = CK_ITEM_COPY;
	if (s->o.how == CK_PUBLISH_INPLACE && redo)
		i->how = CK_ITEM_INPLACE;
	else if (*copied + i->nbytes > BUDGET && whole && i->home != CK_NO_SHARD &&
		 ck_shards_can_clone(s))
		i->how = CK_ITEM_CLONE;
	else if (*copied + i->nbytes > BUDGET && redo)
		i->how = CK_ITEM_INPLACE;
	if (i->how == CK_ITEM_COPY)
		*copied += i->nbytes;
	return 0;
}

/* Items that were edited inside: the smallest are copied while that costs little. */
static int choose(struct ck_stage *s, struct ck_plan *p, struct ck_err *err)
{
	struct ck_item **open = calloc(p->nitems + 1, sizeof(*open));
	struct inplace in = { 0 };
	uint64_t copied = 0;
	size_t n = 0;
	int r = 0;

	in.known = calloc(s->nshards + 1, sizeof(*in.known));
	in.ours = calloc(s->nshards + 1, sizeof(*in.ours));
	in.shared = calloc(s->nshards + 1, sizeof(*in.shared));
	if (!open || !in.known || !in.ours || !in.shared) {
		r = ck_fail_nomem(err, s->prefix);
		goto out;
	}
	for (size_t i = 0; i < p->nitems; i++)
		if (p->items[i].how == CK_ITEM_INPLACE)
			open[n++] = &p->items[i];
	if (n)
		qsort(open, n, sizeof(*open), by_cost);
	for (size_t i = 0; i < n && r == 0; i++)
		r = choose_one(s, &in, open[i], &copied, err);
out:
	for (uint32_t i = 0; in.shared && i < s->nshards; i++)
		ck_ranges_done(&in.shared[i]);
	free(in.known);
	free(in.ours);
	free(in.shared);
	free(open);
	return r;
}

/* What is not where it was leaves dead bytes behind. */
static int bury_items(struct ck_stage *s, struct ck_plan *p)
{
	int r = 0;

	for (size_t k = 0; k < p->nitems && r == 0; k++) {
		const struct ck_item *i = &p->items[k];

		if (i->how == CK_ITEM_KEEP || i->how == CK_ITEM_INPLACE)
			continue;
		if (i->slice != UINT32_MAX && i->nbytes)
			r = ck_quarantine_add(&p->died, s->shards[i->home].id, 1, i->home_at,
					      i->nbytes);
		else if (i->slice == UINT32_MAX && i->n->pub_name.p)
			r = bury(s, p, i->n->pub.content);
	}
	return r;
}

/* --- what changes ---------------------------------------------------------------------------- */

/* Edits inside a partitioned variable are of the slices that they touch. */
static int plan_slices(struct ck_stage *s, struct ck_plan *p, struct ck_snode *n, size_t change)
{
	struct ck_content *c = n->now.content;
	struct ck_content *was = n->pub.content;
	const struct ck_var *v = home_var(was);
	int r = 0;

	for (uint32_t k = 0; k < v->shard && r == 0; k++) {
		const struct ck_slice *sl = &was->model->slices[v->offset + k];
		struct ck_item i = { .n = n, .change = change, .slice = k, .nbytes = sl->nbytes,
				     .how = c->homed ? CK_ITEM_INPLACE : CK_ITEM_COPY };

		if (!ck_slice_touched(c, was->model, v, sl))
			continue;
		i.home = ck_shard_by_id(s, was->model->shards[sl->shard].id);
		i.home_at = sl->offset;
		i.home_crc = sl->crc32c;
		r = add_item(p, &i);
	}
	return r;
}

static int plan_bytes(struct ck_stage *s, struct ck_plan *p, struct ck_snode *n, struct ck_span old,
		      struct ck_span name)
{
	struct ck_content *c = n->now.content;
	const struct ck_varmeta *m = n->now.meta;
	const struct ck_var *v = old.p ? home_var(n->pub.content) : NULL;
	bool same = old.p && same_type(m, n->pub.meta) && c->size == n->pub.content->size &&
		    m->big_endian == s->big_endian;
	struct ck_item i = { .n = n, .slice = UINT32_MAX, .nbytes = c->size, .home = CK_NO_SHARD,
			     .how = CK_ITEM_COPY };
	struct ck_tf_change *ch;
	bool home;
	int r;

	if (v && (v->flags & CK_VAR_SLICED) && same && c != n->pub.content) {
		r = add_change(p, old, name, CK_TF_MOVE, &i.change);
		return r < 0 ? r : plan_slices(s, p, n, i.change);
	}
	r = add_change(p, old, name, same ? CK_TF_MOVE : CK_TF_NEW, &i.change);
	if (r < 0)
		return r;
	ch = &p->changes[i.change];
	ch->native = (int32_t)m->dtype;
	ch->rank = m->rank;
	ch->shape = m->shape;
	home = find_home(s, c, &i);
	if (!home)
		i.home = CK_NO_SHARD;
	if (home && !converts(s, m) && (!c->map || c == n->pub.content))
		i.how = CK_ITEM_KEEP;
	else if (home && !converts(s, m))
		i.how = CK_ITEM_INPLACE; /* or what choose() says */
	r = add_item(p, &i);
	return r;
}

static int plan_unfinished(struct ck_stage *s, struct ck_plan *p, struct ck_snode *n)
{
	struct ck_buf ck_auto_buf why = CK_BUF_INIT;
	char quoted[CK_QUOTE_ROOM];

	if (!ck_snode_unfinished(s, n, &why))
		return ck_buf_failed(&why) ? -ENOMEM : 0;
	if (p->unfinished_text.n < LISTED) {
		ck_buf_str(&p->unfinished_text, p->unfinished ? ", " : "");
		ck_buf_str(&p->unfinished_text, ck_stage_quote(n, quoted, sizeof(quoted)));
		if (!p->unfinished)
			ck_buf_str(&p->unfinished_why, why.p);
		p->named++;
	}
	p->unfinished++;
	return 1;
}

static int is_edited(void *arg, const struct ck_ext *e)
{
	return !ck_ext_is_home(arg, e);
}

/* An edit that failed, or was taken back, leaves a copy of what is published. */
static bool same_bytes(const struct ck_snode *n)
{
	struct ck_content *is = n->now.content, *was = n->pub.content;

	if (is == was)
		return true;
	return is && was && is->homed && is->map && is->size == was->size &&
	       is->model == was->model && is->var == was->var &&
	       is->home_shard == was->home_shard && is->home_at == was->home_at &&
	       ck_extmap_each(is->map, is_edited, is) == 0;
}

static int plan_file(struct ck_stage *s, struct ck_plan *p, struct ck_snode *n)
{
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;
	struct ck_span old = n->pub_name, now;
	int r;

	if (!ck_snode_is_var(n)) {
		r = old.p ? add_change(p, old, ck_span(NULL, 0), CK_TF_KEEP, NULL) : 0;
		return r < 0 || !old.p ? r : bury(s, p, n->pub.content);
	}
	if (!n->now.content && !n->now.meta)
		return 0;
	r = plan_unfinished(s, p, n);
	if (r)
		return r < 0 ? r : 0;
	if (!ck_var_node_name(s, n, &name))
		return -ENOMEM;
	now = ck_span(name.p ? name.p : "", name.n);
	if (old.p && same_bytes(n) && same_meta(n->now.meta, n->pub.meta))
		return ck_span_cmp(old, now) == 0 ? 0 : add_change(p, old, now, CK_TF_KEEP, NULL);
	return plan_bytes(s, p, n, old, now);
}

struct moved {
	struct ck_stage *s;
	struct ck_plan *p;
	struct ck_span old_scope;
	struct ck_buf old, now; /* the scopes, then names */
	size_t old_len, now_len, cut;
};

static int rename_one(void *arg, uint32_t var)
{
	struct moved *m = arg;
	struct ck_span name = ck_var_name(m->s->model, &m->s->model->vars[var]);

	m->old.n = m->old_len;
	m->now.n = m->now_len;
	ck_buf_add(&m->old, name.p + m->cut, name.n - m->cut);
	ck_buf_add(&m->now, name.p + m->cut, name.n - m->cut);
	if (ck_buf_failed(&m->old) || ck_buf_failed(&m->now))
		return -ENOMEM;
	return add_change(m->p, ck_span(m->old.p, m->old.n), ck_span(m->now.p, m->now.n),
			  CK_TF_KEEP, NULL);
}

/* A variable of the opened tree that was deleted without ever becoming a node. */
static int plan_gone(struct ck_stage *s, struct ck_plan *p, const struct ck_snode *dir,
		     const struct ck_sentry *e)
{
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;
	struct ck_span c;
	int r;

	if (e->base == CK_NO_NODE || e->base_dir || e->base_published ||
	    ck_snode_by_id(s, e->base, false))
		return 0;
	c = ck_tree_component(s->tree, e->base);
	ck_buf_add(&name, dir->pub_name.p, dir->pub_name.n);
	ck_buf_add(&name, c.p, c.n);
	if (ck_tree_suffixed(s->tree, e->base))
		ck_buf_str(&name, CK_TF2_SUFFIX);
	if (ck_buf_failed(&name))
		return -ENOMEM;
	r = add_change(p, ck_span(name.p ? name.p : "", name.n), ck_span(NULL, 0), CK_TF_KEEP,
		       NULL);
	return r < 0 ? r : bury_var(p, s->model, &s->model->vars[ck_tree_var(s->tree, e->base)]);
}

static int plan_dir(struct ck_stage *s, struct ck_plan *p, struct ck_snode *dir)
{
	struct moved m = { .s = s, .p = p };
	int r = 0;

	for (struct ck_sentry *e = dir->children; e && r == 0; e = e->next)
		r = plan_gone(s, p, dir, e);
	if (r < 0 || dir->base == CK_NO_NODE || (!dir->entry && dir != s->root))
		return r;
	if (!ck_scope_name(s, dir, &m.now))
		r = ck_buf_failed(&m.now) ? -ENOMEM : 0;
	else if (ck_span_cmp(ck_span(m.now.p ? m.now.p : "", m.now.n), dir->pub_name) != 0) {
		ck_buf_add(&m.old, dir->pub_name.p, dir->pub_name.n);
		m.old_len = m.old.n;
		m.now_len = m.now.n;
		m.cut = ck_scope_len(s, dir->base);
		r = ck_walk_untouched(s, dir, rename_one, &m);
	}
	ck_buf_done(&m.old);
	ck_buf_done(&m.now);
	return r;
}

static int by_bytes(const void *a, const void *b)
{
	const struct ck_span *x = a, *y = b;

	return ck_span_cmp(*x, *y);
}

/* What was deleted and made anew is one variable. */
static int count_variables(struct ck_plan *p)
{
	struct ck_span *made = calloc(p->nchanges + 1, sizeof(*made));
	size_t n = 0;

	if (!made)
		return -ENOMEM;
	p->report.variables = p->nchanges;
	for (size_t i = 0; i < p->nchanges; i++)
		if (!p->changes[i].old_name.p)
			made[n++] = p->changes[i].new_name;
	if (n)
		qsort(made, n, sizeof(*made), by_bytes);
	for (size_t i = 0; i < p->nchanges && n; i++)
		if (!p->changes[i].new_name.p &&
		    bsearch(&p->changes[i].old_name, made, n, sizeof(*made), by_bytes))
			p->report.variables--;
	free(made);
	return 0;
}

int ck_plan_make(struct ck_stage *s, struct ck_plan *p, struct ck_err *err)
{
	int r = 0;

	*p = (struct ck_plan){ 0 };
	for (struct ck_snode *n = s->nodes; n && r == 0; n = n->all_next)
		r = n->is_dir ? plan_dir(s, p, n) : plan_file(s, p, n);
	if (r == 0)
		r = count_variables(p);
	if (r == 0)
		r = choose(s, p, err);
	if (r == 0)
		r = bury_items(s, p);
	if (r == -ENOMEM)
		ck_fail_nomem(err, s->prefix);
	if (r < 0)
		ck_plan_done(p);
	return r;
}

void ck_plan_done(struct ck_plan *p)
{
	for (size_t i = 0; i < p->nchanges; i++) {
		free((void *)(uintptr_t)p->changes[i].old_name.p);
		free((void *)(uintptr_t)p->changes[i].new_name.p);
		free((void *)(uintptr_t)p->changes[i].slices);
	}
	free(p->changes);
	free(p->items);
	free(p->patches);
	free(p->files);
	ck_buf_done(&p->unfinished_text);
	ck_buf_done(&p->unfinished_why);
	ck_quarantine_done(&p->died);
	*p = (struct ck_plan){ 0 };
}
