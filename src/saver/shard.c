/*
 * shard.c - the data files: reading what was staged, writing behind the last live byte.
 *
 * New bytes go to the *target*: the last shard, if it is a regular file of one name that may be
 * written, else (and where a new checkpoint is made) a file of our own, P.ckptfuse-data, which
 * becomes a shard when it is published.
 *
 * A shard's size and time are remembered after each write of ours and compared before the next:
 * what somebody else does to it is seen.
 */
#include "saver/stage_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#define UNUSED_MAX 1024 /* missing numbers of data files that are looked for */
#define RUN (UINT64_C(8) << 20) /* bytes: much less, and the disk writes in small pieces */

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static int add_shard(struct ck_stage *s, uint32_t id, const char *path, struct ck_source *source,
		     uint32_t *ret, struct ck_err *err)
{
	struct ck_sshard sh = { .id = id, .source = source, .path = strdup(path) }, *p = NULL;

	ck_state_write(s); /* readers use what is there */
	if (sh.path)
		p = realloc(s->shards, (s->nshards + 1) * sizeof(*p));
	if (p) {
		s->shards = p;
		p[s->nshards] = sh;
		*ret = s->nshards++;
	}
	ck_state_written(s);
	if (p)
		return 0;
	free(sh.path);
	return ck_fail_nomem(err, s->prefix);
}

/* Data files of the bundle in which no variable lies: all of it is dead, or it was empty always. */
static int add_unused(struct ck_stage *s, struct ck_err *err)
{
	uint32_t num = s->model->num_shards, which;
	int r = 0;

	if (num - s->model->nshards > UNUSED_MAX)
		return 0;
	for (uint32_t id = 0; id < num && r == 0; id++) {
		struct ck_vstat st;
		char *path;

		if (ck_shard_by_id(s, id) != CK_NO_SHARD)
			continue;
		path = ck_shard_name(s->source, id, num);
		if (!path)
			return ck_fail_nomem(err, s->prefix);
		if (s->vfs->stat(s->vfs, path, &st) == 0 && S_ISREG(st.mode)) {
			r = add_shard(s, id, path, NULL, &which, err);
			if (r == 0)
				s->shards[which].stat = st;
		}
		free(path);
	}
	return r;
}

/* The model's shards keep their numbers here, so that ck_var.shard is an index of both. */
int ck_shards_init(struct ck_stage *s, struct ck_err *err)
{
	uint32_t which;
	int r = 0;

	s->target = CK_NO_SHARD;
	s->can_clone = -1;
	for (uint32_t i = 0; i < s->model->nshards && r == 0; i++) {
		struct ck_shard *m = &s->model->shards[i];
		struct ck_buf ck_auto_buf path = CK_BUF_INIT;

		ck_buf_printf(&path, "%s.data-%05" PRIu32 "-of-%05" PRIu32, s->source, m->id,
			      s->model->num_shards);
		if (ck_buf_failed(&path))
			return ck_fail_nomem(err, s->prefix);
		r = add_shard(s, m->id, path.p, m->source, &which, err);
		if (r == 0 && m->source)
			r = s->vfs->stat(s->vfs, path.p, &s->shards[which].stat);
		if (r < 0)
			ck_fail(err, CK_MISSING, -r, "%s: cannot be examined: %s", path.p,
				strerror(-r));
	}
	if (r == 0 && s->exists)
		r = add_unused(s, err);
	for (uint32_t i = 0; i < s->nshards; i++)
		s->shards[i].found = s->shards[i].stat.size;
	return r;
}

void ck_shards_done(struct ck_stage *s)
{
	for (uint32_t i = 0; i < s->nshards; i++) {
		ck_vfs_close(s->shards[i].file);
		ck_space_free(s->shards[i].space);
		free(s->shards[i].path);
	}
	free(s->shards);
	s->shards = NULL;
	s->nshards = 0;
	ck_shard_drop_limbo(s, false);
}

int ck_shard_add(struct ck_stage *s, uint32_t id, uint32_t *ret, struct ck_err *err)
{
	char *path = ck_shard_name(s->source, id, s->num_shards);
	int r = path ? add_shard(s, id, path, NULL, ret, err) : ck_fail_nomem(err, s->prefix);

	free(path);
	return r;
}

