/*
 * recover.c - what an earlier opening left behind, before the checkpoint is loaded.
 *
 * The states of a journal and what is done about each stand in doc/format-journal.md. In short: a
 * journal with COMMIT is carried out to its end; one without keeps its edits staged (replay.c), and
 * what PREPARE named is removed; one that was begun on something else is set aside under another
 * name and told of; one that never got its BASE record held nothing.
 */
#include "saver/stage_private.h"

#include "journal/identity.h"
#include "journal/pointer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* What a first look at the journal gives. */
struct look {
	struct ck_stage *s;
	struct ck_rec_index base, commit;
	struct ck_rec_shard *shards; /* BASE's */
	uint32_t nshards, num_shards;
	char *source; /* where the files of BASE are, if that is elsewhere */
	char **prepared;
	uint32_t nprepared;
	struct ck_commit c;
	uint64_t edits;
};

/* Names in a journal are of files beside the prefix, and begin like it: nothing else is ever
 * removed or renamed. */
static bool is_ours(const struct ck_stage *s, struct ck_span name)
{
	return ck_rec_file_is_of(name, s->prefix);
}

/* The path of such a name; NULL when out of memory. */
static char *path_of(const struct ck_stage *s, struct ck_span name)
{
	size_t folder = strlen(s->prefix) - ck_file_name(s->prefix).n;
	struct ck_buf b = CK_BUF_INIT;

	ck_buf_add(&b, s->prefix, folder);
	ck_buf_add(&b, name.p, name.n);
	if (!ck_buf_failed(&b))
		return b.p;
	ck_buf_done(&b);
	return NULL;
}

static int keep_prepared(struct look *l, const struct ck_record *r)
{
	char **p = realloc(l->prepared, (l->nprepared + r->npaths + 1) * sizeof(*p));

	if (!p)
		return -ENOMEM;
	l->prepared = p;
	for (uint32_t i = 0; i < r->npaths; i++)
		if (is_ours(l->s, r->paths[i]) && !(p[l->nprepared++] = path_of(l->s, r->paths[i])))
			return -ENOMEM;
	return 0;
}

static int keep_commit(struct look *l, const struct ck_record *r, struct ck_err *err)
{
	struct ck_commit *c = &l->c;

	l->commit = r->index;
	if (!r->npaths)
		return ck_fail(err, CK_CORRUPT, EIO, "its COMMIT names no index");
	c->index_path = strdup(l->s->index_path);
	c->index_tmp = path_of(l->s, r->paths[0]);
	c->remove = calloc(r->npaths, sizeof(*c->remove));
	c->patches = calloc(r->npatches + 1, sizeof(*c->patches));
	c->files = calloc(r->npatches + 1, sizeof(*c->files));
	if (!c->index_path || !c->index_tmp || !c->remove || !c->patches || !c->files)
		return ck_fail_nomem(err, l->s->prefix);
	for (uint32_t i = 0; i < r->npaths; i++) {
		if (!is_ours(l->s, r->paths[i]))
			return ck_fail(err, CK_CORRUPT, EIO, "its COMMIT names foreign files");
		if (i && !(c->remove[c->nremove++] = path_of(l->s, r->paths[i])))
			return ck_fail_nomem(err, l->s->prefix);
	}
	if (r->npatches)
		memcpy(c->patches, r->patches, r->npatches * sizeof(*c->patches));
	c->npatches = r->npatches;
	return 0;
}

static int look_at(void *arg, uint64_t at, const struct ck_record *r, struct ck_err *err)
{
	struct look *l = arg;

	(void)at;
	switch (r->type) {
	case CK_REC_BASE:
		l->base = r->index;
		l->num_shards = r->num_shards;
		if (r->source.n &&
		    !(l->source = strndup((const char *)r->source.p, r->source.n)))
			return ck_fail_nomem(err, l->s->prefix);
		l->shards = calloc(r->nshards + 1, sizeof(*l->shards));
		if (!l->shards)
			return ck_fail_nomem(err, l->s->prefix);
		if (r->nshards)
			memcpy(l->shards, r->shards, r->nshards * sizeof(*l->shards));
		l->nshards = r->nshards;
		return 0;
	case CK_REC_PREPARE:
		return keep_prepared(l, r) < 0 ? ck_fail_nomem(err, l->s->prefix) : 0;
	case CK_REC_COMMIT:
		return keep_commit(l, r, err);
	case CK_REC_SYNC:
		return 0;
	default:
		l->edits++;
		return 0;
	}
}

