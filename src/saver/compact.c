/*
 * compact.c - all that is live is written anew, one after the other, and the old files go.
 *
 * It is a publish like others (publish.c) in which every variable moves to a file of our own and no
 * other file is kept. Where the bundle had one data file, the new one would have its name; so it is
 * published under another number of shards first, and then again under the right one.
 *
 * What is in memory is of the old files: afterwards the stage can only be closed.
 */
#include "saver/stage_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct compact {
	struct ck_stage *s;
	struct ck_publish *x;
	struct ck_model *m;
	struct ck_sshard *target;
	struct ck_vfile *from; /* of shard open */
	uint32_t open;
	uint64_t at, total;
	struct ck_err *err;
};

static int move_range(struct compact *c, uint32_t shard, uint64_t off, uint64_t n,
		      uint64_t *ret)
{
	struct ck_stage *s = c->s;
	int r = 0;

	if (!n) {
		*ret = 0;
		return 0;
	}
	if (!c->from || c->open != shard) {
		ck_vfs_close(c->from);
		c->from = NULL;
		r = ck_vfs_open(s->vfs, ck_source_path(c->m->shards[shard].source), 0, 0,
				&c->from);
		c->open = shard;
	}
	if (r == 0)
		r = ck_vfs_copy(c->target->file, c->at, c->from, off, n);
	ck_shard_note(c->target);
	if (r < 0)
		return ck_fail(c->err, CK_PUBLISH, -r, "%s: cannot be written: %s: nothing was changed",
			       c->target->path, strerror(-r));
	*ret = c->at;
	c->at += n;
	c->target->dirty = c->target->grown = true;
	c->x->plan.report.copied += n;
	if (s->o.progress.fn)
		s->o.progress.fn(s->o.progress.arg, "compacting", c->at, c->total);
	return 0;
}

static int move_slices(struct compact *c, const struct ck_var *v, struct ck_tf_change *ch)
{
	struct ck_tf_slice_place *p = calloc(v->shard + 1, sizeof(*p));
	int r = 0;

	if (!p)
		return ck_fail_nomem(c->err, c->s->prefix);
	ch->slices = p;
	for (uint32_t k = 0; k < v->shard && r == 0; k++) {
		const struct ck_slice *sl = &c->m->slices[v->offset + k];

		p[k] = (struct ck_tf_slice_place){ k, { CK_REC_STAGE, 0, sl->nbytes, sl->crc32c } };
		r = move_range(c, sl->shard, sl->offset, sl->nbytes, &p[k].place.offset);
		ch->nslices++;
	}
	return r;
}

static int move_var(struct compact *c, uint32_t i)
{
	const struct ck_var *v = &c->m->vars[i];
	struct ck_tf_change *ch = &c->x->plan.changes[c->x->plan.nchanges];
	struct ck_span name = ck_var_name(c->m, v);
	uint8_t *old = malloc(name.n + 1), *new = malloc(name.n + 1);

	*ch = (struct ck_tf_change){ .what = CK_TF_MOVE };
	if (!old || !new) {
		free(old);
		free(new);
		return ck_fail_nomem(c->err, c->s->prefix);
	}
	memcpy(old, name.p, name.n);
	memcpy(new, name.p, name.n);
	ch->old_name = ck_span(old, name.n);
	ch->new_name = ck_span(new, name.n);
	c->x->plan.nchanges++;
	if (v->flags & CK_VAR_SLICED)
		return move_slices(c, v, ch);
	ch->place = (struct ck_tf_place){ CK_REC_STAGE, 0, v->nbytes, v->crc32c };
	return move_range(c, v->shard, v->offset, v->nbytes, &ch->place.offset);
}

/* The first of the two publishes: everything is in the new file. */
static int rewrite(struct ck_stage *s, struct ck_publish *x, struct ck_model *m,
		   struct ck_err *err)
{
	struct compact c = { .s = s, .x = x, .m = m, .err = err };
	int r = ck_stage_data_open(s, err); /* the target from here on */

