/*
 * rebase.c - after a publish: what was staged is what is published, and the journal has gone.
 *
 * Inode numbers stay; each node's pub becomes what it is now, with its bytes where the new index
 * has them. What is deleted leaves, as soon as nobody has it open.
 */
#include "saver/stage_private.h"

#include <errno.h>
#include <stdlib.h>

void ck_snodes_sweep(struct ck_stage *s)
{
	struct ck_snode *next;

	ck_state_write(s);
	for (struct ck_snode *n = s->nodes; n; n = next) {
		next = n->all_next;
		ck_snode_maybe_free(s, n);
	}
	__atomic_store_n(&s->garbage, 0, __ATOMIC_RELAXED);
	ck_state_written(s);
}

/* The file's bytes are these of a shard, in one piece. */
static struct ck_content *at_home(struct ck_stage *s, uint32_t which, const struct ck_tf_place *p,
				  uint64_t size)
{
	struct ck_content *c = ck_content_new(s);
	struct ck_ext e = { .len = size, .at = p->offset + (p->nbytes - size), .which = which,
			    .kind = CK_EXT_SHARD, .logged = true, .durable = true };

	if (!c)
		return NULL;
	c->homed = true;
	c->size = size;
	c->home_shard = p->nbytes ? which : CK_NO_SHARD;
	c->home_at = p->offset;
	c->home_size = p->nbytes;
	c->home_crc = p->crc32c;
	if (size && ck_extmap_set(c->map, &e) < 0)
		return ck_content_unref(s, c);
	return c;
}

/* Bytes that had another order in V have the checkpoint's now, and V shows them so. */
static int settle_order(struct ck_stage *s, struct ck_snode *n, struct ck_err *err)
{
	struct ck_varmeta *m;
	struct ck_span order = s->big_endian ? ck_span("big", 3) : ck_span("little", 6);
	int r;

	if (n->now.meta->big_endian == s->big_endian)
		return 0;
	r = ck_varmeta_parse_member("byte_order", order, n->now.meta, s->big_endian, s->prefix, &m,
				    err);
	if (r < 0)
		return r;
	ck_varmeta_unref(n->now.meta);
	n->now.meta = m;
	n->version++;
	return 0;
}

static int rehome(struct ck_stage *s, const struct ck_item *i, struct ck_err *err)
{
	struct ck_snode *n = i->n;
	struct ck_content *c = n->now.content, *home;
	int r = settle_order(s, n, err);

	if (r < 0)
		return r;
	if (i->how == CK_ITEM_KEEP) {
		ck_content_ref(c);
		home = c;
	} else if (i->how == CK_ITEM_INPLACE && c->home_shard == CK_NO_SHARD) {
		home = ck_content_of_var(s, c->model, c->var, c->size);
		if (home)
			home->home_crc = i->place.crc32c;
	} else {
		uint32_t which = i->how == CK_ITEM_INPLACE ? i->home : s->target;

		home = at_home(s, which, &i->place, c->size);
		/* The bytes may lie just where they were staged: they are nobody's to free. */
		if (i->how == CK_ITEM_PLACED)
			c->homed = true;
	}
	if (!home)
		return ck_fail_nomem(err, s->prefix);
	ck_content_unref(s, n->now.content);
	n->now.content = home;
	n->home_is_base = n->home_is_base && i->how == CK_ITEM_KEEP &&
			  n->now.meta == n->pub.meta;
	return 0;
}

/* Slices of a partitioned variable lie elsewhere now: a model of the new index knows where. */
static int rehome_slices(struct ck_stage *s, struct ck_snode *n, struct ck_model *m,
			 struct ck_err *err)
{
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;
	struct ck_content *c;
	uint32_t var;

	if (!ck_var_node_name(s, n, &name))
		return -ENOMEM;
	var = ck_model_find(m, ck_span(name.p, name.n));
	if (var == CK_NO_VAR)
		return ck_fail(err, CK_CORRUPT, EIO, "%s: what was published is not there",
			       s->prefix);
	c = ck_content_of_var(s, m, var, n->now.content->size);
	if (!c)
		return ck_fail_nomem(err, s->prefix);
	ck_content_unref(s, n->now.content);
	n->now.content = c;
	n->home_is_base = false;
	return 0;
}