static void look_done(struct look *l)
{
	for (uint32_t i = 0; i < l->nprepared; i++)
		free(l->prepared[i]);
	free(l->prepared);
	free(l->shards);
	free(l->source);
	ck_commit_done(&l->c);
}

/* Whether a shard is the one that the journal was begun on: 1, 0, -errno. */
static int same_shard(struct ck_stage *s, const struct look *l, const struct ck_rec_shard *was,
		      bool patched, struct ck_err *err)
{
	struct ck_rec_shard is = *was;
	char *path = ck_shard_name(l->source ? l->source : s->prefix, was->id, l->num_shards);
	struct ck_vstat st;
	int r = path ? s->vfs->stat(s->vfs, path, &st) : -ENOMEM;

	is.touched |= patched;
	if (r == 0)
		r = !ck_rec_shard_differs(&is, &st);
	else if (r == -ENOENT)
		r = 0;
	if (r < 0)
		ck_fail(err, CK_MISSING, -r, "%s: cannot be examined: %s",
			path ? path : s->prefix, strerror(-r));
	free(path);
	return r;
}

static int same_shards(struct ck_stage *s, const struct look *l, bool patched, struct ck_err *err)
{
	int r = 1;

	for (uint32_t i = 0; i < l->nshards && r == 1; i++)
		r = same_shard(s, l, &l->shards[i], patched, err);
	return r;
}