	if (r < 0)
		return r;
	r = ck_slog_begin(s, err);
	if (r < 0)
		return r;
	c.target = &s->shards[s->target];
	for (uint32_t i = 0; i < m->nvars; i++)
		c.total += m->vars[i].nbytes;
	x->plan.changes = calloc((size_t)m->nvars + 1, sizeof(*x->plan.changes));
	if (!x->plan.changes)
		return ck_fail_nomem(err, s->prefix);
	for (uint32_t i = 0; i < m->nvars && r == 0; i++)
		r = move_var(&c, i);
	ck_vfs_close(c.from);
	x->compact = true;
	return r;
}

static int carry_out(struct ck_stage *s, struct ck_publish *x, struct ck_err *err)
{
	int r = ck_publish_commit(s, x, err);

	if (r == 0) {
		s->spent = true;
		r = ck_apply(s->vfs, &x->commit, s->journal, &s->o.progress, err);
	}
	return r == 0 ? ck_slog_retire(s, err) : r;
}

/* The second: one data file is called so. */
static int renumber(struct ck_stage *s, struct ck_publish_report *report, struct ck_err *err)
{
	struct ck_stage_options o = s->o;
	struct ck_publish *x = calloc(1, sizeof(*x));
	struct ck_stage *again = NULL;
	int r;

	if (!x)
		return ck_fail_nomem(err, s->prefix);
	o.prefix = s->prefix;
	o.holder = "ckptctl compact";
	o.save = NULL;
	o.subdir = NULL;
	ck_lock_drop(s);
	r = ck_stage_open(&o, &again, err);
	if (r == 0 && again->num_shards != 1) {
		r = ck_slog_begin(again, err);
		x->renumber = true;
		if (r == 0)
			r = carry_out(again, x, err);
		if (r == 0)
			report->index += x->plan.report.index;
	}
	if (again)
		again->own = again->recovered = false;
	if (!again || again->in_doubt != x)
		ck_publish_free(x);
	ck_stage_close(again, NULL);
	return r;
}

static uint64_t total_size(const struct ck_stage *s)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < s->nshards; i++)
		if (s->shards[i].id != CK_REC_STAGE)
			n += s->shards[i].stat.size;
	return n;
}

int ck_stage_compact(struct ck_stage *s, struct ck_publish_report *ret, struct ck_err *err)
{
	struct ck_publish *x = calloc(1, sizeof(*x));
	struct ck_model *m = NULL;
	uint64_t live = 0, before;
	bool several;
	int r;

	if (!x)
		return ck_fail_nomem(err, s->prefix);
	pthread_mutex_lock(&s->edit_lock);
	r = ck_publish_locked(s, CK_PUBLISH_EXPLICIT, ret, err);
	if (r == 0)
		r = ck_edit_allowed(s, err);
	if (r == 0)
		r = ck_open_prefix(s->vfs, s->prefix, CK_OPEN_RAW, &m, err);
	if (r < 0)
		goto out;
	for (uint32_t i = 0; i < m->nvars; i++)
		live += m->vars[i].nbytes;
	before = total_size(s);
	*ret = (struct ck_publish_report){ .nothing = true };
	if (live == before) { /* perhaps it was cut short before the end */
		if (s->nshards == 1 && s->shards[0].id == 0 && s->num_shards > 1) {
			s->spent = true;
			r = renumber(s, ret, err);
		}
		goto out;
	}
	several = s->num_shards != 1;
	r = rewrite(s, x, m, err);
	if (r == 0)
		r = carry_out(s, x, err);
	if (r == 0) {
		*ret = x->plan.report;
		strcpy(ret->how, "new");
		ret->variables = m->nvars;
		ret->freed = before > live ? before - live : 0;
	}
	if (r == 0 && (!several || x->num_shards != 1))
		r = renumber(s, ret, err);
out:
	ck_model_unref(m);
	if (s->in_doubt != x)
		ck_publish_free(x);
	pthread_mutex_unlock(&s->edit_lock);
	return r;
}