uint32_t ck_shard_by_id(const struct ck_stage *s, uint32_t id)
{
	for (uint32_t i = 0; i < s->nshards; i++)
		if (s->shards[i].id == id)
			return i;
	return CK_NO_SHARD;
}

void ck_shard_note(struct ck_sshard *sh)
{
	if (sh->file)
		sh->unnoted = sh->file->vfs->fstat(sh->file, &sh->stat) < 0;
}

static bool differs(const struct ck_vstat *a, const struct ck_vstat *b)
{
	return a->ino != b->ino || a->size != b->size || !same_time(a->mtime, b->mtime);
}

int ck_shard_changed(struct ck_stage *s, struct ck_sshard *sh)
{
	struct ck_vstat now;
	int r;

	if (!sh->source && !sh->file)
		return 0; /* missing from the beginning (force) */
	r = s->vfs->stat(s->vfs, sh->path, &now);
	if (r < 0)
		return r == -ENOENT ? 1 : r;
	if (sh->unnoted) { /* our own last write could not be looked at */
		sh->stat = now;
		sh->unnoted = false;
	}
	return differs(&now, &sh->stat);
}

static int say(struct ck_err *err, const char *path, const char *what, int r)
{
	return ck_fail(err, CK_PUBLISH, -r, "%s: %s: %s%s", path, what, strerror(-r),
		       r == -ENOSPC || r == -EDQUOT ?
			       ": free some space, then try again" :
		       r == -EACCES || r == -EROFS || r == -EPERM ?
			       ": ask its owner, or publish elsewhere with -o save=PREFIX" : "");
}

int ck_shard_open(struct ck_stage *s, uint32_t which, bool write, struct ck_err *err)
{
	struct ck_sshard *sh = &s->shards[which];
	struct ck_vfile *f;
	struct ck_vstat st;
	int r;

	if (sh->file && (sh->writable || !write))
		return 0;
	r = ck_vfs_open(s->vfs, sh->path, write ? O_RDWR : O_RDONLY, 0, &f);
	if (r == 0) {
		r = s->vfs->fstat(f, &st);
		if (r == 0 && sh->stat.ino && st.ino != sh->stat.ino)
			r = -ESTALE;
		if (r < 0)
			ck_vfs_close(f);
	}
	if (r < 0)
		return say(err, sh->path, "cannot be opened", r);
	ck_state_write(s);
	ck_vfs_close(sh->file);
	sh->file = f;
	sh->writable = write;
	if (!sh->stat.ino)
		sh->stat = st;
	ck_state_written(s);
	return 0;
}

bool ck_shard_is_ours(struct ck_stage *s, uint32_t which)
{
	struct ck_sshard *sh = &s->shards[which];
	struct ck_vstat st;

	/* Asked anew each time: a link may be made at any moment. */
	if (s->foreign && sh->source)
		return false;
	/* Published elsewhere as a copy: what was opened is read from the old file. */
	if (sh->source && ck_source_stat(sh->source)->st_ino != sh->stat.ino)
		return false;
	return s->vfs->lstat(s->vfs, sh->path, &st) == 0 && S_ISREG(st.mode) && st.nlink == 1 &&
	       st.ino == sh->stat.ino;
}

int ck_shard_read(struct ck_stage *s, uint32_t which, uint64_t off, void *p, size_t n,
		  struct ck_err *err)
{
	struct ck_sshard *sh = &s->shards[which];
	int r;

	if (!sh->file)
		return ck_fail(err, CK_CORRUPT, EIO, "%s: is not open", sh->path);
	r = ck_vfs_read(sh->file, off, p, n);
	return r < 0 ? say(err, sh->path, "staged bytes cannot be read", r) : 0;
}

/* A long file is on its way to the disk while more of it comes, so that the sync at its end has
 * little left to do. */
static void start_sync(struct ck_sshard *sh, uint64_t off, uint64_t n)
{
	if (off != sh->run_end)
		sh->run = off;
	sh->run_end = off + n;
	if (sh->run_end - sh->run >= RUN) {
		ck_vfs_start_sync(sh->file, sh->run, sh->run_end - sh->run);
		sh->run = sh->run_end;
	}
}