static void notice(struct ck_stage *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void notice(struct ck_stage *s, const char *fmt, ...)
{
	char text[2000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ck_buf_str(&s->notice, text);
	ck_buf_char(&s->notice, '\n');
}

static int set_aside(struct ck_stage *s, const char *why, struct ck_err *err)
{
	char *to;
	int r;

	if (s->o.look) {
		s->ignored = true;
		notice(s, "%s: %s: the next writer sets it aside", s->journal_path, why);
		return 0;
	}
	r = ck_journal_set_aside(s->vfs, s->journal_path, &to, err);
	if (r < 0)
		return r;
	if (s->pointer_path) {
		r = s->vfs->unlink(s->vfs, s->pointer_path);
		if (r == 0 || r == -ENOENT)
			r = s->vfs->sync_dir(s->vfs, s->pointer_path);
	}
	notice(s, "%s: %s: its edits were not applied; it is kept as %s", s->journal_path, why, to);
	free(to);
	return r < 0 ? ck_fail(err, CK_BUSY, -r, "%s: cannot be removed: %s", s->pointer_path,
			       strerror(-r)) : 0;
}

/* The new index has always the same temporary name; the others stand in PREPARE. */
static int remove_prepared(struct ck_stage *s, struct look *l, struct ck_err *err)
{
	struct ck_buf ck_auto_buf tmp = CK_BUF_INIT;

	ck_buf_printf(&tmp, "%s.ckptfuse-new", s->index_path);
	if (ck_buf_failed(&tmp))
		return ck_fail_nomem(err, s->prefix);
	s->vfs->unlink(s->vfs, tmp.p); /* if it is there; the next publish makes it anew */
	for (uint32_t i = 0; i < l->nprepared; i++) {
		int r = s->vfs->unlink(s->vfs, l->prepared[i]);

		if (r < 0 && r != -ENOENT)
			return ck_fail(err, CK_BUSY, -r, "%s: left by a publish that was cut "
				       "short, cannot be removed: %s", l->prepared[i],
				       strerror(-r));
	}
	/* Before the journal goes, which knows their names. */
	if (l->nprepared && s->vfs->sync_dir(s->vfs, s->index_path) < 0)
		return ck_fail(err, CK_BUSY, EIO, "%s: its folder cannot be made durable",
			       s->index_path);
	return 0;
}

/* The files that patches go to, by shard id as it was before the publish. */
static int open_patched(struct ck_stage *s, struct look *l, struct ck_err *err)
{
	struct ck_commit *c = &l->c;
	int r = 0;

	for (uint32_t i = 0; i < c->npatches && r == 0; i++) {
		char *path;

		if (i && c->patches[i].shard == c->patches[i - 1].shard) {
			c->files[i] = c->files[i - 1];
			continue;
		}
		path = ck_shard_name(s->prefix, c->patches[i].shard, l->num_shards);
		r = path ? ck_vfs_open(s->vfs, path, O_RDWR, 0, &c->files[i]) : -ENOMEM;
		if (r < 0)
			ck_fail(err, CK_BUSY, -r, "%s: a publish that was cut short cannot be "
				"finished: %s", path ? path : s->prefix, strerror(-r));
		free(path);
	}
	return r;
}

static void close_patched(struct ck_commit *c)
{
	for (uint32_t i = 0; i < c->npatches; i++)
		if (c->files[i] && (i == 0 || c->files[i] != c->files[i - 1]))
			ck_vfs_close(c->files[i]);
}

static int roll_forward(struct ck_stage *s, struct look *l, const struct ck_journal_scan *scan,
			struct ck_err *err)
{
	struct ck_journal *j;
	int r;

	if (s->o.look) {
		s->ignored = true;
		notice(s, "%s: a publish was cut short: ckptctl commit finishes it", s->prefix);
		return 0;
	}
	r = ck_journal_resume(s->vfs, s->journal_path, scan, &j, err);
	if (r < 0)
		return r;
	r = open_patched(s, l, err);
	if (r == 0)
		r = ck_apply(s->vfs, &l->c, j, &s->o.progress, err);
	close_patched(&l->c);
	ck_journal_close(j, false, NULL);
	if (r == 0 && (r = ck_slog_remove(s)) < 0)
		ck_fail(err, CK_BUSY, -r, "%s: cannot be removed: %s", s->journal_path,
			strerror(-r));
	if (r == 0)
		notice(s, "%s: a publish that was cut short has been finished", s->prefix);
	return r;
}

static int decide(struct ck_stage *s, struct look *l, const struct ck_journal_scan *scan,
		  struct ck_err *err)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;
	struct ck_rec_index now;
	int r;

	ck_buf_printf(&path, "%s.index", l->source ? l->source : s->prefix);
	if (ck_buf_failed(&path))
		return ck_fail_nomem(err, s->prefix);
	if (scan->committed) {
		r = ck_rec_index_of(s->vfs, s->index_path, &now, err);
		if (r < 0)
			return r;
		if (ck_rec_index_same(&now, &l->commit)) { /* only the tidying is left */
			l->c.npatches = 0;
			return roll_forward(s, l, scan, err);
		}
	}
	/* With save= the edits are of another checkpoint, and the target is not there yet. */
	r = ck_rec_index_of(s->vfs, path.p, &now, err);
	if (r < 0)
		return r;
	if (!ck_rec_index_same(&now, &l->base))
		return set_aside(s, "it was begun on another state of the checkpoint, which has "
				    "been saved anew since", err);
	r = same_shards(s, l, scan->committed, err);
	if (r < 0)
		return r;
	if (!r)
		return set_aside(s, "it was begun on other data files than are there now", err);
	if (scan->committed) {
		r = ck_rec_index_of(s->vfs, l->c.index_tmp, &now, err);
		if (r < 0)
			return r;
		return ck_rec_index_same(&now, &l->commit) ?
			       roll_forward(s, l, scan, err) :
			       set_aside(s, "it is committed, but the new index is not there", err);
	}
	return s->o.look ? 0 : remove_prepared(s, l, err);
}

static int follow_pointer(struct ck_stage *s, struct ck_err *err)
{
	struct ck_buf ck_auto_buf beside = CK_BUF_INIT;
	struct ck_vstat st;
	char *path;
	int r;

	ck_buf_printf(&beside, "%s.ckptfuse-journal", s->prefix);
	if (ck_buf_failed(&beside))
		return ck_fail_nomem(err, s->prefix);
	r = ck_pointer_read(s->vfs, beside.p, &path, NULL);
	if (r == -ENOENT) { /* what lies at PATH is of no checkpoint: ck_recover_orphan() */
		s->unled = s->pointer_path != NULL;
		return 0;
	}
	if (r < 0) { /* a journal, which wins over where a new one was to lie */
		if (!s->pointer_path)
			return 0;
		free(s->journal_path);
		s->journal_path = s->pointer_path;
		s->pointer_path = NULL;
		return 0;
	}
	r = s->vfs->stat(s->vfs, path, &st);
	if (r < 0 && s->o.discard_lost) {
		r = s->vfs->unlink(s->vfs, beside.p);
		if (r == 0)
			r = s->vfs->sync_dir(s->vfs, beside.p);
		if (r == 0)
			notice(s, "%s: the edits in %s, which is not there, were given up", s->prefix,
			       path);
		free(path);
		return r < 0 ? ck_fail(err, CK_BUSY, -r, "%s: cannot be removed: %s", beside.p,
				       strerror(-r)) : 0;
	}
	if (r < 0) {
		r = ck_fail(err, CK_BUSY, EBUSY, "%s: edits are staged in %s, which is not there: "
			    "make it reachable, or give them up with ckptctl discard", s->prefix,
			    path);
		free(path);
		return r;
	}
	free(s->journal_path);
	s->journal_path = path;
	if (!s->pointer_path && !(s->pointer_path = strdup(beside.p)))
		return ck_fail_nomem(err, s->prefix);
	return 0;
}

/* A journal that nothing points to is nobody's, unless it was just being begun, or what it commits
 * is what this checkpoint is. */
static bool is_done_with(struct ck_stage *s, const struct look *l,
			 const struct ck_journal_scan *scan)
{
	struct ck_rec_index now;

	return !l->edits || (scan->committed &&
			     ck_rec_index_of(s->vfs, s->index_path, &now, NULL) == 0 &&
			     ck_rec_index_same(&now, &l->commit));
}

int ck_recover(struct ck_stage *s, struct ck_err *err)
{
	struct look l = { .s = s };
	struct ck_journal_scan scan = { 0 };
	struct ck_err why = CK_ERR_INIT;
	struct ck_vstat st;
	int r = follow_pointer(s, err);

	if (r < 0 || s->ignored)
		return r;
	r = s->vfs->lstat(s->vfs, s->journal_path, &st);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return ck_fail(err, CK_MISSING, -r, "%s: cannot be examined: %s", s->journal_path,
			       strerror(-r));
	r = ck_journal_scan(s->vfs, s->journal_path, look_at, &l, &scan, &why);
	if (s->unled) {
		if (r == 0 && !s->o.look && is_done_with(s, &l, &scan))
			s->vfs->unlink(s->vfs, s->journal_path);
		look_done(&l);
		return 0;
	}
	if (r == -ENOMEM || why.cls == CK_MISSING)
		ck_fail(err, why.cls, why.errnum, "%s", why.text);
	else if (r < 0)
		r = set_aside(s, why.cls == CK_UNSUPPORTED ? "it was written by a newer version" :
			      "it cannot be read", err);
	else if (!scan.has_base && s->o.look)
		s->ignored = true;
	else if (!scan.has_base)
		r = (r = ck_slog_remove(s)) < 0 ?
			    ck_fail(err, CK_BUSY, -r, "%s: cannot be removed: %s",
				    s->journal_path, strerror(-r)) : 0;
	else
		r = decide(s, &l, &scan, err);
	look_done(&l);
	return r;
}

int ck_recover_orphan(struct ck_stage *s, struct ck_err *err)
{
	struct look l = { .s = s };
	struct ck_journal_scan scan = { 0 };
	struct ck_err why = CK_ERR_INIT;
	struct ck_vstat st;
	int r;

	r = s->vfs->lstat(s->vfs, s->journal_path, &st);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return ck_fail(err, CK_MISSING, -r, "%s: cannot be examined: %s", s->journal_path,
			       strerror(-r));
	r = ck_journal_scan(s->vfs, s->journal_path, look_at, &l, &scan, &why);
	if (r == 0 && (scan.committed || !l.edits)) {
		r = s->vfs->unlink(s->vfs, s->journal_path);
		if (r < 0)
			ck_fail(err, CK_BUSY, -r, "%s: cannot be removed: %s", s->journal_path,
				strerror(-r));
	} else if (r == 0 || why.cls == CK_FOREIGN || why.cls == CK_UNSUPPORTED) {
		r = set_aside(s, "it is of no checkpoint that points to it", err);
	} else {
		ck_fail(err, why.cls, why.errnum, "%s", why.text);
	}
	look_done(&l);
	return r;
}
