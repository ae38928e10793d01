/*
 * publish.c - what is staged becomes the checkpoint, all or nothing.
 *
 *   ck_slog_sync        1. everything staged is durable
 *   ck_plan_make        what changes, and how its bytes get there
 *   ck_plan_assemble    bytes put together behind the last live one, and synced
 *   ck_layout_make      2. PREPARE; new names of data files, where there are any
 *   write_index         3. the new index under its temporary name, synced
 *   commit              4. COMMIT: from here on it is carried out
 *   ck_publish_finish   5.-7. ck_apply(), the journal goes, and ck_rebase(): what is staged is
 *                       what is published
 */
#include "saver/stage_private.h"

#include "util/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define OUT (256u << 10)

/* The new index on its way to the disk. */
struct out {
	struct ck_vfile *f;
	const char *path;
	uint8_t *p;
	size_t n;
	uint64_t at;
	struct ck_rec_index id;
};

static int out_flush(struct out *o, struct ck_err *err)
{
	int r = o->n ? ck_vfs_write(o->f, o->at, o->p, o->n) : 0;

	if (r < 0)
		return ck_fail(err, CK_PUBLISH, -r, "%s: cannot be written: %s: nothing was changed",
			       o->path, strerror(-r));
	o->at += o->n;
	o->n = 0;
	return 0;
}