int ck_shard_write(struct ck_stage *s, uint32_t which, uint64_t off, const void *p, size_t n,
		   struct ck_err *err)
{
	struct ck_sshard *sh = &s->shards[which];
	struct ck_vstat now;
	int r;

	if (sh->unnoted)
		ck_shard_note(sh);
	r = s->vfs->fstat(sh->file, &now);
	if (r < 0)
		return say(err, sh->path, "cannot be examined", r);
	if (!sh->unnoted && differs(&now, &sh->stat))
		return ck_fail(err, CK_PUBLISH, ESTALE, "%s: something else has written to it since "
			       "it was mounted: unmount, and look at it", sh->path);
	sh->dirty = sh->grown = true;
	r = ck_vfs_write(sh->file, off, p, n);
	if (r == 0)
		start_sync(sh, off, n);
	ck_shard_note(sh);
	return r < 0 ? say(err, sh->path, "cannot be written", r) : 0;
}

/* --- free space ------------------------------------------------------------------------------ */

static int add_var_ranges(const struct ck_model *m, const struct ck_var *v, uint32_t id,
			  struct ck_ranges *ret)
{
	int r = 0;

	if (v->flags & CK_VAR_DAMAGED)
		return 0;
	if (!(v->flags & CK_VAR_SLICED))
		return v->nbytes && m->shards[v->shard].id == id ?
			       ck_ranges_add(ret, v->offset, v->nbytes) : 0;
	for (uint32_t k = 0; k < v->shard && r == 0; k++) {
		const struct ck_slice *sl = &m->slices[v->offset + k];

		if (sl->nbytes && m->shards[sl->shard].id == id)
			r = ck_ranges_add(ret, sl->offset, sl->nbytes);
	}
	return r;
}

int ck_model_ranges(const struct ck_model *m, uint32_t id, struct ck_ranges *ret)
{
	int r = 0;

	for (uint32_t i = 0; i < m->nvars && r == 0; i++)
		r = add_var_ranges(m, &m->vars[i], id, ret);
	return r;
}

int ck_shard_live(struct ck_stage *s, uint32_t which, struct ck_ranges *ret, struct ck_err *err)
{
	struct ck_model *m = s->model;
	int r = 0;

	if (!s->exists || s->shards[which].id == CK_REC_STAGE)
		return 0;
	if (s->last.any) { /* it has been published since */
		r = ck_open_prefix(s->vfs, s->prefix, CK_OPEN_RAW, &m, err);
		if (r < 0)
			return r;
	}
	r = ck_model_ranges(m, s->shards[which].id, ret);
	if (m != s->model)
		ck_model_unref(m);
	if (r < 0)
		return ck_fail_nomem(err, s->prefix);
	ck_ranges_settle(ret);
	return 0;
}

struct use {
	uint32_t which;
	struct ck_ranges *ranges;
};

static int use_extent(void *arg, const struct ck_ext *e)
{
	struct use *u = arg;

	return e->kind == CK_EXT_SHARD && e->which == u->which ?
		       ck_ranges_add(u->ranges, e->at, e->len) : 0;
}

/* What files mean that no index means any more: scratch files, and what is open. */
static int add_contents(struct ck_stage *s, uint32_t which, struct ck_ranges *ret)
{
	struct use u = { which, ret };
	int r = 0;

	for (struct ck_content *c = s->contents; c && r == 0; c = c->next) {
		if (c->region.which == which && c->region.len)
			r = ck_ranges_add(ret, c->region.at, c->region.len);
		if (r == 0 && c->map)
			r = ck_extmap_each(c->map, use_extent, &u);
		if (r == 0 && c->homed && c->home_shard == which && c->home_size)
			r = ck_ranges_add(ret, c->home_at, c->home_size);
		if (r == 0 && c->model)
			r = add_var_ranges(c->model, &c->model->vars[c->var],
					   s->shards[which].id, ret);
	}
	return r;
}