/* What has to be read; ck_rebase() itself fails for want of memory alone. */
int ck_rebase_prepare(struct ck_stage *s, struct ck_publish *x, struct ck_err *err)
{
	for (size_t k = 0; k < x->plan.nitems && !x->model; k++) {
		int r = x->plan.items[k].slice == UINT32_MAX ? 0 :
			ck_open_prefix(s->vfs, s->prefix, CK_OPEN_RAW, &x->model, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int rehome_all(struct ck_stage *s, struct ck_publish *x, struct ck_err *err)
{
	struct ck_snode *last = NULL;
	int r = 0;

	for (size_t k = 0; k < x->plan.nitems && r == 0; k++) {
		const struct ck_item *i = &x->plan.items[k];

		if (i->slice == UINT32_MAX) {
			r = rehome(s, i, err);
		} else if (i->n != last) {
			r = rehome_slices(s, i->n, x->model, err);
			last = i->n;
		}
	}
	return r;
}

static void unpublish(struct ck_stage *s, struct ck_snode *n)
{
	free(n->pub.name);
	free((void *)(uintptr_t)n->pub_name.p);
	ck_content_unref(s, n->pub.content);
	ck_varmeta_unref(n->pub.meta);
	n->pub = (struct ck_sstate){ 0 };
	n->pub_name = ck_span(NULL, 0);
	n->home_is_base = false;
}

/* Where the node lies, and what it is, are published. */
static int publish_node(struct ck_stage *s, struct ck_snode *n, struct ck_err *err)
{
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;
	char *spelt;
	bool known = n->is_dir ? ck_scope_name(s, n, &name) : ck_var_node_name(s, n, &name);
	bool moved;

	if (ck_buf_failed(&name) || !(spelt = strdup(n->entry->name)))
		return ck_fail_nomem(err, s->prefix);
	moved = !n->pub_name.p || name.n != n->pub_name.n ||
		memcmp(n->pub_name.p, name.p ? name.p : "", name.n) != 0;
	free(n->pub.name);
	n->pub.name = spelt;
	n->pub.dir = n->now.dir;
	if (n->now.content != n->pub.content) {
		ck_content_unref(s, n->pub.content);
		n->pub.content = n->now.content ? ck_content_ref(n->now.content) : NULL;
	}
	if (n->now.meta != n->pub.meta) {
		ck_varmeta_unref(n->pub.meta);
		n->pub.meta = n->now.meta ? ck_varmeta_ref(n->now.meta) : NULL;
		n->home_is_base = false;
	}
	n->pub_suffixed = n->suffixed;
	if (!moved || !known)
		return 0;
	free((void *)(uintptr_t)n->pub_name.p);
	n->pub_name = ck_span(name.p, name.n);
	name = (struct ck_buf)CK_BUF_INIT;
	n->home_is_base = false;
	return n->pub_name.p ? 0 : ck_fail_nomem(err, s->prefix);
}

/* What is there is the opened tree's own, and has not made way for something else. */
static bool is_base(const struct ck_sentry *e)
{
	return e->node && e->node->base == e->base && e->node->is_dir == e->base_dir;
}

static int publish_nodes(struct ck_stage *s, struct ck_err *err)
{
	struct ck_snode *next;
	int r = 0;

	for (struct ck_snode *n = s->nodes; n && r == 0; n = next) {
		next = n->all_next;
		if (n == s->root)
			;
		else if (n->entry && (n->is_dir || (ck_snode_is_var(n) && n->now.content)))
			r = publish_node(s, n, err);
		else if (n->pub_name.p || n->pub.content)
			unpublish(s, n);
		/* Be there another of that name by now, or not. */
		for (struct ck_sentry *e = n->is_dir ? n->children : NULL; e; e = e->next)
			if (e->base != CK_NO_NODE && !is_base(e))
				e->base_published = true;
	}
	return r;
}

/* Data files under their new names. */
static int rename_shards(struct ck_stage *s, struct ck_publish *x, struct ck_err *err)
{
	for (uint32_t i = 0; i < s->nshards; i++)
		if (s->shards[i].writable) /* written to in place */
			ck_shard_note(&s->shards[i]);
	for (uint32_t i = 0; i < s->nshards && x->new_files; i++) {
		struct ck_sshard *sh = &s->shards[i];
		bool stage = sh->id == CK_REC_STAGE;
		char *name = ck_shard_name(s->prefix, stage ? x->stage_id : sh->id, x->num_shards);

		if (!name)
			return ck_fail_nomem(err, s->prefix);
		if (stage && !x->stage_used) {
			free(name);
			continue;
		}
		if (stage)
			sh->id = x->stage_id;
		else if (s->foreign) /* perhaps another file of the same bytes */
			sh->file = ck_vfs_close(sh->file);
		free(sh->path);
		sh->path = name;
		sh->unnoted = s->vfs->stat(s->vfs, name, &sh->stat) < 0;
		sh->writable &= sh->file != NULL;
	}
	return 0;
}

/* What was written in place is no change by others. */
static void note_patched(struct ck_stage *s, const struct ck_commit *c)
{
	for (uint32_t i = 0; i < s->nshards; i++) {
		uint32_t k = 0;

		while (k < c->npatches && c->files[k] != s->shards[i].file)
			k++;
		if (k < c->npatches)
			ck_shard_note(&s->shards[i]);
	}
}

static int nodes_and_space(struct ck_stage *s, struct ck_err *err)
{
	int r = publish_nodes(s, err);

	ck_snodes_sweep(s);
	ck_shards_forget_space(s);
	ck_slog_drop_old(s);
	return r;
}

int ck_rebase(struct ck_stage *s, struct ck_publish *x, struct ck_err *err)
{
	int r;

	ck_state_write(s);
	note_patched(s, &x->commit);
	r = rename_shards(s, x, err);
	s->exists = true;
	s->foreign = false;
	s->num_shards = x->num_shards;
	s->index = x->identity;
	s->index_known = true;
	s->index_unnoted = s->vfs->stat(s->vfs, s->index_path, &s->index_stat) < 0;
	ck_quarantine_done(&s->quarantine);
	s->quarantine = x->quarantine;
	x->quarantine = (struct ck_quarantine){ 0 };
	s->last.any = true; /* the index is another than the one that was opened */
	if (r == 0)
		r = rehome_all(s, x, err);
	if (r == 0)
		r = nodes_and_space(s, err);
	ck_state_written(s);
	ck_shards_trim(s);
	s->target = CK_NO_SHARD;
	return r;
}

int ck_rebase_nothing(struct ck_stage *s, struct ck_err *err)
{
	int r = ck_slog_retire(s, err);

	if (r < 0)
		return r;
	ck_state_write(s);
	r = nodes_and_space(s, err);
	ck_state_written(s);
	ck_shards_trim(s);
	return r;
}