static int out_write(void *arg, const void *p, size_t n, struct ck_err *err)
{
	struct out *o = arg;
	const uint8_t *from = p;

	o->id.crc32c = ck_crc32c_extend(o->id.crc32c, p, n);
	for (size_t i = 0; i < n; i++)
		o->id.fnv = (o->id.fnv ^ from[i]) * UINT64_C(0x100000001b3);
	o->id.size += n;
	while (n) {
		size_t k = n < OUT - o->n ? n : OUT - o->n;

		memcpy(o->p + o->n, from, k);
		o->n += k;
		from += k;
		n -= k;
		if (o->n == OUT) {
			int r = out_flush(o, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* Entries that no change touches have a place in a shard that keeps its number. */
static int write_table(struct ck_stage *s, struct ck_publish *x, struct out *o,
		       struct ck_err *err)
{
	struct ck_sink sink = { out_write, o };
	struct ck_tf_rewrite rw = {
		.big_endian = s->big_endian,
		.num_shards = x->num_shards,
		.changes = x->plan.changes,
		.nchanges = x->plan.nchanges,
	};
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;
	int r = 0;

	for (size_t i = 0; i < rw.nchanges; i++) {
		struct ck_tf_change *c = &rw.changes[i];

		if (c->place.shard == CK_REC_STAGE)
			c->place.shard = x->stage_id;
		for (uint32_t k = 0; k < c->nslices; k++) {
			struct ck_tf_slice_place *sp = (void *)(uintptr_t)&c->slices[k];

			if (sp->place.shard == CK_REC_STAGE)
				sp->place.shard = x->stage_id;
		}
	}
	if (s->exists) {
		ck_buf_printf(&path, "%s.index", s->foreign ? s->source : s->prefix);
		if (ck_buf_failed(&path))
			return ck_fail_nomem(err, s->prefix);
		r = ck_source_open_vfs(s->vfs, path.p, &rw.old, err);
	}
	if (r == 0)
		r = ck_tf_rewrite(&rw, &sink, err);
	if (r == 0)
		r = out_flush(o, err);
	ck_source_unref(rw.old);
	return r;
}

static int set_quarantine(struct ck_stage *s, struct ck_publish *x, struct out *o)
{
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;
	int r;

	/* That nothing is in it is worth saying too: without it all that is dead would have to be
	 * taken for fresh. */
	if (!x->quarantine.n && !s->quarantine_known && s->exists)
		return 0;
	r = ck_quarantine_encode(&x->quarantine, &text);
	if (r == 0)
		r = o->f->vfs->setxattr(o->f, CK_QUARANTINE_XATTR, text.p, text.n);
	/* Without it all that is dead counts as having died just now. */
	return r == -ENOMEM ? r : 0;
}

static int write_index(struct ck_stage *s, struct ck_publish *x, struct ck_err *err)
{
	struct out o = { .path = x->commit.index_tmp,
			 .id.fnv = UINT64_C(0xcbf29ce484222325) };
	mode_t mode = s->index_stat.mode ? s->index_stat.mode & 0777 : 0666;
	int r = ck_vfs_open(s->vfs, o.path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, mode, &o.f);

	if (r < 0)
		return ck_fail(err, CK_PUBLISH, -r, "%s: cannot be made: %s: nothing was changed",
			       o.path, strerror(-r));
	o.p = malloc(OUT);
	r = o.p ? write_table(s, x, &o, err) : ck_fail_nomem(err, s->prefix);
	if (r == 0)
		r = set_quarantine(s, x, &o);
	if (r == 0 && (r = ck_vfs_sync(o.f)) < 0)
		ck_fail(err, CK_PUBLISH, -r, "%s: cannot be made durable: %s: nothing was changed",
			o.path, strerror(-r));
	if (r == 0 && (r = s->vfs->sync_dir(s->vfs, o.path)) < 0)
		ck_fail(err, CK_PUBLISH, -r, "%s: its folder cannot be made durable: %s: nothing "
			"was changed", o.path, strerror(-r));
	x->identity = o.id;
	x->plan.report.index = o.id.size;
	ck_vfs_close(o.f);
	free(o.p);
	return r;
}

static int commit(struct ck_stage *s, struct ck_publish *x, struct ck_err *err)
{
	struct ck_record rec = { .type = CK_REC_COMMIT, .index = x->identity,
				 .patches = x->plan.patches,
				 .npatches = (uint32_t)x->plan.npatches };
	uint64_t at = ck_journal_size(s->journal);
	uint32_t chain = ck_journal_chain(s->journal);
	int r;

	rec.paths = calloc(x->commit.nremove + 1, sizeof(*rec.paths));
	if (!rec.paths)
		return ck_fail_nomem(err, s->prefix);
	rec.paths[rec.npaths++] = ck_file_name(x->commit.index_tmp);
	for (uint32_t i = 0; i < x->commit.nremove; i++)
		rec.paths[rec.npaths++] = ck_file_name(x->commit.remove[i]);
	r = ck_journal_append(s->journal, &rec, NULL, err);
	free(rec.paths);
	if (r == 0)
		r = ck_journal_sync(s->journal, err);
	/* Even one that could not be appended may be on the disk. */
	if (r < 0 && ck_journal_unappend(s->journal, at, chain, NULL) < 0) {
		s->in_doubt = x;
		s->doubt_at = at;
		s->doubt_chain = chain;
	}
	return r;
}

/* Others must not have changed what the edits are laid over. */
int ck_stage_is_stale_locked(struct ck_stage *s)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;
	struct ck_vstat st, to;
	int r;

	ck_buf_printf(&path, "%s.index", s->foreign ? s->source : s->prefix);
	if (ck_buf_failed(&path))
		return -ENOMEM;
	r = s->vfs->stat(s->vfs, path.p, &st);
	if (r < 0 && r != -ENOENT)
		return r;
	if (s->foreign && s->vfs->lstat(s->vfs, s->index_path, &to) == 0)
		return 1; /* somebody made one where ours is to be */
	if (s->index_unnoted && r == 0) {
		s->index_stat = st;
		s->index_unnoted = false;
	}
	if (!s->exists)
		return r == 0;
	if (r < 0 || st.ino != s->index_stat.ino || st.size != s->index_stat.size ||
	    st.mtime.tv_sec != s->index_stat.mtime.tv_sec ||
	    st.mtime.tv_nsec != s->index_stat.mtime.tv_nsec)
		return 1;
	r = 0;
	for (uint32_t i = 0; i < s->nshards && r == 0; i++)
		r = ck_shard_changed(s, &s->shards[i]);
	return r;
}

static int check_stale(struct ck_stage *s, struct ck_err *err)
{
	int r = ck_stage_is_stale_locked(s);

	if (r < 0)
		return ck_fail(err, CK_PUBLISH, -r, "%s: its files cannot be examined: %s: what is "
			       "staged is kept, try again", s->prefix, strerror(-r));
	if (!r)
		return 0;
	if (s->draft)
		return ck_fail(err, CK_PUBLISH, ESTALE, "%s: something else has changed it meanwhile: "
			       "look at what is there, and try again", s->prefix);
	return ck_fail(err, CK_PUBLISH, ESTALE, "%s: something else has changed it since it was opened: "
		       "the edits are kept in %s; unmount, look at what is there, and edit again",
		       s->prefix, s->journal_path);
}

/* The quarantine of the new index: what was in it grows older, what dies now joins. Where nobody
 * has had to know it, it stays unknown: all that is dead counts as dying now when asked for. */
static int age_quarantine(struct ck_stage *s, struct ck_publish *x, struct ck_err *err)
{
	int r = 0;

	if (!s->quarantine_known)
		return 0;
	for (size_t i = 0; i < s->quarantine.n && r == 0; i++)
		for (size_t k = 0; k < s->quarantine.v[i].ranges.n && r == 0; k++)
			r = ck_quarantine_add(&x->quarantine, s->quarantine.v[i].shard,
					      s->quarantine.v[i].age,
					      s->quarantine.v[i].ranges.v[k].off,
					      s->quarantine.v[i].ranges.v[k].len);
	if (r == 0)
		ck_quarantine_age(&x->quarantine);
	for (size_t i = 0; i < x->plan.died.n && r == 0; i++)
		for (size_t k = 0; k < x->plan.died.v[i].ranges.n && r == 0; k++)
			r = ck_quarantine_add(&x->quarantine, x->plan.died.v[i].shard, 1,
					      x->plan.died.v[i].ranges.v[k].off,
					      x->plan.died.v[i].ranges.v[k].len);
	return r < 0 ? ck_fail_nomem(err, s->prefix) : 0;
}

static void describe(struct ck_publish *x)
{
	struct ck_publish_report *rep = &x->plan.report;
	bool moved = false;

	for (size_t i = 0; i < x->plan.nitems; i++)
		moved |= x->plan.items[i].how != CK_ITEM_KEEP &&
			 x->plan.items[i].how != CK_ITEM_INPLACE;
	strcpy(rep->how, x->new_files ? "new" : moved && x->plan.npatches ? "both" :
	       moved ? "replace" : x->plan.npatches ? "in place" : "index only");
}

/* The patches are the commit's from here on. */
static void hand_over(struct ck_publish *x)
{
	x->commit.patches = x->plan.patches;
	x->commit.files = x->plan.files;
	x->commit.npatches = (uint32_t)x->plan.npatches;
	x->plan.patches = NULL;
	x->plan.files = NULL;
}

/* Up to and including COMMIT, for a plan whose bytes are in place. On failure nothing has changed,
 * and what was made is removed. */
int ck_publish_commit(struct ck_stage *s, struct ck_publish *x, struct ck_err *err)
{
	int r = ck_shards_sync(s, err);

	if (r == 0)
		r = ck_slog_settle(s, err);
	if (r == 0)
		r = age_quarantine(s, x, err);
	if (r == 0)
		r = ck_layout_make(s, x, err);
	if (r == 0)
		r = write_index(s, x, err);
	if (r == 0)
		r = commit(s, x, err);
	if (r == 0)
		hand_over(x);
	else if (!s->in_doubt)
		ck_layout_undo(s, x);
	return r;
}

static int refuse_unfinished(struct ck_stage *s, const struct ck_plan *p, struct ck_err *err)
{
	char others[64] = "";

	if (ck_buf_failed(&p->unfinished_text) || ck_buf_failed(&p->unfinished_why))
		return ck_fail_nomem(err, s->prefix);
	if (p->unfinished == 1)
		return ck_fail(err, CK_PUBLISH, EINVAL,
			       "%s: cannot be published: %s %s; or delete it, or take it back with "
			       "ckptctl discard", s->prefix, p->unfinished_text.p,
			       p->unfinished_why.p);
	if (p->unfinished > p->named)
		snprintf(others, sizeof(others), " and %" PRIu64 " more", p->unfinished - p->named);
	return ck_fail(err, CK_PUBLISH, EINVAL,
		       "%s: cannot be published: %" PRIu64 " variables are unfinished: %s%s: ckptctl "
		       "status says what they wait for; finish or delete them, or take them back "
		       "with ckptctl discard", s->prefix, p->unfinished, p->unfinished_text.p, others);
}

static int begin(struct ck_stage *s, struct ck_publish *x, struct ck_err *err)
{
	int r;

	r = s->journal || s->pending || s->foreign || !s->exists ? check_stale(s, err) : 0;
	if (r == 0 && (s->journal || s->pending))
		r = ck_slog_sync(s, err);
	if (r < 0)
		return r;
	r = ck_plan_make(s, &x->plan, err);
	if (r == 0 && x->plan.unfinished)
		r = refuse_unfinished(s, &x->plan, err);
	return r;
}

/* 1: up to COMMIT; 0: there was nothing to do. */
static int publish(struct ck_stage *s, struct ck_publish *x, unsigned flags, struct ck_err *err)
{
	/* Who asks for a checkpoint gets one, even if it is empty, or a copy. */
	bool make = (flags & CK_PUBLISH_EXPLICIT) && (!s->exists || s->foreign);
	int r = begin(s, x, err);

	if (r < 0)
		return r;
	if (!x->plan.nchanges && !make) /* edits that came to nothing */
		return s->journal ? ck_rebase_nothing(s, err) : 0;
	r = ck_slog_begin(s, err);
	if (r == 0)
		r = ck_plan_assemble(s, &x->plan, err);
	if (r == 0)
		r = ck_publish_commit(s, x, err);
	if (r == 0) {
		describe(x);
		return 1;
	}
	if (!s->in_doubt) { /* what was put together is worth nothing, and takes room */
		ck_shards_forget_space(s);
		ck_shards_trim(s);
	}
	return r;
}

static int publish_new(struct ck_stage *s, unsigned flags, struct ck_err *err)
{
	struct ck_publish *x = calloc(1, sizeof(*x));
	int r;

	if (!x)
		return ck_fail_nomem(err, s->prefix);
	r = publish(s, x, flags, err);
	if (r <= 0) {
		if (s->in_doubt != x)
			ck_publish_free(x);
		return r;
	}
	s->committed = x;
	return ck_publish_finish(s, err);
}

int ck_publish_finish(struct ck_stage *s, struct ck_err *err)
{
	struct ck_publish *x = s->committed;
	int r = ck_apply(s->vfs, &x->commit, s->journal, &s->o.progress, err);

	if (r == 0 && (r = ck_slog_retire(s, NULL)) < 0)
		ck_fail(err, CK_PUBLISH, -r, "%s: cannot be removed: %s: the edits are committed and "
			"will be there once this is finished: mend it, then commit again",
			s->journal_path, strerror(-r));
	if (r < 0)
		return r;
	x->commit.npatches = 0; /* the journal that holds them has gone */
	r = ck_rebase_prepare(s, x, err);
	if (r < 0)
		return r;
	if (ck_rebase(s, x, err) < 0) /* it is published, but memory does not say so */
		s->spent = true;
	s->last.report = x->plan.report;
	s->last.any = true;
	s->last.when = time(NULL);
	snprintf(s->last.report.target, sizeof(s->last.report.target), "%s", s->prefix);
	s->committed = NULL;
	ck_publish_free(x);
	return 0;
}

void ck_publish_free(struct ck_publish *x)
{
	ck_plan_done(&x->plan);
	ck_commit_done(&x->commit);
	ck_quarantine_done(&x->quarantine);
	ck_model_unref(x->model);
	for (uint32_t i = 0; i < x->nmade; i++)
		free(x->made[i]);
	free(x->made);
	free(x);
}

int ck_edit_allowed(struct ck_stage *s, struct ck_err *err)
{
	if (s->spent)
		return ck_fail(err, CK_BUSY, EBUSY, "%s: its files are others than in memory: open it again",
			       s->prefix);
	if (s->in_doubt) {
		if (ck_journal_unappend(s->journal, s->doubt_at, s->doubt_chain, NULL) < 0)
			return ck_fail(err, CK_PUBLISH, EIO, "%s: the disk failed in the middle of "
				       "publishing, and fails still: mend it and try again, or "
				       "unmount and mount again, which finishes it or takes it back",
				       s->prefix);
		ck_layout_undo(s, s->in_doubt);
		ck_publish_free(s->in_doubt);
		s->in_doubt = NULL;
	}
	if (s->committed)
		return ck_publish_finish(s, err);
	if (__atomic_load_n(&s->garbage, __ATOMIC_RELAXED) > 1000)
		ck_snodes_sweep(s);
	return 0;
}

/* With edit_lock: what was committed before, or what is staged now. */
int ck_publish_locked(struct ck_stage *s, unsigned flags, struct ck_publish_report *ret,
		      struct ck_err *err)
{
	bool finishing = s->committed != NULL;
	struct timespec begin, end;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	s->last.report = (struct ck_publish_report){ .nothing = true };
	r = ck_edit_allowed(s, err);
	if (r < 0)
		return r;
	if (finishing)
		r = 0; /* done by that */
	else if (s->own || (flags & CK_PUBLISH_EXPLICIT))
		r = publish_new(s, flags, err);
	else if (s->recovered) {
		*ret = s->last.report;
		return 0; /* they wait for somebody to ask */
	}
	if (r < 0)
		return r;
	clock_gettime(CLOCK_MONOTONIC, &end);
	s->last.report.seconds = (double)(end.tv_sec - begin.tv_sec) +
				 (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
	s->own = s->recovered = false;
	*ret = s->last.report;
	return 0;
}

int ck_stage_publish(struct ck_stage *s, unsigned flags, struct ck_publish_report *ret,
		     struct ck_err *err)
{
	struct ck_err why = CK_ERR_INIT;
	int r;

	*ret = (struct ck_publish_report){ .nothing = true };
	pthread_mutex_lock(&s->edit_lock);
	r = ck_publish_locked(s, flags, ret, &why);
	free(s->last.error);
	s->last.error = r < 0 ? strdup(why.cls == CK_OK ? strerror(-r) : why.text) : NULL;
	pthread_mutex_unlock(&s->edit_lock);
	if (r < 0)
		ck_fail(err, why.cls == CK_OK ? CK_PUBLISH : why.cls, -r, "%s",
			why.cls == CK_OK ? strerror(-r) : why.text);
	return r;
}