/* Where nothing is known of what died when, all that is dead died just now. */
static int quarantine_gaps(struct ck_stage *s, const struct ck_sshard *sh,
			   const struct ck_ranges *live)
{
	uint32_t id = sh->id;
	uint64_t end = 0;
	int r = 0;

	if (s->quarantine_known)
		return 0;
	for (size_t i = 0; i < live->n && r == 0; i++) {
		if (live->v[i].off > end)
			r = ck_quarantine_add(&s->quarantine, id, 1, end, live->v[i].off - end);
		end = live->v[i].off + live->v[i].len;
	}
	if (r == 0 && sh->found > end)
		r = ck_quarantine_add(&s->quarantine, id, 1, end, sh->found - end);
	s->quarantine_known = r == 0;
	return r;
}

/* All that must not be written to, and its end. */
static int used_ranges(struct ck_stage *s, uint32_t which, struct ck_ranges *ret,
		       struct ck_err *err)
{
	uint32_t id = s->shards[which].id;
	int r = ck_shard_live(s, which, ret, err);

	if (r < 0)
		return r;
	r = id == CK_REC_STAGE ? 0 : quarantine_gaps(s, &s->shards[which], ret);
	if (r == 0 && id != CK_REC_STAGE)
		r = ck_quarantine_ranges(&s->quarantine, id, ret);
	if (r == 0)
		r = add_contents(s, which, ret);
	if (r < 0)
		return ck_fail_nomem(err, s->prefix);
	ck_ranges_settle(ret);
	return 0;
}

static int compute_space(struct ck_stage *s, uint32_t which, struct ck_err *err)
{
	struct ck_sshard *sh = &s->shards[which];
	struct ck_ranges used = { 0 };
	uint64_t end = 0;
	int r = used_ranges(s, which, &used, err);

	if (r == 0) {
		/* A quarantine from a file may say anything: it counts as far as the shard goes,
		 * and regions that are reserved lie behind that. */
		end = sh->stat.size;
		for (struct ck_content *c = s->contents; c; c = c->next)
			if (c->region.which == which && c->region.at + c->region.len > end)
				end = c->region.at + c->region.len;
		sh->space = ck_space_new(&used, end);
		if (!sh->space)
			r = ck_fail_nomem(err, s->prefix);
	}
	ck_ranges_done(&used);
	return r;
}

void ck_shards_forget_space(struct ck_stage *s)
{
	for (uint32_t i = 0; i < s->nshards; i++)
		s->shards[i].space = ck_space_free(s->shards[i].space);
	ck_shard_drop_limbo(s, false);
}

void ck_shards_trim(struct ck_stage *s)
{
	struct ck_sshard *sh = s->target == CK_NO_SHARD ? NULL : &s->shards[s->target];
	struct ck_ranges used = { 0 };
	uint64_t end;

	/* What was not written to need not be looked at, for which the index would be read. */
	if (!sh || !sh->file || !sh->writable || !sh->touched ||
	    (!sh->grown && sh->id != CK_REC_STAGE) ||
	    used_ranges(s, s->target, &used, NULL) < 0) {
		ck_ranges_done(&used);
		return;
	}
	end = used.n ? used.v[used.n - 1].off + used.v[used.n - 1].len : 0;
	ck_shard_note(sh);
	if (end == 0 && sh->id == CK_REC_STAGE) { /* it never became a shard */
		s->vfs->unlink(s->vfs, sh->path);
		ck_state_write(s);
		sh->file = ck_vfs_close(sh->file);
		sh->writable = false;
		s->target = CK_NO_SHARD;
		ck_state_written(s);
	} else if (end < sh->stat.size && ck_shard_changed(s, sh) == 0 &&
	    ck_vfs_truncate(sh->file, end) == 0)
		ck_shard_note(sh);
	ck_ranges_done(&used);
}

void ck_shard_drop(struct ck_stage *s, uint32_t which, uint64_t off, uint64_t len, bool logged)
{
	struct ck_slimbo *l;

	if (which != s->target || which == CK_NO_SHARD || !s->shards[which].space || !len)
		return;
	if (!logged || !s->journal) {
		ck_space_give_back(s->shards[which].space, off, len);
		return;
	}
	l = malloc(sizeof(*l));
	if (!l)
		return; /* free again when space is next computed */
	*l = (struct ck_slimbo){ off, len, s->limbo };
	s->limbo = l;
}

void ck_shard_drop_limbo(struct ck_stage *s, bool give_back)
{
	while (s->limbo) {
		struct ck_slimbo *l = s->limbo;

		s->limbo = l->next;
		if (give_back && s->target != CK_NO_SHARD && s->shards[s->target].space)
			ck_space_give_back(s->shards[s->target].space, l->off, l->len);
		free(l);
	}
}

/* --- the target ------------------------------------------------------------------------------ */

int ck_stage_data_open(struct ck_stage *s, struct ck_err *err)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;
	uint32_t which = ck_shard_by_id(s, CK_REC_STAGE);
	struct ck_sshard *sh;
	int r = 0;

	ck_buf_printf(&path, "%s.ckptfuse-data", s->prefix);
	if (ck_buf_failed(&path))
		return ck_fail_nomem(err, s->prefix);
	if (which == CK_NO_SHARD)
		r = add_shard(s, CK_REC_STAGE, path.p, NULL, &which, err);
	if (r < 0)
		return r;
	sh = &s->shards[which];
	if (!sh->file) {
		/* Replaying needs what is there; otherwise it is left over from before. */
		int flags = s->o.look ? O_RDONLY | O_NOFOLLOW :
			    O_RDWR | O_CREAT | O_NOFOLLOW |
				    (s->journal || s->replaying ? 0 : O_TRUNC);
		struct ck_vfile *f;

		r = ck_vfs_open(s->vfs, sh->path, flags,
				s->index_stat.mode ? s->index_stat.mode & 0777 : 0666, &f);
		if (r < 0)
			return say(err, sh->path, "cannot be made", r);
		ck_state_write(s);
		sh->file = f;
		sh->writable = sh->touched = !s->o.look;
		s->stage_named = false;
		ck_shard_note(sh);
		ck_state_written(s);
	}
	s->target = which;
	return 0;
}

/* The last shard, if it may be appended to. */
static uint32_t appendable(struct ck_stage *s)
{
	uint32_t best = CK_NO_SHARD;

	if (!s->exists || s->foreign)
		return CK_NO_SHARD;
	for (uint32_t i = 0; i < s->nshards; i++)
		if (s->shards[i].id != CK_REC_STAGE &&
		    (best == CK_NO_SHARD || s->shards[i].id > s->shards[best].id))
			best = i;
	if (best == CK_NO_SHARD || !ck_shard_is_ours(s, best) ||
	    ck_shard_open(s, best, true, NULL) < 0)
		return CK_NO_SHARD;
	return best;
}

int ck_shard_choose(struct ck_stage *s, struct ck_err *err)
{
	if (s->target != CK_NO_SHARD)
		return 0;
	/* A journal that was begun before says what may be touched. */
	s->target = appendable(s);
	if (s->target != CK_NO_SHARD && s->journal && !s->shards[s->target].touched)
		s->target = CK_NO_SHARD;
	return s->target == CK_NO_SHARD ? ck_stage_data_open(s, err) : 0;
}

int ck_shard_target(struct ck_stage *s, struct ck_sshard **ret, struct ck_err *err)
{
	int r = ck_shard_choose(s, err);

	/* What a record gives up is free when that is durable; one that was found need not be. */
	if (r == 0 && !s->shards[s->target].space && s->journal)
		r = ck_slog_sync(s, err);
	if (r == 0 && !s->shards[s->target].space)
		r = compute_space(s, s->target, err);
	if (r == 0)
		*ret = &s->shards[s->target];
	return r;
}

#define PROBE 4096 /* a block of every file system that can share them */

bool ck_shards_can_clone(struct ck_stage *s)
{
	struct ck_sshard *t;
	uint64_t at;

	if (s->can_clone >= 0)
		return s->can_clone;
	s->can_clone = 0;
	if (s->o.look || ck_shard_target(s, &t, NULL) < 0 || t->id == CK_REC_STAGE ||
	    t->stat.size < PROBE || ck_space_alloc(t->space, PROBE, 0, PROBE, &at) < 0)
		return false;
	s->can_clone = s->vfs->clone(t->file, at, t->file, 0, PROBE) == 0;
	t->dirty |= s->can_clone;
	t->grown |= s->can_clone;
	ck_shard_note(t);
	ck_space_give_back(t->space, at, PROBE);
	return s->can_clone;
}
